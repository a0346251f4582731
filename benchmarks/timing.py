"""How things are timed here: contenders take turns in one process, each slice starts idle, medians decide."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Call = Callable[[], object]


def wait_until_idle(limit: float = 1.0) -> None:
    """Returns once no thread of this process has used the processor for a while.

    Worker threads spin after their work in the hope of more (torch's for some 6 ms): left alone they would be timed
    as part of the other library's work.
    """
    end = time.perf_counter() + limit
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(0.002)
        if time.process_time() - before < 0.0003:
            return
    raise RuntimeError(f"some thread of this process kept the processor busy for {limit} s")


def seconds(call: Call, threads: int, budget: float) -> float:
    """Seconds a call, over calls that take about ``budget`` together.

    On one thread this is the CPU time of the calling thread, which other programs on the machine disturb little.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    wait_until_idle()
    call()
    repeats = 1
    while True:
        start = clock()
        for _ in range(repeats):
            call()
        spent = clock() - start
        if spent > budget / 2:
            return spent / repeats
        repeats = max(repeats + 1, min(100 * repeats, int(repeats * budget / max(spent, 1e-9))))


def race(
    contenders: dict[str, Call], threads: int, rounds: int = 7, budget: float = 0.03
) -> dict[str, float]:
    """The median seconds a call of each contender, all of them taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            taken[name].append(seconds(call, threads, budget))
    return {name: statistics.median(times) for name, times in taken.items()}


def set_threads(n: int) -> None:
    """Both libraries on ``n`` threads."""
    import torch

    import lamina

    lamina.set_num_threads(n)
    torch.set_num_threads(n)


def machine() -> dict[str, Any]:
    """What a number means nothing without."""
    import numpy
    import torch

    import lamina
    from lamina import _C

    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "isa": _C.selected_isa(),
        "python": platform.python_version(),
        "lamina": lamina.__version__,
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def measure_works(
    doc: str | None, works: Iterable[str], measure: Callable[[str, int], dict[str, Any]]
) -> tuple[list[dict[str, Any]], Path | None]:
    """Reads the command line that benchmarks of whole networks share, and measures what it names.

    Args:
        doc: what ``--help`` says.
        works: the names there are.
        measure: gives a record of a work on so many threads; raises AssertionError where results differ, which ends
            the program with status 1.

    Returns:
        The records, and where their JSON goes.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", nargs="+", choices=list(works), default=list(works))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--json", type=Path, help="where to write all times")
    options = parser.parse_args()
    records = []
    for name in options.works:
        for threads in options.threads:
            try:
                records.append(measure(name, threads))
            except AssertionError as error:
                sys.exit(f"WRONG {error}")
    return records, options.json


def report(records: list[dict[str, Any]], where: dict[str, Any], text: str, path: Path | None) -> None:
    """Prints a table under the machine that it was measured on, and writes the records."""
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print(text)
    if path:
        path.write_text(json.dumps({"machine": where, "records": records}, indent=1))


def show(t: float) -> str:
    """A time in the unit that fits."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if t * scale >= 1:
            return f"{t * scale:.3g} {unit}"
    return f"{t * 1e9:.0f} ns"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A markdown table with aligned columns."""
    widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
    lines = [header, ["-" * w for w in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths)) + " |" for line in lines
    )
