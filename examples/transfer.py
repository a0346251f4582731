"""Transfer: what a network learnt of five classes helps with five others; and what it looks at.

    python examples/transfer.py                        # Fashion-MNIST
    python examples/transfer.py --data digits          # 8×8 pixels

A small residual network learns the classes 0 to 4 from all their images. Then it meets the classes 5 to 9 with 10
images each, in three ways: from scratch, with its features frozen and a new last layer, and fine-tuned (a new last
layer, and everything else at a tenth of its rate).

The run folder gets a folder for each training, and pictures of the first network: filters.png, embedding.png (features
of all ten classes by t-SNE), attribution.png (images, saliency, guided backpropagation, occlusion), classes.png (images
that it would most like to see) and inversion.png (images, and what two of its layers still know of them).

Result: of 1,000 test images of Fashion-MNIST 95.3 % right on the old classes; on the new ones 82.6 % from scratch,
65.5 % with frozen features, 83.3 % fine-tuned. What tells pullovers from coats does not tell sandals from bags, but is
a good start.

Time: 35 seconds on two cores.

Source: CS231n, "Transfer learning" and "Understanding and visualizing CNNs"; Yosinski et al., 2014 (arXiv:1411.1792);
lamina.viz names the paper of each picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import lamina
import lamina.nn.functional as F
from lamina import nn, training, viz
from lamina.data import DataLoader, TensorDataset
from lamina.models import SmallResNet
from lamina.training import DATASETS, Run, accuracy, first, load_images, positive, predict, train_loader

WIDTHS = {"digits": (16, 32, 64), "fashion-mnist": (32, 64, 128)}
KNOWN = 5  # classes of the first task; the others are the second's


def of_classes(data: TensorDataset, known: bool, shots: int | None = None) -> TensorDataset:
    """The images of the first or the last five classes, at most ``shots`` each, with labels from 0 on."""
    images, labels = data.tensors
    rows = []
    for label in range(0, KNOWN) if known else range(KNOWN, 10):
        rows.append((labels == label).nonzero()[:shots, 0])
    chosen = lamina.cat(rows).sort()[0]
    return TensorDataset(images[chosen], labels[chosen] - (0 if known else KNOWN))


def make_model(data: str) -> SmallResNet:
    return SmallResNet(1, KNOWN, WIDTHS[data], pool_stem=data == "fashion-mnist")


def prepared(way: str, args: argparse.Namespace, old: dict[str, lamina.Tensor]) -> tuple[SmallResNet, list]:
    """A network for the second task and the groups of parameters that learn."""
    model = make_model(args.data)
    if way in ("pretrained", "scratch"):
        return model.to(args.device), [{"params": list(model.parameters())}]
    model.load_state_dict(old)
    model.classifier = nn.Linear(model.classifier.in_features, KNOWN)
    model.to(args.device)
    head = {"params": list(model.classifier.parameters()), "lr": 10 * args.lr}  # it starts from nothing
    body = [parameter for name, parameter in model.named_parameters() if not name.startswith("classifier")]
    if way == "frozen":
        for parameter in body:
            parameter.requires_grad_(False)
        return model, [head]
    return model, [head, {"params": body}]


def train(
    way: str, args: argparse.Namespace, parts: list[TensorDataset], epochs: int, old: dict[str, lamina.Tensor]
) -> tuple[SmallResNet, float]:
    lamina.manual_seed(args.seed)  # each training as if it were the only one
    model, groups = prepared(way, args, old)
    loader = train_loader(parts[0], min(args.batch_size, len(parts[0]) // 2))
    held_out = first(parts[1], 1000)
    test_loader = DataLoader(held_out, 500)
    optimizer = lamina.optim.AdamW(groups, args.lr, weight_decay=1e-2)
    schedule = lamina.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(loader))
    run = Run(args, name=way, model=model, optimizer=optimizer, schedule=schedule, loader=loader)
    for _ in run.epochs(epochs):
        model.train(way != "frozen")  # frozen features include the statistics of the normalisations
        for images, labels in run.steps(loader):
            scores = model(images.to(args.device))
            loss = F.cross_entropy(scores, labels.to(args.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            run.log(len(labels), loss=loss.item(), accuracy=accuracy(scores, labels))
        run.record(test_accuracy=accuracy(*predict(model, test_loader, args.device)))
    right = run.column("test_accuracy")[-1]
    run.finish(f"{way}: {right:.2%} of {len(held_out)} test images right")
    return model, right


# --- What the network looks at ---------------------------------------------------------------------------------------


def features(model: SmallResNet, images: lamina.Tensor) -> lamina.Tensor:
    """What the classifier sees, [N, widths[-1]]."""
    return model.pool(model.blocks(model.stem(images))).flatten(1)


def draw_embedding(
    model: SmallResNet, test: TensorDataset, classes: list[str], device: str, path: Path
) -> None:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    images, labels = (part[:1000] for part in test.tensors)
    with lamina.no_grad():
        seen = features(model, images.to(device)).numpy(force=True)
    with threadpool_limits(
        1
    ):  # its thousand short steps wait for each other's threads where others compute, too
        points = TSNE(random_state=0, init="pca").fit_transform(seen)
    viz.plot_embedding(points, labels, classes, path)


def draw(model: SmallResNet, test: TensorDataset, classes: list[str], args: argparse.Namespace) -> None:
    folder, device = args.run_dir, args.device
    model.eval()
    viz.plot_filters(model.stem[0].weight, path=folder / "filters.png")
    draw_embedding(model, test, classes, device, folder / "embedding.png")
    examples = [int((test.tensors[1] == label).nonzero()[0, 0]) for label in range(KNOWN)]
    images, labels = (part[lamina.tensor(examples)].to(device) for part in test.tensors)
    side = images.shape[-1]
    size = max(2, side // 5)
    seen = viz.occlusion(model, images, labels, size, value=images.min().item())[:, None]
    rows = [images, viz.saliency(model, images, labels)[:, None], viz.guided_backprop(model, images, labels)]
    rows.append(
        F.interpolate(-seen, (side, side), mode="bilinear")
    )  # bright: without it the class is not seen
    viz.image_grid(lamina.cat([unit(row) for row in rows]).cpu(), KNOWN, path=folder / "attribution.png")
    noise = 0.1 * lamina.randn(images.shape, generator=lamina.Generator().manual_seed(1)).to(device)
    wanted = viz.maximise_class(model, noise, labels, steps=args.steps, lr=0.3)
    viz.image_grid(unit(wanted).cpu(), KNOWN, list(classes[:KNOWN]), folder / "classes.png")
    early = viz.invert_features(lambda x: model.blocks[0](model.stem(x)), images, noise, args.steps)
    late = viz.invert_features(lambda x: features(model, x), images, noise, args.steps)
    viz.image_grid(lamina.cat([images, early, late]).cpu(), KNOWN, path=folder / "inversion.png")


def unit(images: lamina.Tensor) -> lamina.Tensor:
    """Each image from 0 to 1."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / (high - low).clamp(min=1e-12)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    parser = training.parser(__doc__, "runs/transfer")
    parser.add_argument("--data", choices=DATASETS, default="fashion-mnist")
    parser.add_argument("--shots", type=positive(int), default=10, help="images of each new class")
    parser.add_argument("--new-epochs", type=positive(int), default=60, help="on the new classes")
    parser.add_argument(
        "--steps", type=positive(int), default=200, help="towards classes.png and inversion.png"
    )
    parser.add_argument("--batch-size", type=positive(int), default=64)
    parser.add_argument("--lr", type=positive(float), default=3e-3)
    args = training.start(parser, argv, needs=["sklearn"])
    args.epochs = args.epochs or {"digits": 20, "fashion-mnist": 4}[args.data]
    train_data, test_data, classes = load_images(args.data, args.limit)
    known = [of_classes(data, known=True) for data in (train_data, test_data)]
    new = [of_classes(train_data, known=False, shots=args.shots), of_classes(test_data, known=False)]
    model, right = train("pretrained", args, known, args.epochs, {})
    results = {"pretrained": right}
    for way in ("scratch", "frozen", "fine-tuned"):
        results[way] = train(way, args, new, args.new_epochs, model.state_dict())[1]
    draw(model, test_data, classes, args)
    return results


if __name__ == "__main__":
    main()
