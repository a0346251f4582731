"""Compiles the CUDA kernels for sm_80, sm_90a and newer (PTX) with nvcc; needs no device, and links nothing.

    python tools/nvcc_gate.py [csrc/cuda/foo.cu ...]

Prints for each file how long it took and the most registers and spilled bytes of a kernel.  Fails where a file does not
compile without a warning, a kernel spills registers (but for the files in ``SPILLS``), or ptxas says that it waits for
each product of Hopper's tensor cores before the next. Where cuobjdump is at hand (on PATH, or from the
packages nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm), it also fails where the machine code lacks an ``INSTRUCTION``
that a file is written for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("80", "90a")
# The most bytes that a kernel of these files may spill; nothing anywhere else.
SPILLS: dict[str, int] = {}
SERIALIZED = "wgmma.mma_async instructions are serialized"
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

# What the machine code must have: multiply-adds by tensor cores, loads for them, copies of 16 bytes past the registers.
STAGED = ("LDGSTS.E.BYPASS.128",)
HALF_TILES = ("LDSM.16.M88.4", "LDSM.16.MT88.4", *STAGED)
BFLOAT16, FLOAT16, TF32 = "HMMA.16816.F32.BF16", "HMMA.16816.F32 ", "HMMA.1688.F32.TF32"
INSTRUCTIONS = {
    "matmul": ("FFMA", "LDS.128", *STAGED),
    "matmul_tensor": (BFLOAT16, FLOAT16, TF32, *HALF_TILES),
    "conv_implicit": ("FFMA", "LDS.128", *STAGED),
    "conv_tf32": (TF32, *STAGED),
    "conv_bfloat16": (BFLOAT16, *HALF_TILES),
    "conv_float16": (FLOAT16, *HALF_TILES),
    "conv_depthwise": ("LDG.E.128", "STG.E.128"),
}
# For sm_90a alone: products of a warpgroup, by shape and type, boxes by the copy engine, registers handed over.
HOPPER = ("UTMALDG.3D", "USETMAXREG.DEALLOC", "USETMAXREG.TRY_ALLOC")
HGMMA = [f"HGMMA.64x{columns}x16.F32" for columns in (64, 128, 256)]
HGMMA_FLOAT16, HGMMA_BFLOAT16 = ([f"{h}{t}" for h in HGMMA] for t in (" ", ".BF16 "))
HOPPER_INSTRUCTIONS = {
    "matmul_hopper": (*HOPPER, *HGMMA_FLOAT16, *HGMMA_BFLOAT16),
    "conv_hopper_bfloat16": (*HOPPER, *HGMMA_BFLOAT16, *STAGED),
    "conv_hopper_float16": (*HOPPER, *HGMMA_FLOAT16, *STAGED),
}

KERNEL = re.compile(
    r"Function properties for (\S+)\n.*?(\d+) bytes spill stores.*?\n.*?Used (\d+) registers", re.DOTALL
)


def find_cuobjdump() -> str | None:
    """The disassembler on PATH, or that of the Python package (with its nvdisasm beside it)."""
    found = sorted(Path(sys.prefix).glob("lib*/python*/site-packages/nvidia/cu*/bin/cuobjdump"))
    if found:
        os.environ["PATH"] = f"{found[-1].parent}{os.pathsep}{os.environ['PATH']}"
    return shutil.which("cuobjdump")


def missing_instructions(cuobjdump: str, path: Path, compiled: Path) -> list[str]:
    """Which of the instructions that a file is written for no kernel has, by target."""
    missing = []
    for target in TARGETS:
        wanted = INSTRUCTIONS.get(path.stem, ()) + (
            HOPPER_INSTRUCTIONS.get(path.stem, ()) if target == "90a" else ()
        )
        if not wanted:
            continue
        dump = subprocess.run(
            [cuobjdump, "-sass", "-arch", f"sm_{target}", str(compiled)],
            capture_output=True,
            text=True,
            check=True,
        )
        missing += [f"{w.strip()} (sm_{target})" for w in wanted if w not in dump.stdout]
    return missing


def compile_file(nvcc: str, cuobjdump: str | None, path: Path) -> tuple[bool, str]:
    """Whether a file passes, and a line about it."""
    with tempfile.TemporaryDirectory() as folder:
        return check_file(nvcc, cuobjdump, path, Path(folder) / f"{path.stem}.o")


def check_file(nvcc: str, cuobjdump: str | None, path: Path, compiled: Path) -> tuple[bool, str]:
    """Compiles to ``compiled``, and reads what came of it."""
    targets = [f"-gencode=arch=compute_{t},code=sm_{t}" for t in TARGETS]
    targets.append("-gencode=arch=compute_90,code=compute_90")
    exact = ["-fmad=false"] if path.stem in EXACT else []
    start = time.monotonic()
    run = subprocess.run(
        [nvcc, *FLAGS, *exact, *targets, f"-I{ROOT / 'csrc'}", "-c", str(path), "-o", str(compiled)],
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
    most = f"at most {registers} registers and {spilled} bytes spilled"
    line = f"{path.name}: {len(kernels)} kernels, {most}, {took:.0f} s"
    allowed = SPILLS.get(path.stem, 0)
    if spilled > allowed:
        return False, f"{line}\n    {worst} spills {spilled} bytes, more than {allowed}"
    if SERIALIZED in run.stderr:
        return False, f"{line}\n    ptxas: {SERIALIZED}"
    missing = missing_instructions(cuobjdump, path, compiled) if cuobjdump else []
    if missing:
        return False, f"{line}\n    its machine code lacks {', '.join(missing)}"
    return True, line


def main(arguments: list[str]) -> int:
    nvcc = os.environ.get("CUDACXX") or shutil.which("nvcc")
    if nvcc is None:
        print("nvcc gate: there is no CUDA compiler here; kernels were not compiled for a device")
        return 0
    cuobjdump = find_cuobjdump()
    if cuobjdump is None:
        print("nvcc gate: there is no cuobjdump here; the machine code was not looked at")
    files = [Path(a) for a in arguments] or sorted((ROOT / "csrc" / "cuda").glob("*.cu"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda path: compile_file(nvcc, cuobjdump, path), files))
    for _, line in results:
        print(line)
    return not all(ok for ok, _ in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
