"""One convolution by several algorithms: the same answer, and how long each takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lamina
import lamina.nn.functional as F
from lamina.backends.conv import algorithm
from lamina.viz.figure import finish, new_figure

ALGORITHMS = ("reference", "implicit", "winograd", "fft", "automatic")


def deviations(names: list[str], x: lamina.Tensor, weight: lamina.Tensor) -> dict[str, float]:
    """The largest difference from plain loops in float64, relative to the largest value."""
    padding = weight.shape[-1] // 2
    with algorithm("reference"):
        exact = F.conv2d(x.double(), weight.double(), padding=padding)
    off = {}
    for name in names:
        with algorithm(name):
            result = F.conv2d(x, weight, padding=padding)
        off[name] = ((result.double() - exact).abs().max() / exact.abs().max()).item()
    return off


def median_seconds(calls: dict[str, Callable[[], object]], rounds: int = 7) -> dict[str, float]:
    """Contenders take turns, so that a disturbance hits all of them; the median forgets it."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()  # the first call allocates
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def race(side: int, channels: int, kernels: list[int], device: str) -> list[dict[str, Any]]:
    """Seconds of each algorithm, and how far it is off, for one layer with kernels of several sizes."""
    rows = []
    for kernel in kernels:
        x = lamina.randn(1, channels, side, side, device=device)
        weight = lamina.randn(channels, channels, kernel, kernel, device=device) / (kernel * channels**0.5)

        def run(name: str, x: lamina.Tensor = x, weight: lamina.Tensor = weight) -> None:
            with algorithm(name):
                F.conv2d(x, weight, padding=weight.shape[-1] // 2)
            if device != "cpu":
                lamina.cuda.synchronize()

        able = [name for name in ALGORITHMS if name != "winograd" or kernel == 3]
        seconds = median_seconds({name: lambda name=name: run(name) for name in able if name != "reference"})
        worst = max(deviations(able, x, weight).values())
        rows.append({"kernel": kernel, "deviation": worst, "seconds": seconds})
        times = "  ".join(f"{name} {1e3 * taken:.2f} ms" for name, taken in seconds.items())
        print(f"{kernel}x{kernel} on {channels}x{side}x{side}: off by at most {worst:.1e}; {times}")
    return rows


def draw_race(rows: list[dict[str, Any]], path: Path) -> None:
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for name in ALGORITHMS:
        places = [(row["kernel"], 1e3 * row["seconds"][name]) for row in rows if name in row["seconds"]]
        if places:
            axes.plot(*zip(*places, strict=True), marker="o", label=name)
    axes.set(xlabel="side of the kernel", ylabel="milliseconds", yscale="log")
    axes.legend()
    finish(figure, path)
