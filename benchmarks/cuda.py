"""Kernels on a CUDA device against torch on the same one, timed by events over buffers that rotate past the L2 cache.

    python benchmarks/cuda.py [--quick]

Every result is compared with torch's before it is timed.  Prints a table; writes JSON under benchmarks/results/ with
device, driver and commit.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import lamina

ROOT = Path(__file__).resolve().parent.parent
ROTATED_BYTES = 256 << 20  # more than any L2


class Row:
    """One op: how to make its inputs, the same call in both libraries, and the bytes or FLOPs that bound it."""

    def __init__(
        self,
        name: str,
        shapes: list[tuple[int, ...]],
        call: Callable[..., Any],
        bytes_: float = 0,
        flops: float = 0,
    ) -> None:
        self.name, self.shapes, self.call, self.bytes, self.flops = name, shapes, call, bytes_, flops


def rows(quick: bool) -> list[Row]:
    n = 1 << (22 if quick else 26)
    side = 1024 if quick else 4096
    classes = (8192, 1000)
    scores = classes[0] * classes[1]
    return [
        Row("add", [(n,), (n,)], lambda m, a, b: a + b, 12 * n),
        Row("exp", [(n,)], lambda m, a: a.exp(), 8 * n),
        Row("gelu", [(n,)], lambda m, a: m.nn.functional.gelu(a), 8 * n),
        Row("add a row", [(n // 1024, 1024), (1024,)], lambda m, a, b: a + b, 8 * n),
        Row("sum of all", [(n,)], lambda m, a: a.sum(), 4 * n),
        Row("sum of rows", [(n // 1024, 1024)], lambda m, a: a.sum(1), 4 * n),
        Row("sum of columns", [(n // 1024, 1024)], lambda m, a: a.sum(0), 4 * n),
        Row("softmax", [classes], lambda m, a: m.softmax(a, 1), 8 * scores),
        Row("matmul float32", [(side, side), (side, side)], lambda m, a, b: a @ b, flops=2 * side**3),
    ]


def milliseconds(library: Any, call: Callable[[int], Any], copies: int) -> float:
    """The median over rounds of the time of one call."""
    for i in range(copies):
        call(i)
    times = []
    for _ in range(7):
        start, end = (library.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for i in range(2 * copies):
            call(i % copies)
        end.record()
        library.cuda.synchronize()
        times.append(start.elapsed_time(end) / (2 * copies))
    return median(times)


def measure(row: Row, torch: Any) -> dict[str, Any]:
    size = sum(4 * _count(shape) for shape in row.shapes)
    copies = max(2, ROTATED_BYTES // size)
    theirs = [[torch.randn(*shape, device="cuda") for shape in row.shapes] for _ in range(copies)]
    ours = [[lamina.from_numpy(t.cpu().numpy()).cuda() for t in inputs] for inputs in theirs]
    got, want = row.call(lamina, *ours[0]).cpu().numpy(), row.call(torch, *theirs[0]).cpu().numpy()
    worst = float(abs(got - want).max() / (abs(want).max() + 1e-30))
    if not worst < 1e-4:
        raise SystemExit(f"{row.name}: differs from torch by {worst:.1e} of the largest value; not timed")
    mine = milliseconds(lamina, lambda i: row.call(lamina, *ours[i]), copies)
    other = milliseconds(torch, lambda i: row.call(torch, *theirs[i]), copies)
    result = {"op": row.name, "lamina_ms": mine, "torch_ms": other, "ratio": other / mine}
    if row.bytes:
        result["GB_per_s"] = row.bytes / mine / 1e6
    if row.flops:
        result["TFLOP_per_s"] = row.flops / mine / 1e9
    return result


def _count(shape: tuple[int, ...]) -> int:
    n = 1
    for s in shape:
        n *= s
    return n


def command(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the script")
    options = parser.parse_args()
    if not lamina.cuda.is_available() or lamina.cuda.is_emulated():
        print(
            f"benchmarks/cuda.py: no CUDA device: {lamina.cuda.unavailable_reason() or 'this one is emulated'}"
        )
        return 1
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    device = lamina.cuda.get_device_name()
    results = []
    print(f"{'op':<16} {'lamina ms':>10} {'torch ms':>10} {'ratio':>6}  rate")
    for row in rows(options.quick):
        r = measure(row, torch)
        rate = f"{r['GB_per_s']:.0f} GB/s" if "GB_per_s" in r else f"{r['TFLOP_per_s']:.1f} TFLOP/s"
        print(f"{r['op']:<16} {r['lamina_ms']:>10.4f} {r['torch_ms']:>10.4f} {r['ratio']:>6.2f}  {rate}")
        results.append(r)
    record = {
        "device": device,
        "driver": command("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "commit": command("git", "rev-parse", "HEAD"),
        "torch": torch.__version__,
        "results": results,
    }
    path = ROOT / "benchmarks" / "results" / f"cuda-{device.replace(' ', '-')}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")
    print(f"written to {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
