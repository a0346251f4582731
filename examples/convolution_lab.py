"""Convolution lab: four algorithms with one answer, and what smaller kernels save.

    python examples/convolution_lab.py                 # both parts, on 12,000 images of Fashion-MNIST
    python examples/convolution_lab.py --data digits --epochs 2   # a quick look

First, one layer by every algorithm that can do it: reference (plain loops), implicit (matrix multiply over im2col that
is never written down), winograd (3×3 and 5×5 with fewer multiplications) and fft (the convolution theorem).
"automatic" is lamina's own pick. Second, networks of blocks that see equally far: 5×5 against two 3×3, 1×5 and 5×1, and
a 5×5 squeezed between 1×1; likewise 7×7.

The run folder gets algorithms.png (time by kernel size), blocks.png (accuracy against work) and a folder for each
training.

Result: all algorithms agree to some 1e-6 of the largest value, winograd leads at 3×3, shares the lead with fft at 5×5,
and fft leads from 7×7 on. After 3 epochs these shares of the test images are right:

    5x5          83.1 %  20.1 M multiply-adds      7x7          84.5 %  39.3 M multiply-adds
    3x3 3x3      86.2 %  14.5 M                    3x3 3x3 3x3  86.9 %  21.7 M
    1x5 5x1      84.7 %   8.0 M                    1x7 7x1      85.9 %  11.2 M
    1x1 5x5 1x1  79.9 %   1.7 M

Stacks and factorisations are cheaper and better, for there are more nonlinearities; the bottleneck costs a twelfth and
a little accuracy.

Time: 100 seconds on two cores.

Source: CS231n, "Convolutional networks" (small filters); Lavin & Gray, 2015 (arXiv:1509.09308); Szegedy et al., 2015
(arXiv:1512.00567: factorisation).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _algorithms import draw_race, median_seconds, race

import lamina
import lamina.nn.functional as F
from lamina import nn, training
from lamina.data import DataLoader, TensorDataset
from lamina.training import DATASETS, accuracy, first, load_images, positive, predict, train_loader
from lamina.viz.figure import finish, new_figure


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


def train(name: str, args: argparse.Namespace, images: TensorDataset, test: TensorDataset) -> float:
    """The accuracy on test images of a network of such blocks."""
    lamina.manual_seed(args.seed)  # each block as if it were the only one
    model = network(name, args.channels).to(args.device)
    loader = train_loader(images, args.batch_size)
    optimizer = lamina.optim.Adam(model.parameters(), 2e-3)
    schedule = lamina.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=args.epochs * len(loader))
    run = training.Run(args, name=name, model=model, optimizer=optimizer, schedule=schedule, loader=loader)
    for _ in run.epochs(args.epochs):
        for x, y in run.steps(loader):
            loss = F.cross_entropy(model(x.to(args.device)), y.to(args.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            run.log(len(y), loss=loss.item())
        run.record(test_accuracy=accuracy(*predict(model, DataLoader(test, 500), args.device)))
    return run.column("test_accuracy")[-1]


def compare_blocks(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """What each kind of block costs, and the accuracy it brings."""
    images, test, _ = load_images(args.data)
    images, test = first(images, args.limit), first(test, args.test_limit)
    side = images[0][0].shape[-1]
    x = lamina.randn(args.batch_size, args.channels, side, side, device=args.device, requires_grad=True)
    blocks = {name: make(args.channels).to(args.device) for name, make in BLOCKS.items()}
    seconds = median_seconds({name: lambda b=block: b(x).sum().backward() for name, block in blocks.items()})
    rows = {}
    for name, block in blocks.items():
        cost = lamina.summary(block, (1, args.channels, side, side))
        rows[name] = {
            "parameters": cost.parameters,
            "multiply_adds": cost.multiply_adds,
            "seconds": seconds[name],
            "accuracy": train(name, args, images, test),
        }
        print(
            f"{name:12} {cost.parameters:>7,} parameters  {cost.multiply_adds / 1e6:5.1f} M multiply-adds  "
            f"{1e3 * seconds[name]:6.2f} ms there and back, {len(x)} images  {rows[name]['accuracy']:.2%} right"
        )
    return rows


def draw_blocks(rows: dict[str, dict[str, float]], path: Path) -> None:
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for name, row in rows.items():
        axes.scatter(row["multiply_adds"] / 1e6, row["accuracy"], label=name)
    axes.set(xlabel="million multiply-adds of a block", ylabel="test accuracy", xscale="log")
    axes.legend()
    finish(figure, path)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = training.parser(__doc__, "runs/convolution_lab", epochs=3)
    parser.add_argument("--data", choices=DATASETS, default="fashion-mnist")
    parser.add_argument("--test-limit", type=positive(int), help="test images (default: all)")
    parser.add_argument("--batch-size", type=positive(int), default=64)
    parser.add_argument("--channels", type=positive(int), default=32, help="of the blocks; a multiple of 4")
    parser.add_argument(
        "--kernels", type=positive(int), nargs="+", default=[3, 5, 7, 11, 15], help="of the algorithms; odd"
    )
    parser.add_argument("--side", type=positive(int), default=56, help="of the algorithms' images")
    parser.set_defaults(limit=12_000)
    args = training.start(parser, argv)
    if args.channels % 4 or not all(kernel % 2 for kernel in args.kernels):
        parser.error(f"expected channels by fours and odd kernels, got {args.channels} and {args.kernels}")
    algorithms = race(args.side, args.channels, args.kernels, args.device)
    blocks = compare_blocks(args)
    draw_race(algorithms, args.run_dir / "algorithms.png")
    draw_blocks(blocks, args.run_dir / "blocks.png")
    print(f"see {args.run_dir}")
    return {"algorithms": algorithms, "blocks": blocks}


if __name__ == "__main__":
    main()
