"""How things are timed here: contenders take turns in one process, each slice starts idle, medians decide."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Call = Callable[[], object]


def others_run() -> bool:
    """Whether another thread of this process runs or wants to: the kernel's word, not the CPU clock's.

    Of a thread on another core that clock learns at the scheduler's ticks alone, 4 ms apart, and stands still between.
    """
    me = threading.get_native_id()
    for task in os.listdir("/proc/self/task"):
        try:
            state = Path(f"/proc/self/task/{task}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        if state == "R" and int(task) != me:
            return True
    return False


def wait_until_idle(limit: float = 1.0) -> None:
    """Returns once no other thread of this process has run at three looks, a millisecond apart.

    Worker threads spin after their work in the hope of more (torch's for some 8 ms): left alone they would take a core
    from the other library's.
    """
    end = time.perf_counter() + limit
    idle = 0
    while time.perf_counter() < end:
        time.sleep(0.001)
        idle = 0 if others_run() else idle + 1
        if idle == 3:
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
