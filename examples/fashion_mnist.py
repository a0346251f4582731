"""The convnet: a small ResNet on Fashion-MNIST with augmentation, schedule and mixed regularisation.

    python examples/fashion_mnist.py
    python examples/fashion_mnist.py --data digits --epochs 8      # a trial of seconds

Each training image is cropped at random, perhaps mirrored, and a rectangle of it perhaps erased. In the first four
fifths of the epochs a batch is also blended with itself (mixup) or has parts pasted into one another (CutMix), each for
a quarter of the batches. Labels are smoothed, weights decay, and the learning rate goes through one cycle. At the end
the mean of the probabilities of an image and of its mirror image is judged, too.

The run folder gets `curves.png`, `filters.png`, `confusion.png`, `augmented.png` (a batch as the net is trained on) and
`mistakes.png` (the images that are wrong with the greatest confidence: what was taken for what).

Source: He et al., arXiv:1512.03385; Zhong et al., arXiv:1708.04896 (erasing); Zhang et al., arXiv:1710.09412 (mixup);
Yun et al., arXiv:1905.04899 (CutMix); Smith & Topin, arXiv:1708.07120 (one cycle).
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

import lamina
import lamina.nn.functional as F
from lamina import Tensor, training, viz
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
from lamina.training import accuracy, first, positive, predict

WIDTHS = {"fashion-mnist": (32, 64, 128), "digits": (16, 32, 64)}
MIRRORS = {"fashion-mnist": True, "digits": False}  # a digit's mirror image is another sign


def make_loaders(args: Namespace) -> tuple[DataLoader, DataLoader, list[str]]:
    train, test = (training.DATASETS[args.data](train=part) for part in (True, False))
    normalize = Normalize([train.images.mean() / 255], [train.images.std() / 255])
    side = train.images.shape[1]
    augment = [RandomCrop(side, padding=side // 14), RandomErasing(p=0.25, scale=(0.02, 0.2))]
    if MIRRORS[args.data]:
        augment.append(RandomHorizontalFlip())
    train.transform = Compose([*augment, ToTensor(), normalize])
    test.transform = Compose([ToTensor(), normalize])
    loader = DataLoader(
        first(train, args.limit), args.batch_size, shuffle=True, drop_last=True, num_workers=1
    )
    return loader, DataLoader(first(test, args.limit), 500, num_workers=1), train.classes


class Mixing:
    """mixup for a quarter of the batches, CutMix for another; the rest as they are."""

    def __init__(self, classes: int) -> None:
        self.mixup, self.cutmix = MixUp(alpha=0.4, num_classes=classes), CutMix(num_classes=classes)

    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        draw = lamina.rand(()).item()
        if draw < 0.25:
            return self.mixup(images, labels)
        return self.cutmix(images, labels) if draw < 0.5 else (images, labels)


def draw(
    run: training.Run, model: SmallResNet, batch: Tensor, test: DataLoader, scores: Tensor, classes: list[str]
) -> None:
    labels = lamina.cat([labels for _, labels in test])
    images = lamina.cat([images for images, _ in test])
    viz.image_grid(batch[:48].cpu(), columns=12, path=run.folder / "augmented.png")
    viz.plot_filters(model.stem[0].weight, path=run.folder / "filters.png")
    matrix = viz.confusion_matrix(labels, scores.argmax(1), len(classes))
    viz.plot_confusion_matrix(matrix, classes, run.folder / "confusion.png")
    confidence, taken_for = scores.softmax(1).max(1)
    wrong = (taken_for != labels).nonzero()[:, 0]
    worst = wrong[confidence[wrong].argsort(descending=True)[:24]]
    titles = [f"{classes[labels[i].item()]}\nnot {classes[taken_for[i].item()]}" for i in worst]
    if titles:
        viz.image_grid(images[worst], 8, titles, path=run.folder / "mistakes.png")


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    options = training.parser(__doc__, "runs/fashion_mnist", epochs=24)
    options.add_argument("--data", choices=training.DATASETS, default="fashion-mnist")
    options.add_argument("--batch-size", type=positive(int), default=128)
    options.add_argument("--lr", type=positive(float), default=0.2, help="highest learning rate")
    args = training.start(options, argv)
    loader, test, classes = make_loaders(args)
    model = SmallResNet(1, len(classes), WIDTHS[args.data]).to(args.device)
    decaying = [p for p in model.parameters() if p.ndim > 1]  # neither biases nor batch norm
    groups = [
        {"params": decaying},
        {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0},
    ]
    optimizer = lamina.optim.SGD(groups, args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = lamina.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, total_steps=args.epochs * len(loader), pct_start=0.2, cycle_momentum=False
    )
    mixing = Mixing(len(classes))
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
            run.log(len(labels), loss=loss.item())
        run.record(test_accuracy=accuracy(*predict(model, test, args.device)))

    scores, labels = predict(model, test, args.device)
    right = {"accuracy": accuracy(scores, labels)}
    message = f"{right['accuracy']:.2%} of {len(labels)} test images right"
    if MIRRORS[args.data]:
        mirrored, _ = predict(model, ((images.flip(3), labels) for images, labels in test), args.device)
        right["with mirror images"] = accuracy(scores.softmax(1) + mirrored.softmax(1), labels)
        message += f", {right['with mirror images']:.2%} with mirror images"
    draw(run, model, mixing(*next(iter(loader)))[0], test, scores, classes)
    run.finish(message)
    return right


if __name__ == "__main__":
    main()
