"""Train a small residual network on handwritten digits or on Fashion-MNIST.

    python examples/train.py                          # digits of 8×8 pixels, no download
    python examples/train.py --data fashion-mnist

Ctrl-C stops after the current step; the same command with --resume goes on where it stopped, to the very same bits
as if it had never been stopped. The run folder gets checkpoint.safetensors, config.json, metrics.csv and, when all
epochs are done, curves.png, filters.png and confusion.png.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

import lamina
import lamina.nn.functional as F
from lamina import nn, viz
from lamina.data import Compose, DataLoader, Normalize, RandomCrop, RandomHorizontalFlip, Subset, ToTensor
from lamina.models import SmallResNet


@dataclass(frozen=True)
class Recipe:
    """What is known to work for a data set."""

    dataset: Callable[..., lamina.data.ArrayDataset]
    widths: tuple[int, ...]
    pool_stem: bool
    epochs: int
    batch_size: int
    lr: float
    padding: int  # pixels by which random crops move the image
    flip: bool


RECIPES = {
    "digits": Recipe(lamina.data.Digits, (16, 32, 64), False, 30, 64, 0.1, padding=1, flip=False),
    "fashion-mnist": Recipe(
        lamina.data.FashionMNIST, (32, 64, 128), True, 15, 128, 0.1, padding=2, flip=True
    ),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=RECIPES, default="digits")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--batch-size", type=int, help="images per step")
    parser.add_argument("--lr", type=float, help="highest learning rate")
    parser.add_argument("--limit", type=int, help="train and test on the first LIMIT images only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="threads that compute (default: all cores)")
    parser.add_argument("--run-dir", type=Path, help="default: runs/DATA")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the run folder's checkpoint, if any"
    )
    args = parser.parse_args()
    recipe = RECIPES[args.data]
    args.epochs = args.epochs or recipe.epochs
    args.batch_size = args.batch_size or recipe.batch_size
    args.lr = args.lr or recipe.lr
    args.run_dir = args.run_dir or Path("runs") / args.data
    return args


def make_loaders(args: argparse.Namespace) -> tuple[DataLoader, DataLoader, list[str]]:
    recipe = RECIPES[args.data]
    train, test = recipe.dataset(train=True), recipe.dataset(train=False)
    size = train.images.shape[1]
    mean, std = train.images.mean() / 255, train.images.std() / 255
    train.transform = Compose(
        [RandomCrop(size, padding=recipe.padding)]
        + [RandomHorizontalFlip()] * recipe.flip
        + [ToTensor(), Normalize([mean], [std])]
    )
    test.transform = Compose([ToTensor(), Normalize([mean], [std])])
    parts = [Subset(part, range(min(len(part), args.limit or len(part)))) for part in (train, test)]
    return (
        DataLoader(parts[0], args.batch_size, shuffle=True, drop_last=True, num_workers=1),
        DataLoader(parts[1], 500, num_workers=1),
        train.classes,
    )


def warmup_cosine(total_steps: int) -> Callable[[int], float]:
    """Factor of the learning rate: up in a straight line for a tenth of the steps, then half a cosine down to 0."""
    warmup = max(1, total_steps // 10)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return (1 + math.cos(math.pi * (step - warmup) / max(1, total_steps - warmup))) / 2

    return factor


def evaluate(model: nn.Module, loader: DataLoader, device: str) -> tuple[float, list[int], list[int]]:
    """Accuracy, true labels and predicted labels."""
    model.eval()
    targets: list[int] = []
    predictions: list[int] = []
    with lamina.no_grad():
        for images, labels in loader:
            predictions += model(images.to(device)).argmax(1).tolist()
            targets += labels.tolist()
    right = sum(t == p for t, p in zip(targets, predictions, strict=True))
    return right / max(len(targets), 1), targets, predictions


class Training:
    """Everything that a checkpoint holds, and the loop that moves it on."""

    def __init__(self, args: argparse.Namespace) -> None:
        lamina.manual_seed(args.seed)
        recipe = RECIPES[args.data]
        self.args = args
        self.train_loader, self.test_loader, self.classes = make_loaders(args)
        self.model = SmallResNet(1, len(self.classes), recipe.widths, recipe.pool_stem).to(args.device)
        self.optimizer = lamina.optim.SGD(
            self.model.parameters(), args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
        )
        self.schedule = lamina.optim.lr_scheduler.LambdaLR(
            self.optimizer, warmup_cosine(args.epochs * len(self.train_loader))
        )
        self.rows: list[dict[str, float]] = []  # of metrics.csv, one per finished epoch
        self.running = {"loss": 0.0, "right": 0, "images": 0, "seconds": 0.0}  # sums over the epoch so far
        self.stop = False

    @property
    def config(self) -> dict[str, Any]:
        """What must be the same for a run to go on. Threads and device may change."""
        a = self.args
        widths = list(RECIPES[a.data].widths)
        return {
            **{"data": a.data, "epochs": a.epochs, "batch_size": a.batch_size, "lr": a.lr},
            **{"limit": a.limit, "seed": a.seed, "model": "SmallResNet", "widths": widths},
        }

    def run(self) -> None:
        while len(self.rows) < self.args.epochs and not self.stop:
            self.train_epoch()
            if not self.stop:
                self.finish_epoch()
            self.save()

    def train_epoch(self) -> None:
        self.model.train()
        run = self.running
        title = f"epoch {len(self.rows) + 1}/{self.args.epochs}"
        total = len(self.train_loader) * self.args.batch_size
        with tqdm(total=total, initial=run["images"], desc=title, unit=" images") as bar:
            for images, labels in self.train_loader:
                start = time.perf_counter()
                images, labels = images.to(self.args.device), labels.to(self.args.device)
                scores = self.model(images)
                loss = F.cross_entropy(scores, labels, label_smoothing=0.1)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.schedule.step()

                run["loss"] += loss.item() * len(labels)
                run["right"] += int((scores.argmax(1) == labels).sum().item())
                run["images"] += len(labels)
                run["seconds"] += time.perf_counter() - start
                bar.set_postfix(
                    loss=f"{run['loss'] / run['images']:.3f}",
                    accuracy=f"{run['right'] / run['images']:.2%}",
                    refresh=False,
                )
                bar.update(len(labels))
                if self.stop:
                    break

    def finish_epoch(self) -> None:
        run, self.running = self.running, dict.fromkeys(self.running, 0)
        accuracy, _, _ = evaluate(self.model, self.test_loader, self.args.device)
        row = {
            "epoch": len(self.rows) + 1,
            "train_loss": run["loss"] / run["images"],
            "train_accuracy": run["right"] / run["images"],
            "test_accuracy": accuracy,
            "learning_rate": self.schedule.get_last_lr()[0],
            "seconds": run["seconds"],
            "images_per_second": run["images"] / run["seconds"],
        }
        self.rows.append(row)
        tqdm.write(
            f"epoch {row['epoch']}: test accuracy {accuracy:.2%}, {row['images_per_second']:.0f} images/s"
        )
        with (self.args.run_dir / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerows(self.rows)

    def save(self) -> None:
        state = {
            "config": self.config,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "loader": self.train_loader.state_dict(),
            "random": lamina.get_rng_state(),
            "running": self.running,
            "rows": self.rows,
        }
        lamina.save_checkpoint(state, self.args.run_dir / "checkpoint.safetensors")

    def load(self) -> None:
        state = lamina.load_checkpoint(self.args.run_dir / "checkpoint.safetensors")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.train_loader.load_state_dict(state["loader"])
        lamina.set_rng_state(state["random"])
        self.running, self.rows = state["running"], state["rows"]

    def draw(self) -> None:
        def column(name: str) -> list[float]:
            return [row[name] for row in self.rows]

        folder = self.args.run_dir
        _, targets, predictions = evaluate(self.model, self.test_loader, self.args.device)
        accuracies = {"train": column("train_accuracy"), "test": column("test_accuracy")}
        viz.plot_curves(
            {"loss": {"train": column("train_loss")}, "accuracy": accuracies}, path=folder / "curves.png"
        )
        viz.plot_filters(self.model.stem[0].weight, path=folder / "filters.png")
        matrix = viz.confusion_matrix(targets, predictions, len(self.classes))
        viz.plot_confusion_matrix(matrix, self.classes, path=folder / "confusion.png")


def check_run_dir(folder: Path, config: dict[str, Any], resume: bool) -> bool:
    """Whether there is a checkpoint to go on from; refuses folders of other runs."""
    if not (folder / "checkpoint.safetensors").exists():
        return False
    if not resume:
        sys.exit(f"{folder} holds a run: give --resume to go on with it, or another --run-dir")
    old = lamina.load_checkpoint(folder / "checkpoint.safetensors").get("config", {})
    different = [
        f"{key} {old.get(key)}, not {value}" for key, value in config.items() if old.get(key) != value
    ]
    if different:
        sys.exit(
            f"{folder} holds a run with {'; '.join(different)}: repeat its settings, or give another --run-dir"
        )
    return True


def main() -> None:
    args = parse_arguments()
    if args.threads:
        lamina.set_num_threads(args.threads)
    training = Training(args)
    if check_run_dir(args.run_dir, training.config, args.resume):
        training.load()
    args.run_dir.mkdir(parents=True, exist_ok=True)
    (args.run_dir / "config.json").write_text(json.dumps(training.config, indent=2) + "\n")

    def request_stop(*_: object) -> None:
        training.stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the second Ctrl-C doesn't wait

    signal.signal(signal.SIGINT, request_stop)
    training.run()
    if training.stop:
        sys.exit(f"\nstopped in epoch {len(training.rows) + 1}; --resume goes on from {args.run_dir}")
    training.draw()
    accuracy = training.rows[-1]["test_accuracy"]
    print(f"{accuracy:.2%} of {len(training.test_loader.dataset)} test images right; see {args.run_dir}")


if __name__ == "__main__":
    main()
