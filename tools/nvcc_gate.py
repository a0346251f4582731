"""Compiles the CUDA kernels for sm_80 and sm_90a with nvcc; needs no device, and links nothing.

    python tools/nvcc_gate.py [csrc/cuda/foo.cu ...]

Prints for each file how long it took and the most registers and spilled bytes of a kernel.  Fails where a file does not
compile without a warning, or a kernel spills more than ``SPILL_BUDGET`` bytes: CUDA's own subroutines for division and
transcendental functions in float64 spill a few around their calls.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("80", "90a")
SPILL_BUDGET = 64
FLAGS = [
    "-std=c++20",
    "-O3",
    "-ftz=true",
    "--expt-relaxed-constexpr",
    "-Xptxas=-v",
    "-Xcompiler=-fPIC",
    "-Werror=all-warnings",
]
EXACT = ("random", "sampling")  # as in cmake/cuda.cmake

KERNEL = re.compile(
    r"Function properties for (\S+)\n.*?(\d+) bytes spill stores.*?\n.*?Used (\d+) registers", re.DOTALL
)


def compile_file(nvcc: str, path: Path) -> tuple[bool, str]:
    """Whether a file passes, and a line about it."""
    targets = [f"-gencode=arch=compute_{t},code=sm_{t}" for t in TARGETS]
    exact = ["-fmad=false"] if path.stem in EXACT else []
    start = time.monotonic()
    run = subprocess.run(
        [nvcc, *FLAGS, *exact, *targets, f"-I{ROOT / 'csrc'}", "-c", str(path), "-o", os.devnull],
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - start
    if run.returncode:
        lines = [line for line in (run.stdout + run.stderr).splitlines() if "ptxas info" not in line]
        return False, f"{path.name}: does not compile\n" + "\n".join(lines[:40])
    kernels = [
        (int(spilled), int(registers), name) for name, spilled, registers in KERNEL.findall(run.stderr)
    ]
    if not kernels:
        return True, f"{path.name}: no kernels, {took:.0f} s"
    spilled, _, worst = max(kernels)
    registers = max(r for _, r, _ in kernels)
    line = f"{path.name}: {len(kernels)} kernels, at most {registers} registers, {spilled} bytes spilled, {took:.0f} s"
    if spilled > SPILL_BUDGET:
        return False, f"{line}\n    {worst} spills {spilled} bytes, more than {SPILL_BUDGET}"
    return True, line


def main(arguments: list[str]) -> int:
    nvcc = os.environ.get("CUDACXX") or shutil.which("nvcc")
    if nvcc is None:
        print("nvcc gate: there is no CUDA compiler here; kernels were not compiled for a device")
        return 0
    files = [Path(a) for a in arguments] or sorted((ROOT / "csrc" / "cuda").glob("*.cu"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda path: compile_file(nvcc, path), files))
    for _, line in results:
        print(line)
    return not all(ok for ok, _ in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
