"""Matrix products against torch and against the processor's multiply-add peak, interleaved in one process.

    python benchmarks/matmul.py [--threads 1 2] [--sizes 1024x1024x1024 64x784x256T] [--json results.json]

A size is MxKxN; a trailing T takes the second operand transposed, as a linear layer has its weight.  Both libraries
keep idle workers spinning for a while, so each slice waits until the process is idle.  On one thread a slice is
measured in CPU time of that thread, which other programs disturb little.  A wrong result is reported, not timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch
from timing import seconds

import lamina
from lamina import _C

SIZES = [
    *(
        "2048x2048x2048",
        "1024x1024x1024",
        "512x512x512",
        "256x256x256",
        "128x128x128",
        "64x64x64",
        "32x64x32",
        "8x8x8",
    ),
    *("64x784x256", "64x784x256T", "65536x64x64", "64x512x2048", "64x512x10T", "64x65536x64"),
    *("1x4096x4096", "1x4096x4096T", "4096x4096x1"),
]


def fma_peak(threads: int) -> float:
    """GFLOP/s of multiply-adds on registers, of one core."""
    rounds, best = 200_000, 0.0
    for _ in range(3):
        start = time.thread_time()
        operations = _C.multiply_registers(lamina.float32.code, rounds)
        best = max(best, operations / (time.thread_time() - start) / 1e9)
    return best * threads


def measure(size: str, threads: int, rounds: int, budget: float) -> dict[str, object]:
    m, k, n = (int(s) for s in size.rstrip("T").split("x"))
    rng = np.random.default_rng(0)
    a = rng.standard_normal((m, k), dtype=np.float32)
    b = rng.standard_normal((n, k) if size.endswith("T") else (k, n), dtype=np.float32)
    ours, theirs = [lamina.tensor(x) for x in (a, b)], [torch.from_numpy(x) for x in (a, b)]
    if size.endswith("T"):
        ours[1], theirs[1] = ours[1].transpose(0, 1), theirs[1].T

    expected = theirs[0].double() @ theirs[1].double()
    scale = theirs[0].abs().double() @ theirs[1].abs().double()
    errors = []
    for result in (torch.from_numpy((ours[0] @ ours[1]).numpy()), theirs[0] @ theirs[1]):
        errors.append(float(((result.double() - expected).abs() / scale).max() / 2**-24))
    if not errors[0] < max(2 * errors[1], 8):
        raise SystemExit(f"{size}: wrong by {errors[0]:.1f} units of rounding, torch by {errors[1]:.1f}")

    times: tuple[list[float], list[float]] = ([], [])
    peaks = []  # a round's own: the clock changes from second to second
    for _ in range(rounds):
        times[0].append(seconds(lambda: ours[0] @ ours[1], threads, budget))
        times[1].append(seconds(lambda: theirs[0] @ theirs[1], threads, budget))
        peaks.append(fma_peak(threads))
    mine, other = (statistics.median(t) for t in times)
    gflops = 2 * m * n * k / mine / 1e9
    percents = [100 * 2 * m * n * k / t / 1e9 / peak for t, peak in zip(times[0], peaks)]
    return {
        "size": size,
        "threads": threads,
        "us": mine * 1e6,
        "torch_us": other * 1e6,
        "ratio": other / mine,
        "gflops": gflops,
        "peak_gflops": statistics.median(peaks),
        "percent_of_peak": statistics.median(percents),
        "error": errors[0],
        "torch_error": errors[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--budget", type=float, default=0.05, help="seconds a slice")
    parser.add_argument("--json", help="also write the results to this file")
    args = parser.parse_args()

    results = []
    with torch.no_grad(), lamina.no_grad():
        for threads in args.threads:
            torch.set_num_threads(threads)
            lamina.set_num_threads(threads)
            print(f"{threads} thread(s), {_C.selected_isa()}; torch {torch.__version__}")
            print(
                f"{'m x k x n':>17} {'us':>10} {'torch us':>10} {'ratio':>6} {'GFLOP/s':>8} {'of peak':>8}",
                end="",
            )
            print(f" {'error':>6} {'torch':>6}")
            for size in args.sizes:
                r = measure(size, threads, args.rounds, args.budget)
                results.append(r)
                print(
                    f"{size:>17} {r['us']:10.2f} {r['torch_us']:10.2f} {r['ratio']:6.2f} {r['gflops']:8.1f} "
                    f"{r['percent_of_peak']:7.1f}% {r['error']:6.1f} {r['torch_error']:6.1f}",
                    flush=True,
                )
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
