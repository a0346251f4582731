"""The convnet of train.py and of fashion_mnist.py: one network, augmentation, mixing and schedule for both.

Source: He et al., arXiv:1512.03385; Zhong et al., arXiv:1708.04896 (erasing); Zhang et al., arXiv:1710.09412 (mixup);
Yun et al., arXiv:1905.04899 (CutMix); Smith & Topin, arXiv:1708.07120 (one cycle).
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass

import lamina
import lamina.nn.functional as F
from lamina import Tensor, training
from lamina.data import (
    Compose,
    CutMix,
    DataLoader,
    MixUp,
    Normalize,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    ToTensor,
)
from lamina.models import SmallResNet
from lamina.training import accuracy, first, positive, predict, train_loader


@dataclass(frozen=True)
class Settings:
    """What is known to work for a data set."""

    widths: tuple[int, ...]  # channels of the network's blocks
    epochs: int
    batch_size: int
    lr: float  # the highest
    padding: int  # pixels by which random crops move an image
    flip: bool  # a digit's mirror image is another sign
    erase: float  # share of the images that lose a rectangle
    mix: float  # share of the batches that are blended, and as many are pasted together, in the first 4/5 of the epochs


SETTINGS = {
    "digits": Settings((16, 32, 64), 30, 64, 0.1, padding=0, flip=False, erase=0.0, mix=0.0),
    "fashion-mnist": Settings((32, 64, 128), 24, 128, 0.2, padding=2, flip=True, erase=0.25, mix=0.25),
}


@dataclass(frozen=True)
class Trained:
    run: training.Run
    model: SmallResNet
    loader: DataLoader
    test_loader: DataLoader
    classes: list[str]
    mixing: Mixing


def parse(parser: ArgumentParser, data: str, argv: Sequence[str] | None) -> Namespace:
    """The arguments, with the data set's settings where none are given."""
    parser.add_argument("--data", choices=SETTINGS, default=data)
    parser.add_argument("--batch-size", type=positive(int), help="images per step")
    parser.add_argument("--lr", type=positive(float), help="highest learning rate")
    args = training.start(parser, argv)
    for name in ("epochs", "batch_size", "lr"):
        if getattr(args, name) is None:
            setattr(args, name, getattr(SETTINGS[args.data], name))
    return args


def make_loaders(args: Namespace) -> tuple[DataLoader, DataLoader, list[str]]:
    """Batches for training, batches for testing, names of the classes."""
    settings = SETTINGS[args.data]
    train, test = (training.DATASETS[args.data](train=part) for part in (True, False))
    normalize = Normalize([train.images.mean() / 255], [train.images.std() / 255])
    augment = [RandomCrop(train.images.shape[1], padding=settings.padding)]
    if settings.erase:
        augment.append(RandomErasing(p=settings.erase, scale=(0.02, 0.2)))
    if settings.flip:
        augment.append(RandomHorizontalFlip())
    train.transform = Compose([*augment, ToTensor(), normalize])
    test.transform = Compose([ToTensor(), normalize])
    loader = train_loader(first(train, args.limit), args.batch_size, num_workers=1)
    return loader, DataLoader(first(test, args.limit), 500, num_workers=1), train.classes


class Mixing:
    """mixup for a share of the batches, CutMix for another; the rest as they are."""

    def __init__(self, share: float, classes: int) -> None:
        self.share = share
        self.mixup, self.cutmix = MixUp(alpha=0.4, num_classes=classes), CutMix(num_classes=classes)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        draw = lamina.rand(()).item()
        if draw < self.share:
            return self.mixup(images, labels)
        return self.cutmix(images, labels) if draw < 2 * self.share else (images, labels)


def make_optimizer(model: SmallResNet, lr: float) -> lamina.optim.SGD:
    """Nesterov's momentum; weights decay, but neither biases nor batch norms."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0},
    ]
    return lamina.optim.SGD(groups, lr, momentum=0.9, weight_decay=5e-4, nesterov=True)


def train(args: Namespace) -> Trained:
    settings = SETTINGS[args.data]
    loader, test_loader, classes = make_loaders(args)
    model = SmallResNet(1, len(classes), settings.widths).to(args.device)
    optimizer = make_optimizer(model, args.lr)
    schedule = lamina.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, total_steps=args.epochs * len(loader), pct_start=0.2, cycle_momentum=False
    )
    mixing = Mixing(settings.mix, len(classes))
    run = training.Run(args, model=model, optimizer=optimizer, schedule=schedule, loader=loader)
    for epoch in run.epochs(args.epochs):
        model.train()
        for images, labels in run.steps(loader):
            images, labels = images.to(args.device), labels.to(args.device)
            targets: Tensor = labels
            if epoch <= 0.8 * args.epochs:
                images, targets = mixing(images, labels)
            scores = model(images)
            loss = F.cross_entropy(scores, targets, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            run.log(len(labels), loss=loss.item(), accuracy=accuracy(scores, labels))  # labels before mixing
        test_accuracy = accuracy(*predict(model, test_loader, args.device))
        run.record(test_accuracy=test_accuracy, learning_rate=schedule.get_last_lr()[0])
    return Trained(run, model, loader, test_loader, classes, mixing)
