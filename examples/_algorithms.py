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


def able(x: lamina.Tensor, weight: lamina.Tensor) -> list[str]:
    """The algorithms that can do this layer on this device."""
    names = []
    for name in ALGORITHMS:
        if name == "winograd" and weight.shape[-1] not in (3, 4, 5):
            continue
        try:
            convolve(name, x, weight)
            names.append(name)
        except NotImplementedError as error:  # a device has some of the algorithms only
            print(error)
    return names


def convolve(name: str, x: lamina.Tensor, weight: lamina.Tensor) -> lamina.Tensor:
    with algorithm(name):
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2)


def deviations(names: list[str], x: lamina.Tensor, weight: lamina.Tensor) -> dict[str, float]:
    """The largest difference from plain loops in float64, relative to the largest value."""
    exact = convolve("reference", x.cpu().double(), weight.cpu().double())
    results = {name: convolve(name, x, weight).cpu().double() for name in names}
    return {name: ((y - exact).abs().max() / exact.abs().max()).item() for name, y in results.items()}


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
            convolve(name, x, weight)
            if device != "cpu":
                lamina.cuda.synchronize()

        names = able(x, weight)
        timed = {name: lambda name=name: run(name) for name in names if name != "reference"}
        seconds = median_seconds(timed)
        worst = max(deviations(names, x, weight).values())
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
