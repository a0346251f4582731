"""Times whole training steps against torch: forward, loss, backward, SGD with momentum.

    python benchmarks/steps.py [--works lenet resnet18-32] [--threads 1 2] [--json results.json]

Both libraries run the same source: a file of lamina/models, made of either's layers (tests/harness/torch_twin.py).
Works named "captured" run lamina's step through lamina.capture. torch gets row-major and, of images, channels-last
inputs and weights; the better counts. Both start from the same parameters; their losses over three steps must agree, or
nothing is timed and the exit status is 1: to rounding before the first update, and as closely as torch's layouts agree
after it, since a deep network on few images magnifies rounding. A model that draws numbers while it trains is compared
in evaluation mode.
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

Train = Callable[[], Any]  # a step; its loss
Step = Callable[[], float]
Draw = Callable[[np.random.Generator], np.ndarray]
IGNORED = -100  # by cross_entropy
LAYOUTS = {"torch contiguous": torch.contiguous_format, "torch channels last": torch.channels_last}


@dataclass(frozen=True)
class Work:
    """A network, what it is trained on and how."""

    file: str  # of lamina/models
    build: Callable[[Any], Any]  # the models, from that file's module
    inputs: Draw
    bar: float  # torch's time over lamina's, at least
    targets: Draw  # class numbers, or noise for a generator
    step: Callable[[Any, Any, Any, Any], Train]  # of a library, the model, inputs and targets
    draws: bool = False  # whether the model draws numbers while it trains
    captured: bool = False  # lamina's step


def classes(*shape: int, count: int = 10) -> Draw:
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


def noise(*shape: int) -> Draw:
    return lambda rng: rng.standard_normal(shape).astype(np.float32)


def pixels(*shape: int) -> Draw:
    return lambda rng: rng.random(shape, dtype=np.float32)


def tags(sentences: int, words: int, count: int) -> Draw:
    """Classes of sentences of half to all of ``words``; IGNORED beyond the end of one."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        lengths = rng.integers(words // 2, words + 1, sentences)
        lengths[0] = words
        return np.where(
            np.arange(words) < lengths[:, None], rng.integers(0, count, (sentences, words)), IGNORED
        )

    return draw


def tagger(models: Any) -> Any:
    """A class for each word: embedding, a GRU in both directions over packed sentences, linear scores."""
    nn = models.nn

    class Tagger(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(1000, 128)
            self.gru = nn.GRU(128, 128, batch_first=True, bidirectional=True)
            self.scores = nn.Linear(256, 20)

        def forward(self, words: Any, lengths: Any) -> Any:
            pack, pad = nn.utils.rnn.pack_padded_sequence, nn.utils.rnn.pad_packed_sequence
            packed = pack(self.embedding(words), lengths, batch_first=True, enforce_sorted=False)
            return self.scores(pad(self.gru(packed)[0], batch_first=True)[0])

    return Tagger()


def descend(lib: Any, model: Any, loss_of: Callable[[], Any], lr: float = 1e-3) -> Train:
    optimizer = lib.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)

    def train() -> Any:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss

    return train


def supervised(lib: Any, model: Any, images: Any, targets: Any) -> Train:
    return descend(lib, model, lambda: lib.nn.functional.cross_entropy(model(images), targets))


def language(lib: Any, model: Any, tokens: Any, targets: Any) -> Train:
    """The next token's class at every step."""
    loss = lib.nn.functional.cross_entropy
    return descend(lib, model, lambda: loss(model(tokens)[0].flatten(0, 1), targets.flatten()))


def tagging(lib: Any, model: Any, words: Any, targets: Any) -> Train:
    loss, lengths = lib.nn.functional.cross_entropy, (targets != IGNORED).sum(1)
    return descend(lib, model, lambda: loss(model(words, lengths).flatten(0, 1), targets.flatten()))


def variational(lib: Any, model: Any, images: Any, _: Any) -> Train:
    vae_loss = importlib.import_module(type(model).__module__).vae_loss
    return descend(lib, model, lambda: vae_loss(model(images), images), lr=1e-5)


def adversarial(lib: Any, models: Any, images: Any, z: Any) -> Train:
    """A step of the discriminator on real images and drawn ones, then one of the generator."""
    discriminator, generator = models
    score = lib.nn.functional.binary_cross_entropy_with_logits
    optimizers = [lib.optim.SGD(m.parameters(), lr=1e-4, momentum=0.9) for m in models]
    real, drawn = lib.ones(images.shape[0]), lib.zeros(images.shape[0])

    def step() -> Any:
        fakes = generator(z)
        optimizers[0].zero_grad()
        loss = score(discriminator(images), real) + score(discriminator(fakes.detach()), drawn)
        loss.backward()
        optimizers[0].step()
        optimizers[1].zero_grad()
        deceit = score(discriminator(fakes), real)
        deceit.backward()
        optimizers[1].step()
        return loss + deceit

    return step


WORKS = {
    "mlp": Work("lenet", mlp, noise(32, 64), 3, classes(32), supervised),
    "mlp captured": Work("lenet", mlp, noise(32, 64), 8, classes(32), supervised, captured=True),
    "lenet": Work("lenet", lambda m: m.LeNet5(), noise(64, 1, 28, 28), 4, classes(64), supervised),
    "lenet captured": Work(
        "lenet", lambda m: m.LeNet5(), noise(64, 1, 28, 28), 6, classes(64), supervised, captured=True
    ),
    "resnet18-32": Work(
        "resnet",
        lambda m: m.resnet18(10, small_images=True),
        noise(32, 3, 32, 32),
        2.3,
        classes(32),
        supervised,
    ),
    "resnet18-128": Work(
        "resnet",
        lambda m: m.resnet18(10, small_images=True),
        noise(128, 3, 32, 32),
        2.3,
        classes(128),
        supervised,
    ),
    "small vgg": Work("vgg", small_vgg, noise(64, 3, 32, 32), 2.4, classes(64), supervised),
    "resnet50": Work(
        "resnet", lambda m: m.resnet50(), noise(4, 3, 224, 224), 1.8, classes(4, count=1000), supervised
    ),
    "unet": Work(
        "unet", lambda m: m.UNet(), noise(2, 1, 128, 128), 2.3, classes(2, 128, 128, count=2), supervised
    ),
    "dcgan": Work("dcgan", dcgan, noise(16, 3, 64, 64), 1.6, noise(16, 100), adversarial),
    "char-lstm": Work(
        "char_rnn",
        lambda m: m.CharRNN(vocabulary=65, hidden=512),
        classes(64, 64, count=65),
        1.8,
        classes(64, 64, count=65),
        language,
    ),
    "gru tagger": Work("char_rnn", tagger, classes(32, 50, count=1000), 3, tags(32, 50, count=20), tagging),
    "vae": Work("vae", lambda m: m.VAE(), pixels(128, 1, 28, 28), 2, noise(1), variational, draws=True),
}


def told(train: Train) -> Step:
    """The step, which ends when its loss is known."""
    return lambda: float(train().item())


def steps_of(work: Work) -> tuple[dict[str, Step], list[Any]]:
    """The same step by both libraries, torch's in both layouts of images, and the models."""
    rng = np.random.default_rng(0)
    inputs, targets = work.inputs(rng), work.targets(rng)
    lamina.manual_seed(0)
    model = work.build(importlib.import_module(f"lamina.models.{work.file}"))
    state = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    train = work.step(lamina, model, lamina.tensor(inputs), lamina.tensor(targets))
    steps = {"lamina": told(lamina.capture(train) if work.captured else train)}
    models = [model]
    for name, layout in LAYOUTS.items():
        if layout is torch.channels_last and inputs.ndim != 4:
            continue
        theirs = work.build(twin(work.file))
        theirs.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
        theirs = theirs.to(memory_format=layout)
        x = torch.from_numpy(inputs).contiguous(memory_format=layout)
        steps[name] = told(work.step(torch, theirs, x, torch.from_numpy(targets)))
        models.append(theirs)
    return steps, models


def agreeing_steps(name: str, work: Work) -> dict[str, Step]:
    """The steps of a work, once their losses have been seen to agree."""
    steps, models = steps_of(work)
    for model in models:
        model.train(not work.draws)
    losses = {key: [step() for _ in range(3)] for key, step in steps.items()}
    for key, (first, *later) in losses.items():
        expected = losses["torch contiguous"]
        np.testing.assert_allclose(first, expected[0], rtol=1e-4, err_msg=f"{name}: first loss of {key}")
        np.testing.assert_allclose(later, expected[1:], rtol=5e-2, err_msg=f"{name}: losses of {key}")
    for model in models:
        model.train()
    return steps


def measure(name: str, threads: int) -> dict[str, Any]:
    set_threads(threads)
    work = WORKS[name]
    taken = race(agreeing_steps(name, work), threads, rounds=5, budget=0.2)
    best = min(taken[layout] for layout in LAYOUTS if layout in taken)
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
