"""Times whole training steps against torch: forward, cross-entropy, backward, SGD with momentum.

    python benchmarks/steps.py [--models lenet resnet18-32] [--threads 1 2] [--json results.json]

torch gets row-major and channels-last inputs and weights; the better counts. Both libraries start from the same
parameters; their losses over three steps must agree, or nothing is timed and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from timing import machine, race, set_threads, show, table

import lamina

Step = Callable[[], float]


class Block(nn.Module):
    """torchvision's BasicBlock."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.downsample = None
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class TorchResNet18(nn.Module):
    """torchvision's resnet18 with the stem for small images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = (
            nn.Conv2d(3, 64, 3, 1, 1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(True),
        )
        widths = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        for k, (c_in, c_out, stride) in enumerate(widths, 1):
            setattr(self, f"layer{k}", nn.Sequential(Block(c_in, c_out, stride), Block(c_out, c_out)))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(512, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


class TorchLeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x))


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], Any], tuple[int, ...]]] = {
    "lenet": (lambda: lamina.models.LeNet5(), TorchLeNet5, (64, 1, 28, 28)),
    "resnet18-32": (lambda: lamina.models.resnet18(10, small_images=True), TorchResNet18, (32, 3, 32, 32)),
    "resnet18-128": (lambda: lamina.models.resnet18(10, small_images=True), TorchResNet18, (128, 3, 32, 32)),
}


def lamina_step(make: Callable[[], Any], state: dict[str, np.ndarray], x: np.ndarray, t: np.ndarray) -> Step:
    model = make()
    model.load_state_dict({name: lamina.tensor(value) for name, value in state.items()})
    optimizer = lamina.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images, labels = lamina.tensor(x), lamina.tensor(t)

    def step() -> float:
        optimizer.zero_grad()
        loss = lamina.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def torch_step(
    make: Callable[[], Any], state: dict[str, Any], x: np.ndarray, t: np.ndarray, layout: Any
) -> Step:
    model = make()
    model.load_state_dict(state)
    model = model.to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    images, labels = torch.from_numpy(x).contiguous(memory_format=layout), torch.from_numpy(t)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def measure(name: str, threads: int) -> dict[str, Any]:
    set_threads(threads)
    torch.manual_seed(0)
    ours, theirs, shape = MODELS[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    t = rng.integers(0, 10, shape[0])
    state = {key: value.clone() for key, value in theirs().state_dict().items()}
    steps = {
        "lamina": lamina_step(ours, {key: value.numpy().copy() for key, value in state.items()}, x, t),
        "torch contiguous": torch_step(theirs, state, x, t, torch.contiguous_format),
        "torch channels last": torch_step(theirs, state, x, t, torch.channels_last),
    }
    losses = {key: [step() for _ in range(3)] for key, step in steps.items()}
    for key, values in losses.items():
        np.testing.assert_allclose(
            values, losses["torch contiguous"], rtol=1e-3, err_msg=f"{name}: losses of {key}"
        )
    taken = race(steps, threads, rounds=5, budget=0.2)
    best = min(taken["torch contiguous"], taken["torch channels last"])
    return {"model": name, "threads": threads, "seconds": taken, "ratio": best / taken["lamina"]}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--json", type=Path, help="where to write all times")
    options = parser.parse_args()
    records = []
    for name in options.models:
        for threads in options.threads:
            try:
                records.append(measure(name, threads))
            except AssertionError as error:
                print(f"WRONG {error}", file=sys.stderr)
                return 1
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    columns = ("lamina", "torch contiguous", "torch channels last")
    rows = [
        [r["model"], str(r["threads"]), *(show(r["seconds"][c]) for c in columns), f"{r['ratio']:.2f}"]
        for r in records
    ]
    print(table(["training step", "threads", *columns, "torch / lamina"], rows))
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "records": records}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
