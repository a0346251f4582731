"""Times whole training steps against torch: forward, loss, backward, SGD with momentum.

    python benchmarks/steps.py [--works lenet resnet18-32] [--threads 1 2] [--json results.json]

Both libraries run the same source: a file of lamina/models, made of either's layers (tests/harness/torch_twin.py);
works named "captured" run lamina's step through lamina.capture.
torch gets row-major and channels-last inputs and weights; the better counts. Both start from the same parameters; their
losses over three steps must agree, or nothing is timed and the exit status is 1: to rounding before the first update,
and as closely as torch's layouts agree after it, since a deep network on few images magnifies rounding.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

from harness.torch_twin import twin  # noqa: E402
from timing import machine, measure_works, race, report, set_threads, show, table  # noqa: E402

import lamina  # noqa: E402

Step = Callable[[], float]
LAYOUTS = {"torch contiguous": torch.contiguous_format, "torch channels last": torch.channels_last}


@dataclass(frozen=True)
class Work:
    """A network and what it is trained on."""

    file: str  # of lamina/models
    build: Callable[[Any], Any]  # the models, from that file's module
    images: tuple[int, ...]
    bar: float  # torch's time over lamina's, at least
    targets: Callable[[np.random.Generator], np.ndarray]  # class numbers, or noise for a generator
    adversarial: bool = False
    captured: bool = False  # lamina's step


def classes(*shape: int, count: int = 10) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.integers(0, count, shape)


def small_vgg(models: Any) -> Any:
    """VGG-11's stages for images of 32 pixels, with batch normalisation and one linear layer."""
    features = models.vgg_features(models.STAGES[11], batch_norm=True)
    nn = models.nn
    return nn.Sequential(features, nn.Flatten(), nn.Linear(512, 10))


def mlp(models: Any) -> Any:
    nn = models.nn
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def dcgan(models: Any) -> Any:
    return models.nn.ModuleList([models.Discriminator(), models.Generator()])


def noise(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.standard_normal(shape).astype(np.float32)


WORKS = {
    "mlp": Work("lenet", mlp, (32, 64), 3, classes(32)),
    "mlp captured": Work("lenet", mlp, (32, 64), 8, classes(32), captured=True),
    "lenet": Work("lenet", lambda m: m.LeNet5(), (64, 1, 28, 28), 4, classes(64)),
    "lenet captured": Work("lenet", lambda m: m.LeNet5(), (64, 1, 28, 28), 6, classes(64), captured=True),
    "resnet18-32": Work(
        "resnet", lambda m: m.resnet18(10, small_images=True), (32, 3, 32, 32), 2.3, classes(32)
    ),
    "resnet18-128": Work(
        "resnet", lambda m: m.resnet18(10, small_images=True), (128, 3, 32, 32), 2.3, classes(128)
    ),
    "small vgg": Work("vgg", small_vgg, (64, 3, 32, 32), 2.4, classes(64)),
    "resnet50": Work("resnet", lambda m: m.resnet50(), (4, 3, 224, 224), 1.8, classes(4, count=1000)),
    "unet": Work("unet", lambda m: m.UNet(), (2, 1, 128, 128), 2.3, classes(2, 128, 128, count=2)),
    "dcgan": Work("dcgan", dcgan, (16, 3, 64, 64), 1.6, noise(16, 100), adversarial=True),
}


def supervised(lib: Any, model: Any, images: Any, targets: Any, captured: bool = False) -> Step:
    optimizer = lib.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)

    def train(images: Any, targets: Any) -> Any:
        optimizer.zero_grad()
        loss = lib.nn.functional.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
        return loss

    run = lib.capture(train) if captured else train
    return lambda: float(run(images, targets).item())


def adversarial(lib: Any, models: Any, images: Any, z: Any, captured: bool = False) -> Step:
    """A step of the discriminator on real images and drawn ones, then one of the generator."""
    assert not captured
    discriminator, generator = models
    score = lib.nn.functional.binary_cross_entropy_with_logits
    optimizers = [lib.optim.SGD(m.parameters(), lr=1e-4, momentum=0.9) for m in models]
    real, drawn = lib.ones(images.shape[0]), lib.zeros(images.shape[0])

    def step() -> float:
        fakes = generator(z)
        optimizers[0].zero_grad()
        loss = score(discriminator(images), real) + score(discriminator(fakes.detach()), drawn)
        loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        deceit = score(discriminator(fakes), real)
        deceit.backward()
        optimizers[1].step()
        return float(loss.item()) + float(deceit.item())

    return step


def layouts_of(work: Work) -> dict[str, Any]:
    """Those that differ for the work's inputs."""
    return LAYOUTS if len(work.images) == 4 else {"torch contiguous": torch.contiguous_format}


def steps_of(work: Work) -> dict[str, Step]:
    """The same step by both libraries, torch's in both layouts."""
    step = adversarial if work.adversarial else supervised
    rng = np.random.default_rng(0)
    images, targets = rng.standard_normal(work.images).astype(np.float32), work.targets(rng)
    lamina.manual_seed(0)
    model = work.build(importlib.import_module(f"lamina.models.{work.file}"))
    state = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    steps = {"lamina": step(lamina, model, lamina.tensor(images), lamina.tensor(targets), work.captured)}
    for name, layout in layouts_of(work).items():
        theirs = work.build(twin(work.file))
        theirs.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
        theirs = theirs.to(memory_format=layout)
        x = torch.from_numpy(images).contiguous(memory_format=layout)
        steps[name] = step(torch, theirs, x, torch.from_numpy(targets))
    return steps


def measure(name: str, threads: int) -> dict[str, Any]:
    set_threads(threads)
    work = WORKS[name]
    steps = steps_of(work)
    losses = {key: [step() for _ in range(3)] for key, step in steps.items()}
    for key, (first, *later) in losses.items():
        expected = losses["torch contiguous"]
        np.testing.assert_allclose(first, expected[0], rtol=1e-4, err_msg=f"{name}: first loss of {key}")
        np.testing.assert_allclose(later, expected[1:], rtol=5e-2, err_msg=f"{name}: losses of {key}")
    taken = race(steps, threads, rounds=5, budget=0.2)
    best = min(taken[layout] for layout in layouts_of(work))
    return {
        "work": name,
        "threads": threads,
        "seconds": taken,
        "ratio": best / taken["lamina"],
        "bar": work.bar,
    }


def main() -> None:
    records, path = measure_works(__doc__, WORKS, measure)
    columns = ("lamina", *LAYOUTS)
    header = ["training step", "threads", *columns, "torch / lamina", "bar"]
    rows = [
        [
            r["work"],
            str(r["threads"]),
            *(show(r["seconds"][c]) if c in r["seconds"] else "" for c in columns),
            f"{r['ratio']:.2f}",
            f"{r['bar']:g}",
        ]
        for r in records
    ]
    report(records, machine(), table(header, rows), path)


if __name__ == "__main__":
    main()
