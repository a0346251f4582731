"""Whole training steps on a CUDA device: eager and as graphs, of both libraries, from the same weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from cuda_timing import by_events, graph_of
from harness.torch_twin import twin
from steps import WORKS, Work, classes, language, noise, supervised

import lamina

QUICK = {
    "lenet": Work("lenet", lambda m: m.LeNet5(), noise(2, 1, 28, 28), 1, classes(2), supervised),
    "char-lstm": Work(
        "char_rnn",
        lambda m: m.CharRNN(vocabulary=5, hidden=8),
        classes(2, 3, count=5),
        1,
        classes(2, 3, count=5),
        language,
    ),
}
NAMES = ("lenet", "resnet18-32", "char-lstm")


def works(quick: bool) -> dict[str, Work]:
    return QUICK if quick else {name: WORKS[name] for name in NAMES}


def measure(work: Work, torch: Any, torch_device: str) -> dict[str, float]:
    """Milliseconds of a step by each: AssertionError where their losses differ."""
    rng = np.random.default_rng(0)
    inputs, targets = work.inputs(rng), work.targets(rng)
    lamina.manual_seed(0)
    source = work.build(importlib.import_module(f"lamina.models.{work.file}"))
    state = {key: value.numpy().copy() for key, value in source.state_dict().items()}

    def ours() -> Callable[[], Any]:
        model = work.build(importlib.import_module(f"lamina.models.{work.file}"))
        model.load_state_dict({key: lamina.tensor(value) for key, value in state.items()})
        x, y = (lamina.tensor(a, device="cuda") for a in (inputs, targets))
        return work.step(lamina, model.to("cuda"), x, y)

    def theirs() -> Callable[[], Any]:
        model = work.build(twin(work.file))
        model.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
        x, y = (torch.from_numpy(a).to(torch_device) for a in (inputs, targets))
        if inputs.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
            model = model.to(memory_format=torch.channels_last)
        return work.step(torch, model.to(torch_device), x, y)

    steps = {"lamina": ours(), "lamina captured": lamina.capture(ours()), "torch": theirs()}
    losses = {name: [float(step().item()) for _ in range(4)] for name, step in steps.items()}
    np.testing.assert_array_equal(losses["lamina captured"], losses["lamina"])
    np.testing.assert_allclose(losses["lamina"][0], losses["torch"][0], rtol=1e-3)
    np.testing.assert_allclose(losses["lamina"], losses["torch"], rtol=5e-2)
    times = {}
    for name, step in steps.items():
        library = torch if name == "torch" else lamina
        times[name] = by_events(library, lambda i, step=step: step(), 5)
    replay = graph_of(torch, theirs())
    times["torch graph"] = by_events(torch, lambda i: replay(), 5)
    return times
