"""The optimizers' race: every update rule on one problem, learning-rate decay, and full-batch methods.

    python examples/optimizers.py

Three comparisons on scikit-learn's digits, each from one start on the same batches:

- `race.png`: every update rule on a net of three layers, each with the best of the rates 1, 3, 10, 30 … ·10⁻³;
- `decay.png`: the ways to lower the learning rate, under SGD with momentum at a rate that is too high to end with;
- `full_batch.png`: softmax regression with an L2 penalty, which is convex, on all images at once: the distance from the
  least loss after each iteration, for gradient descent, momentum, Rprop, L-BFGS and Newton's method.

Result: after ten epochs Nesterov's momentum has the lowest loss, 0.003, and NAdam, momentum and Adamax are below 0.01;
SGD and RAdam are at 0.04 and 0.05. Decay by a cosine or a line ends at 0.004, a constant rate at 0.014. Newton's method
is at the minimum to 12 digits after eight iterations; after thirty, L-BFGS is 0.002 above it and gradient descent 0.3.

Time: 3 seconds on two cores.

Source: CS231n course notes, "Parameter updates" and "Annealing the learning rate"; Nocedal & Wright, "Numerical
Optimization", chapters 6 and 7.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any

import lamina
import lamina.nn.functional as F
from lamina import nn, optim, training, viz
from lamina.data import DataLoader, TensorDataset
from lamina.nn.utils import l2_penalty
from lamina.optim import lr_scheduler

RULES: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "SGD": (optim.SGD, {"lr": 0.3}),
    "momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "Nesterov": (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "ASGD": (optim.ASGD, {"lr": 0.3}),
    "Adagrad": (optim.Adagrad, {"lr": 0.1}),
    "Adadelta": (optim.Adadelta, {"lr": 3.0}),
    "RMSprop": (optim.RMSprop, {"lr": 0.01}),
    "Adam": (optim.Adam, {"lr": 0.01}),
    "AdamW": (optim.AdamW, {"lr": 0.01}),
    "Adamax": (optim.Adamax, {"lr": 0.03}),
    "NAdam": (optim.NAdam, {"lr": 0.01}),
    "RAdam": (optim.RAdam, {"lr": 0.03}),
}
DECAYS: dict[str, Callable[[optim.Optimizer, int], lr_scheduler.LRScheduler]] = {  # of n epochs
    "constant": lambda o, n: lr_scheduler.ConstantLR(o, factor=1),
    "step": lambda o, n: lr_scheduler.StepLR(o, step_size=max(1, n // 3), gamma=0.1),
    "exponential": lambda o, n: lr_scheduler.ExponentialLR(o, gamma=0.01 ** (1 / n)),
    "1/t": lambda o, n: lr_scheduler.InverseTimeLR(o, decay=10 / n),
    "linear": lambda o, n: lr_scheduler.PolynomialLR(o, total_iters=n),
    "cosine": lambda o, n: lr_scheduler.CosineAnnealingLR(o, T_max=n),
}
FULL_BATCH: dict[str, tuple[type[optim.Optimizer], dict[str, Any]]] = {
    "gradient descent": (optim.SGD, {"lr": 0.3}),
    "momentum": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "Rprop": (optim.Rprop, {"lr": 0.01}),
    "L-BFGS": (optim.LBFGS, {"max_iter": 1, "max_eval": 20, "line_search_fn": "strong_wolfe"}),
    "Newton": (optim.Newton, {"max_iter": 1}),
}


def train(
    args: Namespace, name: str, data: TensorDataset, batch_size: int, make: Callable[..., Any]
) -> list[float]:
    """Mean loss of each epoch of a net whose parameters go into ``make``, which returns optimizer and schedule."""
    lamina.manual_seed(args.seed)
    layers = (nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    model = nn.Sequential(nn.Flatten(), *layers).to(args.device)
    loader = DataLoader(data, batch_size, shuffle=True)
    optimizer, schedule = make(model.parameters())
    run = training.Run(args, name=name, model=model, optimizer=optimizer, schedule=schedule, loader=loader)
    for _ in run.epochs(args.epochs):
        for images, labels in run.steps(loader):
            loss = F.cross_entropy(model(images.to(args.device)), labels.to(args.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log(len(labels), loss=loss.item())
        schedule.step()
    return run.column("train_loss")


def minimise(args: Namespace, name: str, data: TensorDataset) -> list[float]:
    """The convex loss of all images before each iteration."""
    lamina.manual_seed(args.seed)
    images, labels = (tensor.to(args.device) for tensor in data.tensors)
    x = images.flatten(1).double()
    model = nn.Linear(64, 10).double().to(args.device)
    rule, options = FULL_BATCH[name]
    optimizer = rule(model.parameters(), **options)

    def closure() -> lamina.Tensor:
        loss = F.cross_entropy(model(x), labels) + 1e-3 * l2_penalty([model.weight])
        if rule is not optim.Newton:  # which differentiates the loss twice by itself
            optimizer.zero_grad()
            loss.backward()
        return loss

    run = training.Run(args, unit="iterations", name=f"full-{name}", model=model, optimizer=optimizer)
    for _ in run.epochs(3 * args.epochs):
        run.log(loss=optimizer.step(closure).item())
    return run.column("train_loss")


def main(argv: Sequence[str] | None = None) -> dict[str, dict[str, list[float]]]:
    options = training.parser(__doc__, "runs/optimizers", epochs=10)
    args = training.start(options, argv)
    data, _, _ = training.load_images("digits", args.limit)

    def with_rule(name: str) -> Callable[..., Any]:
        rule, settings = RULES[name]

        def make(parameters: Any) -> Any:
            optimizer = rule(parameters, **settings)
            return optimizer, lr_scheduler.ConstantLR(optimizer, factor=1)

        return make

    def with_decay(name: str) -> Callable[..., Any]:
        def make(parameters: Any) -> Any:
            optimizer = optim.SGD(parameters, lr=0.05, momentum=0.9)
            return optimizer, DECAYS[name](optimizer, args.epochs)

        return make

    race = {name: train(args, f"rule-{name}", data, 64, with_rule(name)) for name in RULES}
    decay = {
        name: train(args, f"decay-{name.replace('/', '-')}", data, 16, with_decay(name)) for name in DECAYS
    }
    full = {name: minimise(args, name, data) for name in FULL_BATCH}
    least = min(map(min, full.values()))
    above = {name: [max(loss - least, 1e-12) for loss in losses] for name, losses in full.items()}

    viz.plot_curves(
        {"mean loss of an epoch": race}, path=args.run_dir / "race.png", log=["mean loss of an epoch"]
    )
    viz.plot_curves(
        {"mean loss of an epoch": decay}, path=args.run_dir / "decay.png", log=["mean loss of an epoch"]
    )
    title = "loss above the least"
    viz.plot_curves({title: above}, xlabel="iteration", path=args.run_dir / "full_batch.png", log=[title])
    for name, losses in (race | {f"{name} decay": losses for name, losses in decay.items()}).items():
        print(f"{name:18} loss {losses[-1]:.4f} in the last epoch")
    for name, distances in above.items():
        print(f"{name:18} {distances[-1]:.1e} above the least loss after {len(distances)} iterations")
    print(f"see {args.run_dir}")
    return {"race": race, "decay": decay, "above": above}


if __name__ == "__main__":
    main()
