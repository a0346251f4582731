"""Times training steps beside busy neighbours, and small parallel regions on more threads than there are cores.

    python benchmarks/contention.py [--works mlp lenet "small lstm"] [--neighbours 0 1 2] [--pinned]
                                    [--regions 1 2 8 64] [--json results.json]

A neighbour is another process that computes without end: one beside a step of two threads leaves these one and a half
cores, or one and a bit where it is pinned to a core of its own. Steps and the proof of equal losses are
benchmarks/steps.py's. Where cores are short the scheduler decides which library's slice is hit, so that medians over
many slices stand here; the bar is half of torch's time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import steps
import torch
from timing import machine, race, report, set_threads, show, table

import lamina

BAR = 2.0
SMALL_LSTM = steps.Work(
    "char_rnn",
    lambda models: models.CharRNN(vocabulary=65, hidden=128),
    steps.classes(32, 35, count=65),
    BAR,
    steps.classes(32, 35, count=65),
    steps.language,
)
WORKS = {"mlp": steps.WORKS["mlp"], "lenet": steps.WORKS["lenet"], "small lstm": SMALL_LSTM}
BUSY = "import os, sys\nif len(sys.argv) > 1: os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


@contextlib.contextmanager
def neighbours(count: int, pinned: bool) -> Iterator[None]:
    """``count`` busy processes; ``pinned`` each to a core of its own, from the last one on."""
    cores = sorted(os.sched_getaffinity(0), reverse=True)
    started = []
    try:
        for i in range(count):
            core = [str(cores[i % len(cores)])] if pinned else []
            started.append(subprocess.Popen([sys.executable, "-c", BUSY, *core]))
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def measure_step(name: str, count: int, pinned: bool, threads: int) -> dict[str, Any]:
    set_threads(threads)
    contenders = steps.agreeing_steps(name, WORKS[name])
    with neighbours(count, pinned):
        taken = race(contenders, threads, rounds=5, budget=0.1)
    return {
        "work": name,
        "beside": f"{count} pinned" if count and pinned else str(count),
        **comparison(taken),
    }


def comparison(taken: dict[str, float]) -> dict[str, Any]:
    best = min(t for name, t in taken.items() if name != "lamina")
    return {"lamina": taken["lamina"], "torch": best, "ratio": best / taken["lamina"]}


def measure_region(threads: int) -> dict[str, Any]:
    """A pass over 1 MB in place, some 10 µs of work: what is beyond that, the region costs."""
    set_threads(threads)
    contenders = {}
    for name, library in (("lamina", lamina), ("torch", torch)):
        x = library.zeros(1 << 18)
        contenders[name] = lambda x=x: x.add_(1.0)
    taken = race(contenders, threads, rounds=7, budget=0.03)
    return {"work": "add_ to 2^18 numbers", "beside": f"0, {threads} threads", **comparison(taken)}


def measurements(options: argparse.Namespace) -> Iterator[Callable[[], dict[str, Any]]]:
    for name in options.works:
        for count in options.neighbours:
            yield partial(measure_step, name, count, options.pinned, options.threads)
    for threads in options.regions:
        yield partial(measure_region, threads)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--works", nargs="*", choices=list(WORKS), default=list(WORKS))
    parser.add_argument("--neighbours", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--pinned", action="store_true", help="each neighbour stays on one core")
    parser.add_argument("--threads", type=int, default=2, help="of the steps")
    parser.add_argument("--regions", nargs="*", type=int, default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--json", type=Path, help="where to write all times")
    options = parser.parse_args()
    records, rows = [], []
    for measure in measurements(options):
        records.append(measure())
        r = records[-1]
        rows.append([r["work"], r["beside"], show(r["lamina"]), show(r["torch"]), f"{r['ratio']:.2f}"])
        print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    text = table(["work", "busy neighbours", "lamina", "torch", "torch / lamina"], rows)
    report(records, {**machine(), "threads": options.threads}, text, options.json)
    missed = [r for r in records if r["beside"][0] != "0" and r["ratio"] < BAR]
    return min(len(missed), 1)


if __name__ == "__main__":
    sys.exit(main())
