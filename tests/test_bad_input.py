"""Wrong arguments in the place of each right one: no crash, no hang, and an exception that says what was expected.

Every case of tests/cases and every module is called with one argument at a time replaced.  Whatever a call then gives
is fine if it is a result, or an exception of a kind that says what is wrong; an AttributeError out of lamina's own
lines is a missing check.
"""

from __future__ import annotations

import inspect
import signal
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from case import Case
from harness.discover import all_cases
from harness.draw import Drawn, draw_call
from harness.run import to_lamina

import lamina
from lamina import nn

KINDS = (
    TypeError,
    ValueError,
    IndexError,
    RuntimeError,
    MemoryError,
    OverflowError,
)  # and what derives from them
SECONDS = 10

FAMILIES: dict[str, list[Case]] = defaultdict(list)
for _case in all_cases():
    FAMILIES[_case.name.partition(".")[0]].append(_case)


def wrong_values() -> list[Any]:
    """Wrong nearly everywhere: types, signs, sizes, ranks, dtypes.  None of the sizes can be allocated."""
    return [
        None, "text", object(), [], (), [None], {}, np.ones(3), True,
        -1, 0, 2**62, -(10**30), 10**30, 1.5, float("nan"),
        lamina.zeros(()), lamina.zeros(0), lamina.zeros(2, 0, 3), lamina.ones((1,) * 7), lamina.full((3,), -5),
        lamina.full((2, 3), 2**40), lamina.ones(2, 3, dtype=lamina.bool), lamina.ones(3, 5, dtype=lamina.float16),
        lamina.ones(1, 2, 3, 4, dtype=lamina.uint8),
    ]  # fmt: skip


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fails what takes longer: Python's lines are interrupted, and so is a kernel once it is through."""

    def stop(*_: Any) -> None:
        raise AssertionError(f"took over {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def unclear(call: Callable[[], Any]) -> str | None:
    """What is wrong with the exception that a call raises, if it raises one of lamina's lines."""
    try:
        call()
    except KINDS as e:
        return f"{type(e).__name__}: {e}" if isinstance(e, (UnboundLocalError, RecursionError)) else None
    except Exception as e:
        frames = traceback.extract_tb(e.__traceback__)
        if "/lamina/" in frames[-1].filename:
            return f"{type(e).__name__}: {e} in {frames[-1].name}"
    return None


def brief(x: Any) -> str:
    return f"{x.dtype}{tuple(x.shape)}" if hasattr(x, "dtype") else repr(x)


def replaced(call: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> list[str]:
    """The faults found with each wrong value in each argument's place."""
    faults = []
    for key in [*range(len(args)), *kwargs]:
        for wrong in wrong_values():
            changed: tuple[list[Any], dict[str, Any]] = ([*args], {**kwargs})
            changed[isinstance(key, str)][key] = wrong  # type: ignore[index,call-overload]
            fault = unclear(lambda given=changed: call(*given[0], **given[1]))
            if fault is not None:
                faults.append(f"argument {key} as {brief(wrong)}: {fault}")
    return faults


@pytest.mark.parametrize("family", FAMILIES)
def test_functions(family: str) -> None:
    faults = []
    with within(SECONDS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in FAMILIES[family]:
            fullest = max(case.samples, key=lambda s: len(s.args) + len(s.kwargs))
            drawn = draw_call(case, fullest, "float32")
            args, kwargs = drawn.mapped(lambda x: to_lamina(x) if isinstance(x, Drawn) else x)
            faults += [f"{case.name}, {fault}" for fault in replaced(case.call, list(args), kwargs)]
    assert not faults, "\n".join(faults[:20])


# What a module is made with where its arguments have no defaults, and what it is called on.
MADE: dict[str, Any] = {
    "in_channels": 4, "out_channels": 4, "kernel_size": 2, "in_features": 4, "out_features": 4, "num_features": 4,
    "num_groups": 2, "num_channels": 4, "normalized_shape": 5, "size": 3, "output_size": 2, "padding": 1, "value": 1.0,
    "input_size": 5, "hidden_size": 3, "num_embeddings": 7, "embedding_dim": 3, "embed_dim": 4, "num_heads": 2,
    "d_model": 4, "nhead": 2, "upscale_factor": 2, "downscale_factor": 2, "groups": 2, "norm_type": 2.0,
    "in1_features": 5, "in2_features": 5, "threshold": 0.5, "dim": 1, "unflattened_size": (2, 2), "scale_factor": 2.0,
    "num_layers": 1, "pieces": 2, "k": 2, "cutoffs": [2], "n_classes": 5,
}  # fmt: skip
BASES_AND_CONTAINERS = (
    "Module",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "RNNBase",
    "Sequential",
)
MODULES = {
    name: cls
    for name, cls in vars(nn).items()
    if isinstance(cls, type) and issubclass(cls, nn.Module) and name not in BASES_AND_CONTAINERS
}


def settings(cls: type) -> dict[str, Any]:
    """Arguments that a class can be made with."""
    given: dict[str, Any] = {}
    for p in inspect.signature(cls).parameters.values():
        if p.name == "encoder_layer":
            given[p.name] = nn.TransformerEncoderLayer(4, 2)
        elif p.name == "decoder_layer":
            given[p.name] = nn.TransformerDecoderLayer(4, 2)
        elif p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            given[p.name] = MADE[p.name]
    if cls.__name__.startswith("FractionalMaxPool"):
        given["output_size"] = 2
    if cls is nn.Transformer:
        given = {
            "d_model": 4,
            "nhead": 2,
            "num_encoder_layers": 1,
            "num_decoder_layers": 1,
            "dim_feedforward": 4,
        }
    return given


@pytest.mark.parametrize("name", MODULES)
def test_modules(name: str) -> None:
    cls = MODULES[name]
    given = settings(cls)
    named = inspect.signature(cls).parameters
    optional = {
        p.name: p.default
        for p in named.values()
        if p.default is not p.empty and p.name not in ("device", "dtype")
    }
    with within(SECONDS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = cls(**given)
        faults = replaced(cls, [], {**optional, **given})
        wanted = [
            p
            for p in inspect.signature(module.forward).parameters.values()
            if p.default is p.empty and p.kind < 2
        ]
        faults += [
            f"forward, {fault}" for fault in replaced(module, [lamina.ones(2, 4, 5)] * len(wanted), {})
        ]
    assert not faults, "\n".join(faults[:20])
