"""Train a small residual network on handwritten digits or on Fashion-MNIST.

    python examples/train.py                          # digits of 8×8 pixels, no download
    python examples/train.py --data fashion-mnist

Ctrl-C stops after the current step; the same command with --resume goes on from there, and ends with the very same
bits as a run that was never stopped, whatever the number of threads. The run folder gets checkpoint.safetensors,
config.json, metrics.csv and, when all epochs are done, curves.png, filters.png and confusion.png.
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
from lamina import viz
from lamina.data import Compose, DataLoader, Normalize, RandomCrop, RandomHorizontalFlip, Subset, ToTensor
from lamina.models import SmallResNet


@dataclass(frozen=True)
class Recipe:
    """What is known to work for a data set."""

    dataset: Callable[..., lamina.data.ArrayDataset]
    widths: tuple[int, ...]  # channels of the network's blocks
    pool_stem: bool
    epochs: int
    batch_size: int
    lr: float
    padding: int  # pixels by which random crops move an image
    flip: bool


RECIPES = {
    "digits": Recipe(lamina.data.Digits, (16, 32, 64), False, 30, 64, 0.1, padding=0, flip=False),
    "fashion-mnist": Recipe(
        lamina.data.FashionMNIST, (32, 64, 128), True, 15, 128, 0.1, padding=2, flip=True
    ),
}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=RECIPES, default="digits")
    parser.add_argument("--epochs", type=positive(int), help="passes over the training images")
    parser.add_argument("--batch-size", type=positive(int), help="images per step")
    parser.add_argument("--lr", type=positive(float), help="highest learning rate")
    parser.add_argument("--limit", type=positive(int), help="train and test on the first LIMIT images only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=positive(int), help="threads that compute (default: one per core)")
    parser.add_argument("--run-dir", type=Path, help="default: runs/DATA")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the run folder's checkpoint, if any"
    )
    args = parser.parse_args()
    args.recipe = RECIPES[args.data]
    for name in ("epochs", "batch_size", "lr"):
        if getattr(args, name) is None:
            setattr(args, name, getattr(args.recipe, name))
    args.run_dir = args.run_dir or Path("runs") / args.data
    return args


def positive(kind: type) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        if not kind(text) > 0:
            raise ValueError
        return kind(text)

    parse.__name__ = f"positive {kind.__name__}"  # argparse says "invalid positive int value"
    return parse


def make_loaders(args: argparse.Namespace) -> tuple[DataLoader, DataLoader, list[str]]:
    """Batches for training, batches for testing, names of the classes."""
    train, test = args.recipe.dataset(train=True), args.recipe.dataset(train=False)
    normalize = Normalize([train.images.mean() / 255], [train.images.std() / 255])
    augment = [RandomCrop(train.images.shape[1], padding=args.recipe.padding)]
    if args.recipe.flip:
        augment.append(RandomHorizontalFlip())
    train.transform = Compose([*augment, ToTensor(), normalize])
    test.transform = Compose([ToTensor(), normalize])
    train_part, test_part = (Subset(d, range(min(len(d), args.limit or len(d)))) for d in (train, test))
    if len(train_part) < args.batch_size:
        sys.exit(f"--batch-size {args.batch_size} is more than the {len(train_part)} training images")
    return (
        DataLoader(train_part, args.batch_size, shuffle=True, drop_last=True, num_workers=1),
        DataLoader(test_part, 500, num_workers=1),
        train.classes,
    )


def warmup_cosine(total_steps: int) -> Callable[[int], float]:
    """Factor of the learning rate: a straight line up for a tenth of the steps, then half a cosine down to 0."""
    warmup = math.ceil(total_steps / 10)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return (1 + math.cos(math.pi * (step - warmup) / max(1, total_steps - warmup))) / 2

    return factor


class Training:
    """Everything that a checkpoint holds, and the loops that move it on."""

    def __init__(self, args: argparse.Namespace) -> None:
        lamina.manual_seed(args.seed)
        self.args = args
        self.train_loader, self.test_loader, self.classes = make_loaders(args)
        model = SmallResNet(1, len(self.classes), args.recipe.widths, args.recipe.pool_stem)
        self.model = model.to(args.device)
        self.optimizer = lamina.optim.SGD(
            self.model.parameters(), args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
        )
        steps = args.epochs * len(self.train_loader)
        self.schedule = lamina.optim.lr_scheduler.LambdaLR(self.optimizer, warmup_cosine(steps))
        self.rows: list[dict[str, float]] = []  # of metrics.csv, one per finished epoch
        self.running = {"loss": 0.0, "right": 0, "images": 0, "seconds": 0.0}  # sums over the epoch so far
        self.stop = False

    def run(self) -> None:
        while len(self.rows) < self.args.epochs and not self.stop:
            self.train_epoch()
            if not self.stop:
                self.finish_epoch()
            self.save()

    def train_epoch(self) -> None:
        self.model.train()
        run, device = self.running, self.args.device
        title = f"epoch {len(self.rows) + 1}/{self.args.epochs}"
        total = len(self.train_loader) * self.args.batch_size
        with tqdm(total=total, initial=run["images"], desc=title, unit=" images") as bar:
            for images, labels in self.train_loader:
                start = time.perf_counter()
                scores = self.model(images.to(device))
                loss = F.cross_entropy(scores, labels.to(device), label_smoothing=0.1)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.schedule.step()

                run["loss"] += loss.item() * len(labels)
                run["right"] += count_right(scores, labels)
                run["images"] += len(labels)
                run["seconds"] += time.perf_counter() - start
                mean = {name: run[name] / run["images"] for name in ("loss", "right")}
                bar.set_postfix_str(f"loss {mean['loss']:.3f}, accuracy {mean['right']:.2%}", refresh=False)
                bar.update(len(labels))
                if self.stop:
                    return

    def finish_epoch(self) -> None:
        run, self.running = self.running, dict.fromkeys(self.running, 0)
        right = sum(count_right(scores, labels) for scores, labels in self.predict())
        row = {
            "epoch": len(self.rows) + 1,
            "train_loss": run["loss"] / run["images"],
            "train_accuracy": run["right"] / run["images"],
            "test_accuracy": right / len(self.test_loader.dataset),
            "learning_rate": self.schedule.get_last_lr()[0],
            "seconds": run["seconds"],
            "images_per_second": run["images"] / run["seconds"],
        }
        self.rows.append(row)
        tqdm.write(f"test accuracy {row['test_accuracy']:.2%} after epoch {row['epoch']}")
        with (self.args.run_dir / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, row)
            writer.writeheader()
            writer.writerows(self.rows)

    def predict(self) -> list[tuple[lamina.Tensor, lamina.Tensor]]:
        """Scores and labels of the test images, batch by batch."""
        self.model.eval()
        with lamina.no_grad():
            return [(self.model(images.to(self.args.device)), labels) for images, labels in self.test_loader]

    def draw(self) -> None:
        def column(name: str) -> list[float]:
            return [row[name] for row in self.rows]

        folder = self.args.run_dir
        accuracies = {"train": column("train_accuracy"), "test": column("test_accuracy")}
        viz.plot_curves(
            {"loss": {"train": column("train_loss")}, "accuracy": accuracies}, path=folder / "curves.png"
        )
        viz.plot_filters(self.model.stem[0].weight, path=folder / "filters.png")
        scores, labels = (lamina.cat(parts) for parts in zip(*self.predict(), strict=True))
        matrix = viz.confusion_matrix(labels, scores.argmax(1), len(self.classes))
        viz.plot_confusion_matrix(matrix, self.classes, folder / "confusion.png")

    @property
    def config(self) -> dict[str, Any]:
        """What must be the same for a run to go on; device and threads need not be."""
        chosen = {
            name: getattr(self.args, name) for name in ("data", "epochs", "batch_size", "lr", "limit", "seed")
        }
        return {**chosen, "model": type(self.model).__name__, "widths": list(self.args.recipe.widths)}

    def save(self) -> None:
        state = {name: getattr(self, name).state_dict() for name in self.stateful}
        state |= {"config": self.config, "rows": self.rows, "running": self.running}
        state["random"] = lamina.get_rng_state()
        lamina.save_checkpoint(state, self.args.run_dir / "checkpoint.safetensors")

    def load(self) -> None:
        state = lamina.load_checkpoint(self.args.run_dir / "checkpoint.safetensors")
        old = state.get("config", {})
        changed = [
            f"{key} {old.get(key)}, not {value}"
            for key, value in self.config.items()
            if old.get(key) != value
        ]
        if changed:
            sys.exit(f"{self.args.run_dir} holds a run with {'; '.join(changed)}: choose another --run-dir")
        for name in self.stateful:
            getattr(self, name).load_state_dict(state[name])
        lamina.set_rng_state(state["random"])
        self.rows, self.running = state["rows"], state["running"]

    stateful = ("model", "optimizer", "schedule", "train_loader")


def count_right(scores: lamina.Tensor, labels: lamina.Tensor) -> int:
    return int((scores.argmax(1).cpu() == labels).sum())


def main() -> None:
    args = parse_arguments()
    if args.threads:
        lamina.set_num_threads(args.threads)
    training = Training(args)
    if (args.run_dir / "checkpoint.safetensors").exists():
        if not args.resume:
            sys.exit(
                f"{args.run_dir} holds a run: give --resume to go on with it, or choose another --run-dir"
            )
        try:
            training.load()
        except ValueError as error:
            sys.exit(str(error))
    args.run_dir.mkdir(parents=True, exist_ok=True)
    (args.run_dir / "config.json").write_text(json.dumps(training.config, indent=2) + "\n")

    def request_stop(*_: object) -> None:
        training.stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C doesn't wait for the step

    signal.signal(signal.SIGINT, request_stop)
    training.run()
    if len(training.rows) < args.epochs:
        print(f"stopped in epoch {len(training.rows) + 1}; the same command with --resume goes on")
        sys.exit(130)
    training.draw()
    accuracy, images = training.rows[-1]["test_accuracy"], len(training.test_loader.dataset)
    print(f"{accuracy:.2%} of {images} test images right; see {args.run_dir}")


if __name__ == "__main__":
    main()
