"""Convolution lab: four algorithms with one answer, and what smaller kernels save.

    python examples/convolution_lab.py                 # both parts, on 12,000 images of Fashion-MNIST; some minutes
    python examples/convolution_lab.py --data digits --epochs 2   # a quick look

First, one layer by every algorithm that can do it: reference (plain loops), implicit (matrix multiply over im2col that
is never written down), winograd (3×3 with fewer multiplications) and fft (the convolution theorem). Expect all to agree
to some 1e-6 of the largest value, winograd to lead at 3×3 and fft from 5×5 on. "automatic" is lamina's own pick.

Second, blocks that see equally far: 5×5 against two 3×3, 1×5 and 5×1, and a 5×5 squeezed between 1×1; likewise 7×7.
After 3 epochs, as the defaults are, expect these shares of the test images right:

    5x5          83.1 %  20.1 M multiply-adds      7x7          84.5 %  39.3 M multiply-adds
    3x3 3x3      86.1 %  14.5 M                    3x3 3x3 3x3  87.3 %  21.7 M
    1x5 5x1      84.6 %   8.0 M                    1x7 7x1      85.9 %  11.2 M
    1x1 5x5 1x1  79.9 %   1.7 M

Stacks and factorisations are cheaper and better, for there are more nonlinearities; the bottleneck costs a twelfth and
a little accuracy.

The run folder gets algorithms.png (time by kernel size) and blocks.png (accuracy against work).

Source: CS231n, "Convolutional networks" (small filters); Lavin & Gray, 2015 (arXiv:1509.09308); Szegedy et al., 2015
(arXiv:1512.00567: factorisation).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import lamina
import lamina.nn.functional as F
from lamina import nn
from lamina.backends.conv import algorithm
from lamina.data import DataLoader
from lamina.training import DATASETS, accuracy, first, load_images, positive, predict
from lamina.viz.figure import finish, new_figure

ALGORITHMS = ("reference", "implicit", "winograd", "fft", "automatic")


# --- One answer by several algorithms --------------------------------------------------------------------------------


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


def race_algorithms(
    side: int, channels: int, kernels: tuple[int, ...], device: str
) -> list[dict[str, float]]:
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
        rows.append({"kernel": kernel, "deviation": worst, **seconds})
        times = "  ".join(f"{name} {1e3 * taken:.2f} ms" for name, taken in seconds.items())
        print(f"{kernel}x{kernel} on {channels}x{side}x{side}: off by at most {worst:.1e}; {times}")
    return rows


# --- Blocks that see equally far -------------------------------------------------------------------------------------


def layers(channels: int, *shapes: tuple[int, int, int]) -> nn.Sequential:
    """Convolutions of (height, width, channels out), each with batch normalisation and ReLU."""
    parts: list[nn.Module] = []
    before = channels
    for height, width, after in shapes:
        convolution = nn.Conv2d(before, after, (height, width), padding=(height // 2, width // 2), bias=False)
        parts += [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        before = after
    return nn.Sequential(*parts)


BLOCKS: dict[str, Callable[[int], nn.Sequential]] = {  # by the channels that go in and come out
    "5x5": lambda c: layers(c, (5, 5, c)),
    "3x3 3x3": lambda c: layers(c, (3, 3, c), (3, 3, c)),
    "1x5 5x1": lambda c: layers(c, (1, 5, c), (5, 1, c)),
    "1x1 5x5 1x1": lambda c: layers(c, (1, 1, c // 4), (5, 5, c // 4), (1, 1, c)),
    "7x7": lambda c: layers(c, (7, 7, c)),
    "3x3 3x3 3x3": lambda c: layers(c, (3, 3, c), (3, 3, c), (3, 3, c)),
    "1x7 7x1": lambda c: layers(c, (1, 7, c), (7, 1, c)),
}


def network(block: str, channels: int) -> nn.Sequential:
    """Stem, two equal blocks with a pooling in between, mean over places, linear classifier."""
    make = BLOCKS[block]
    stem = layers(1, (3, 3, channels))
    return nn.Sequential(
        *(stem, make(channels), nn.MaxPool2d(2), make(channels)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)),
    )


def train(model: nn.Module, images: DataLoader, epochs: int, device: str) -> None:
    optimizer = lamina.optim.Adam(model.parameters(), 2e-3)
    schedule = lamina.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=epochs * len(images))
    for _ in range(epochs):
        for x, y in images:
            loss = F.cross_entropy(model(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def compare_blocks(args: argparse.Namespace) -> list[dict[str, float]]:
    images, test_images, _ = load_images(args.data)
    images, side = first(images, args.limit), images.tensors[0].shape[-1]
    x = lamina.randn(64, args.channels, side, side, device=args.device, requires_grad=True)
    blocks = {name: make(args.channels).to(args.device) for name, make in BLOCKS.items()}
    seconds = median_seconds({name: lambda b=block: b(x).sum().backward() for name, block in blocks.items()})
    rows = []
    for name, block in blocks.items():
        lamina.manual_seed(args.seed)
        model = network(name, args.channels).to(args.device)
        train(model, DataLoader(images, 64, shuffle=True, drop_last=True), args.epochs, args.device)
        cost = lamina.summary(block, (1, args.channels, side, side))
        row = {
            "parameters": cost.parameters,
            "multiply_adds": cost.multiply_adds,
            "seconds": seconds[name],
            "accuracy": accuracy(*predict(model, DataLoader(test_images, 500), args.device)),
        }
        rows.append(row)
        print(
            f"{name:12} {row['parameters']:>7,} parameters  {row['multiply_adds'] / 1e6:5.1f} M multiply-adds  "
            f"{1e3 * row['seconds']:6.2f} ms there and back, 64 images  {row['accuracy']:.2%} right"
        )
    return rows


# --- Pictures --------------------------------------------------------------------------------------------------------


def draw_algorithms(rows: list[dict[str, float]], path: Path) -> None:
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for name in ALGORITHMS:
        places = [(row["kernel"], 1e3 * row[name]) for row in rows if name in row]
        if places:
            axes.plot(*zip(*places, strict=True), marker="o", label=name)
    axes.set(xlabel="side of the kernel", ylabel="milliseconds", yscale="log")
    axes.legend()
    finish(figure, path)


def draw_blocks(rows: list[dict[str, float]], path: Path) -> None:
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for name, row in zip(BLOCKS, rows, strict=True):
        axes.scatter(row["multiply_adds"] / 1e6, row["accuracy"], label=name)
    axes.set(xlabel="million multiply-adds of a block", ylabel="test accuracy", xscale="log")
    axes.legend()
    finish(figure, path)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=DATASETS, default="fashion-mnist")
    parser.add_argument("--epochs", type=positive(int), default=3)
    parser.add_argument("--limit", type=positive(int), default=12_000, help="training images")
    parser.add_argument("--channels", type=positive(int), default=32, help="of the blocks")
    parser.add_argument(
        "--kernels", type=positive(int), nargs="+", default=[3, 5, 7, 11, 15], help="of the algorithms"
    )
    parser.add_argument("--side", type=positive(int), default=56, help="of the algorithms' images")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/convolution_lab"))
    args = parser.parse_args(argv)
    lamina.manual_seed(args.seed)
    args.run_dir.mkdir(parents=True, exist_ok=True)
    draw_algorithms(
        race_algorithms(args.side, args.channels, tuple(args.kernels), args.device),
        args.run_dir / "algorithms.png",
    )
    draw_blocks(compare_blocks(args), args.run_dir / "blocks.png")
    print(f"see {args.run_dir}")


if __name__ == "__main__":
    main()
