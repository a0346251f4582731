"""Peak memory of whole training steps against torch.

    python benchmarks/peak_memory.py [--works resnet18-128] [--threads 2] [--json results.json]

Each contender of benchmarks/steps.py runs three steps in a process of its own. Counted is how far the process's
resident memory rises above what it was before the first of them, when model and images were there: activations,
gradients, momentum and workspaces. torch's better layout counts. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from steps import WORKS, steps_of
from timing import machine, set_threads, table

CONTENDERS = ("lamina", "torch contiguous", "torch channels last")
BAR = 0.8  # lamina's memory over torch's, at most


def resident(field: str) -> int:
    """VmRSS, or VmHWM, the highest since it was reset, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"/proc/self/status has no {field}")


def rise(work: str, contender: str, threads: int) -> int:
    """Bytes by which three steps raise this process's memory."""
    set_threads(threads)
    step = steps_of(WORKS[work])[0][contender]
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    for _ in range(3):
        step()
    return resident("VmHWM") - before


def measure(work: str, threads: int) -> dict[str, int]:
    """``rise`` of each contender in a process of its own."""
    command = [sys.executable, __file__, "--threads", str(threads), "--works", work, "--only"]
    return {
        name: int(subprocess.run([*command, name], check=True, capture_output=True, text=True).stdout)
        for name in CONTENDERS
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--works", nargs="+", choices=list(WORKS), default=["resnet18-32", "resnet18-128"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=CONTENDERS, help="print this contender's bytes, in this process")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    if options.only:
        print(rise(options.works[0], options.only, options.threads))
        return 0
    records = {work: measure(work, options.threads) for work in options.works}
    missed = False
    lines = []
    for work, taken in records.items():
        ratio = taken["lamina"] / min(taken[name] for name in CONTENDERS[1:])
        missed |= ratio > BAR
        sizes = [f"{taken[name] / 2**20:.0f} MB" for name in CONTENDERS]
        lines.append([work, *sizes, f"{ratio:.2f}", f"{BAR:g}", "missed" if ratio > BAR else ""])
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()) + f", threads {options.threads}")
    print(table(["training step", *CONTENDERS, "lamina / torch", "bar", ""], lines))
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "records": records}, indent=1))
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
