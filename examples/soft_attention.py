"""Soft attention: captions of pictures, and where the network looks for each word.

    python examples/soft_attention.py

A picture shows one to three real digits; its caption names them from left to right: "seven and two and one". A small
convolutional network turns the picture into 7×7 annotations; an LSTM writes the caption and, for each word, takes
another weighted mean of them. Only words train it: that it looks at the digit it is about to name comes by itself, and
is measured here as the share of attention that lies in that digit's box.

The run folder gets checkpoint, metrics.csv, curves.png and attention.png: test pictures, and the attention of each
word.

Result: 79.8 % of the test captions right, word for word, and 56 % of the attention in the box of the digit named, which
has about a tenth of the picture. For one or two epochs neither moves; then both rise together.

Time: 47 seconds on two cores.

Source: Xu et al., "Show, attend and tell", 2015 (arXiv:1502.03044); Bahdanau, Cho & Bengio, 2014 (arXiv:1409.0473).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _scenes import Scenes

import lamina
import lamina.nn.functional as F
from lamina import nn, training
from lamina.data import DataLoader, Dataset, Digits
from lamina.models import CaptioningNet
from lamina.training import Run, positive, train_loader
from lamina.viz.figure import finish, new_figure

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = (*DIGITS, "and", "<end>", "<start>")
AND, END, START = (WORDS.index(word) for word in ("and", "<end>", "<start>"))
SIDE, CELLS, LENGTH = 56, 7, 6  # pixels, annotations a side, words of the longest caption with its end


class Captioned(Dataset):
    """(image float32 [3, 56, 56], caption int64 [6] filled up with <end>, boxes float32 [6, 4] of the words' digits)"""

    def __init__(self, train: bool, count: int, most: int) -> None:
        self.scenes = Scenes(Digits(train), count, train, SIDE, objects=(1, most), sizes=(16, 24), plain=True)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> tuple[lamina.Tensor, lamina.Tensor, lamina.Tensor]:
        scene = self.scenes[index]
        caption, boxes = np.full(LENGTH, END), np.zeros((LENGTH, 4), np.float32)
        for place, (label, box) in enumerate(zip(scene.labels, scene.boxes, strict=True)):
            if place:
                caption[2 * place - 1] = AND
            caption[2 * place], boxes[2 * place] = label, box
        return lamina.from_numpy(scene.image), lamina.from_numpy(caption), lamina.from_numpy(boxes)


def make_model(hidden: int) -> CaptioningNet:
    layers: list[nn.Module] = []
    for before, after, stride in ((3, 32, 2), (32, 64, 2), (64, 64, 1), (64, 64, 2)):
        layers += [
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return CaptioningNet(nn.Sequential(*layers), 64, len(WORDS), embedding=32, hidden=hidden, dropout=0.0)


def forced(captions: lamina.Tensor) -> lamina.Tensor:
    """What the decoder reads: <start> and the caption without its last word."""
    return lamina.cat([lamina.full_like(captions[:, :1], START), captions[:, :-1]], 1)


def share_in_boxes(weights: lamina.Tensor, boxes: lamina.Tensor) -> float:
    """The attention [N, T, 49] that falls into boxes [N, T, 4], a mean over the words that have one."""
    cell = SIDE / CELLS
    edges = lamina.arange(CELLS) * cell

    def overlap(low: lamina.Tensor, high: lamina.Tensor) -> lamina.Tensor:
        """How much of each cell [.., 7] lies between, along one axis."""
        inside = lamina.minimum(edges + cell, high[..., None]) - lamina.maximum(edges, low[..., None])
        return inside.clamp(min=0) / cell

    x, y = (overlap(boxes[..., i], boxes[..., i + 2]) for i in range(2))
    inside = (weights * (y[..., :, None] * x[..., None, :]).flatten(2)).sum(2)
    named = boxes[..., 2] > 0
    return inside[named].mean().item()


def evaluate(model: CaptioningNet, loader: DataLoader, device: str) -> dict[str, float]:
    """Share of captions wholly right, written without help; share of attention on the digit a word names."""
    model.eval()
    right, shares, count = 0, 0.0, 0
    with lamina.no_grad():
        for images, captions, boxes in loader:
            written = model.describe(images.to(device), START, END, LENGTH).cpu()
            written = F.pad(written, (0, LENGTH - written.shape[1]), value=END)
            right += int((written == captions).all(1).sum())
            weights = model(images.to(device), forced(captions).to(device))[1].cpu()
            shares += share_in_boxes(weights, boxes) * len(images)
            count += len(images)
    return {"accuracy": right / count, "attention": shares / count}


def draw(
    model: CaptioningNet, images: lamina.Tensor, captions: lamina.Tensor, device: str, path: Path
) -> None:
    with lamina.no_grad():
        weights = model(images.to(device), forced(captions).to(device))[1].cpu().numpy()
    figure = new_figure(9, 1.5 * len(images))
    grid = figure.subplots(len(images), LENGTH + 1)
    for row, image, caption, maps in zip(grid, images.numpy(), captions.tolist(), weights, strict=True):
        row[0].imshow(image.transpose(1, 2, 0))
        for axes, word, weight in zip(row[1:], caption, maps, strict=True):
            axes.imshow(image.mean(0), cmap="gray", extent=(0, SIDE, SIDE, 0))
            cells = weight.reshape(CELLS, CELLS)
            axes.imshow(cells, cmap="hot", alpha=0.6, extent=(0, SIDE, SIDE, 0), interpolation="bilinear")
            axes.set_title(WORDS[word], fontsize=8)
        for axes in row:
            axes.axis("off")
    finish(figure, path)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    parser = training.parser(__doc__, "runs/soft_attention", epochs=12)
    parser.add_argument("--most", type=int, choices=(1, 2, 3), default=3, help="digits in a picture")
    parser.add_argument("--hidden", type=positive(int), default=128)
    parser.add_argument("--batch-size", type=positive(int), default=16)
    parser.add_argument("--lr", type=positive(float), default=1e-3)
    args = training.start(parser, argv)
    count = args.limit or 6000
    loader = train_loader(Captioned(True, count, args.most), args.batch_size)
    test_loader = DataLoader(Captioned(False, min(count, 500), args.most), 250)
    model = make_model(args.hidden).to(args.device)
    optimizer = lamina.optim.Adam(model.parameters(), args.lr)
    schedule = lamina.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * len(loader))
    run = Run(args, model=model, optimizer=optimizer, schedule=schedule, loader=loader)
    for _ in run.epochs(args.epochs):
        model.train()
        for images, captions, _boxes in run.steps(loader):
            scores, _ = model(images.to(args.device), forced(captions).to(args.device))
            loss = F.cross_entropy(scores.flatten(0, 1), captions.flatten().to(args.device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            run.log(len(images), loss=loss.item())
        figures = evaluate(model, test_loader, args.device)
        run.record(**{f"test_{name}": value for name, value in figures.items()})

    images, captions, _ = next(iter(test_loader))
    draw(model, images[:8], captions[:8], args.device, run.folder / "attention.png")
    result = {name: run.rows[-1][f"test_{name}"] for name in ("accuracy", "attention")}
    run.finish(
        f"{result['accuracy']:.2%} of the test captions right, {result['attention']:.2%} of the attention in the box "
        "of the digit named"
    )
    return result


if __name__ == "__main__":
    main()
