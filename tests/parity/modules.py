"""module_db: every module built in both libraries, given one state, run forward and backward."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch.testing._internal.common_modules import ModuleErrorEnum, module_db

import lamina
import lamina.nn
from parity.checks import check_error, check_values, is_drawn, quiet
from parity.gradients import check_gradients, differentiable
from parity.tally import Tally, brief_call
from parity.twin import NotOfferedError, load, twin

DTYPES = ("float64", "float32")
SECOND = 6  # samples of a class that second derivatives are compared on, for time's sake


@cache
def entries() -> dict[str, Any]:
    """Those entries whose class lamina offers."""
    return {f"nn.{m.module_cls.__name__}": m for m in module_db if hasattr(lamina.nn, m.module_cls.__name__)}


@cache
def missing() -> list[str]:
    """Classes of the database that lamina does not offer."""
    names = {m.module_cls.__name__ for m in module_db}
    return sorted(f"nn.{name}" for name in names if not hasattr(lamina.nn, name))


def run(name: str) -> Tally:
    """Runs the samples of one class, in every dtype and mode."""
    info, tally = entries()[name], Tally(name)
    modes = (True, False) if info.train_and_eval_differ else (True,)
    for dtype in DTYPES:
        theirs = getattr(torch, dtype)
        if theirs not in info.supported_dtypes("cpu"):
            continue
        for training in modes:
            torch.manual_seed(0)
            samples = info.module_inputs_func(
                info, device="cpu", dtype=theirs, requires_grad=dtype == "float64", training=training
            )
            part = Tally(name)
            for k, sample in enumerate(samples):
                second = k < SECOND and info.supports_gradgrad
                if sample.forward_input is not None:
                    check_sample(part, info.module_cls, sample, theirs, training, second)
            tally.take(part, dtype)
    if info.module_error_inputs_func:
        torch.manual_seed(0)
        for error in info.module_error_inputs_func(
            info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
        ):
            check_error_sample(tally, info.module_cls, error)
    return tally


def build(cls: Any, made: Any) -> tuple[Any, Any]:
    """torch's module and lamina's, without the state."""
    theirs = quiet(cls, *made.args, **made.kwargs)
    ours = getattr(lamina.nn, cls.__name__)
    return theirs, quiet(ours, *twin(made.args, {}), **twin(made.kwargs, {}))


def check_sample(
    tally: Tally, cls: Any, sample: Any, dtype: torch.dtype, training: bool, second: bool
) -> None:
    made, given = sample.constructor_input, sample.forward_input
    settings = brief_call(made.args, made.kwargs)
    where = f"{'training' if training else 'eval'}, ({settings})({brief_call(given.args, given.kwargs)})"
    memo: dict[int, Any] = {}
    try:
        theirs, ours = build(cls, made)
        args, kwargs = twin(given.args, memo), twin(given.kwargs, memo)
        theirs.to(dtype).train(training)
        ours.to(twin(dtype, {})).train(training)
        load(theirs, ours)
    except NotOfferedError:
        tally.left_out += 1
        return
    except Exception as e:
        tally.add("values", where, f"{type(e).__name__}: {e}")
        return
    state = {k: v.clone() for k, v in theirs.state_dict().items()}
    drawn = is_drawn(theirs, given.args, given.kwargs)
    theirs.load_state_dict(state)  # running statistics as they were
    want = quiet(theirs, *given.args, **given.kwargs)
    got = check_values(tally, where, ours, args, kwargs, want, values=not drawn)
    if got is None or drawn or dtype is not torch.float64:
        return
    check_state(tally, where, theirs, ours)
    mine, inputs = differentiable((given.args, given.kwargs), memo)
    parameters = dict(ours.named_parameters())
    named = list(theirs.named_parameters())
    mine += [parameters[k] for k, _ in named]
    check_gradients(tally, where, got, want, mine, inputs + [p for _, p in named], second)


def check_state(tally: Tally, where: str, theirs: torch.nn.Module, ours: Any) -> None:
    """What forward left in the buffers, such as running statistics."""
    buffers = dict(ours.named_buffers())
    want = {k: b for k, b in theirs.named_buffers() if k in theirs.state_dict()}
    if want:
        check_values(tally, where, lambda: {k: buffers[k] for k in want}, (), {}, want, values=True)


def check_error_sample(tally: Tally, cls: Any, error: Any) -> None:
    made, given = error.module_error_input.constructor_input, error.module_error_input.forward_input
    ours = getattr(lamina.nn, cls.__name__)
    where = f"error, ({brief_call(made.args, made.kwargs)})"
    try:
        args, kwargs = twin(made.args, {}), twin(made.kwargs, {})
        if error.error_on is ModuleErrorEnum.CONSTRUCTION_ERROR:
            check_error(tally, where, lambda: ours(*args, **kwargs), lambda: cls(*made.args, **made.kwargs))
            return
        where += f"({brief_call(given.args, given.kwargs)})"
        inputs, named = twin(given.args, {}), twin(given.kwargs, {})
    except NotOfferedError:
        tally.left_out += 1
        return
    theirs, mine = build(cls, made)
    check_error(tally, where, lambda: mine(*inputs, **named), lambda: theirs(*given.args, **given.kwargs))
