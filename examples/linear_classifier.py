"""Linear SVM and softmax on raw pixels, with L1, L2 and elastic net.

    python examples/linear_classifier.py                       # digits of 8×8 pixels
    python examples/linear_classifier.py --data fashion-mnist

Scores are W x + b, so that each row of W is a template that is compared with the image. The classifier is trained with
two losses, each with four penalties on W:

- multiclass SVM, mean over images of Σ_(j ≠ y) max(0, 1 + s_j - s_y) / C;
- softmax, mean over images of -log(e^(s_y) / Σ_j e^(s_j));
- nothing, λ₁ Σ|w|, λ₂/2 Σw², or both (elastic net). L1 drives weights to zero and leaves few pixels in use; L2 spreads
  the weight over all of them and makes templates smooth.

`templates.png` shows the rows of W of all eight classifiers, `accuracy.png` their accuracy epoch by epoch.

Result: on digits 96.1 to 96.7 % of the test images right with either loss; L1 leaves 42 % of the SVM's weights and 59 %
of softmax's. On Fashion-MNIST with --epochs 10, 84.3 % for the SVM and 83.9 % for softmax; L1 leaves 15 % and 21 % of
the weights, and costs 2.7 and 0.2 points.

Time: seconds; Fashion-MNIST with --epochs 10 under a minute.

Source: CS231n course notes, "Linear classification"; Zou & Hastie, "Regularization and variable selection via the
elastic net", 2005.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import NamedTuple

import lamina
import lamina.nn.functional as F
from lamina import nn, training, viz
from lamina.data import DataLoader, TensorDataset
from lamina.nn.utils import elastic_net_penalty
from lamina.training import accuracy, predict

LOSSES = {"SVM": F.multi_margin_loss, "softmax": F.cross_entropy}
PENALTIES = {"none": (0, 0), "L1": (1e-3, 0), "L2": (0, 1e-2), "elastic-net": (5e-4, 5e-3)}  # λ₁, λ₂


class Outcome(NamedTuple):
    accuracy: list[float]  # on the test images, after each epoch
    zeros: float  # share of weights below a hundredth of the greatest
    templates: lamina.Tensor  # [classes, H, W]


def train(
    args: Namespace, loss: str, penalty: str, data: TensorDataset, test: TensorDataset, classes: int
) -> Outcome:
    lamina.manual_seed(args.seed)
    images, _ = data.tensors
    loader = DataLoader(data, args.batch_size, shuffle=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), classes)).to(args.device)
    weight = model[1].weight
    optimizer = lamina.optim.SGD(model.parameters(), args.lr, momentum=0.9)
    schedule = lamina.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * len(loader))
    l1, l2 = PENALTIES[penalty]
    run = training.Run(
        args, name=f"{loss}-{penalty}", model=model, optimizer=optimizer, schedule=schedule, loader=loader
    )
    for _ in run.epochs(args.epochs):
        for x, y in run.steps(loader):
            data_loss = LOSSES[loss](model(x.to(args.device)), y.to(args.device))
            optimizer.zero_grad()
            (data_loss + elastic_net_penalty([weight], l1, l2)).backward()
            optimizer.step()
            schedule.step()
            run.log(len(y), loss=data_loss.item())
        run.record(test_accuracy=accuracy(*predict(model, DataLoader(test, 1000), args.device)))
    zeros = (weight.abs() < weight.abs().max() / 100).float().mean().item()
    run.say(
        f"{run.name:20}{run.rows[-1]['test_accuracy']:7.2%} of test images right, {zeros:4.0%} of weights 0"
    )
    return Outcome(run.column("test_accuracy"), zeros, weight.detach().cpu().reshape(-1, *images.shape[-2:]))


def main(argv: Sequence[str] | None = None) -> dict[str, Outcome]:
    options = training.parser(__doc__, "runs/linear_classifier", epochs=30)
    options.add_argument("--data", choices=training.DATASETS, default="digits")
    options.add_argument("--batch-size", type=training.positive(int), default=64)
    options.add_argument("--lr", type=training.positive(float), default=0.05)
    args = training.start(options, argv)
    data, test, classes = training.load_images(args.data, args.limit)
    outcomes = {
        f"{loss}-{penalty}": train(args, loss, penalty, data, test, len(classes))
        for loss in LOSSES
        for penalty in PENALTIES
    }
    # each classifier's templates on a scale of its own, or the smallest weights would be one grey
    templates = lamina.cat([o.templates / o.templates.abs().max() for o in outcomes.values()])
    titles = [name if k == 0 else classes[k] for name in outcomes for k in range(len(classes))]
    viz.image_grid(templates, len(classes), titles, path=args.run_dir / "templates.png")
    curves = {name: outcome.accuracy for name, outcome in outcomes.items()}
    panels = {
        loss: {name.removeprefix(f"{loss}-"): y for name, y in curves.items() if name.startswith(loss)}
        for loss in LOSSES
    }
    viz.plot_curves(panels, path=args.run_dir / "accuracy.png")
    print(f"see {args.run_dir}")
    return outcomes


if __name__ == "__main__":
    main()
