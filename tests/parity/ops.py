"""op_db: the functions of torch's namespace and of nn.functional, and Tensor's methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

import lamina
from parity.checks import check_error, check_values, is_drawn, quiet
from parity.gradients import check_gradients, differentiable
from parity.tally import Tally, brief_call
from parity.twin import Memo, NotOfferedError, draws, find, function_for, twin, wraps

DTYPES = ("float64", "float32", "int64", "int32", "uint8", "int8", "bool")
SECOND = 6  # samples of a name that second derivatives are compared on, for time's sake
UNWRITTEN = ("empty", "empty_like", "new_empty")  # give memory as it is


@cache
def entries() -> dict[str, Any]:
    """Those entries whose name lamina offers, by name and variant."""
    offered = [op for op in op_db if function_for(op, lamina) is not None]
    return {op.name + (f" ({op.variant_test_name})" if op.variant_test_name else ""): op for op in offered}


@cache
def missing() -> list[str]:
    """Names of the database that lamina does not offer."""
    return sorted({op.name for op in op_db if function_for(op, lamina) is None})


@dataclass
class Form:
    """A way to call an op: as a function, a method, in place, or by another of its names."""

    label: str
    torch: Callable[..., Any]
    lamina: Callable[..., Any]


def forms(op: Any) -> Iterator[Form]:
    """The ways that both libraries have; the function itself comes first."""
    theirs, ours = function_for(op, torch) or op.op, function_for(op, lamina)
    assert ours is not None
    yield Form("", theirs, ours)
    if wraps(op) or "." in op.name or op.name.startswith("__"):
        return
    pairs = [("method, ", getattr(torch.Tensor, op.name, None), getattr(lamina.Tensor, op.name, None))]
    pairs += [(f"{alias.name}, ", alias.op, find(lamina, alias.name)) for alias in op.aliases]
    for label, other, form in pairs:
        if callable(other) and callable(form) and form is not ours:
            yield Form(label, other, form)
    theirs, ours = getattr(torch.Tensor, op.name + "_", None), getattr(lamina.Tensor, op.name + "_", None)
    if theirs is not None and ours is not None:
        yield Form("in place, ", on_a_copy(theirs), on_a_copy(ours))


def on_a_copy(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method in place as a function, with the gradient of what the tensor was before."""

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        y = x.clone()
        result = method(y, *args, **kwargs)
        assert result is y, "a method in place returns its tensor"
        return result

    return call


def run(name: str) -> Tally:
    """Runs the samples of one entry."""
    op, tally = entries()[name], Tally(name)
    function, *others = forms(op)
    for dtype in DTYPES:
        theirs = getattr(torch, dtype)
        if theirs not in op.dtypes:
            continue
        grad = dtype == "float64" and op.supports_autograd
        part = Tally(name)
        torch.manual_seed(0)
        for k, sample in enumerate(op.sample_inputs("cpu", theirs, requires_grad=grad)):
            args, kwargs = (sample.input, *sample.args), sample.kwargs
            check_sample(part, op, function, dtype, args, kwargs, k < SECOND)
            for form in others if dtype in ("float64", "int64") else ():
                check_sample(part, op, form, dtype, args, kwargs, False)
        tally.take(part, dtype)
    torch.manual_seed(0)
    for error in op.error_inputs("cpu") if op.error_inputs_func else ():
        sample = error.sample_input
        check_error_sample(tally, function, (sample.input, *sample.args), sample.kwargs)
    return tally


def twins(tally: Tally, args: Any, kwargs: Any) -> tuple[Any, Any, Memo] | None:
    memo: Memo = {}
    try:
        return twin(args, memo), twin(kwargs, memo), memo
    except NotOfferedError:
        tally.left_out += 1
        return None


def check_sample(tally: Tally, op: Any, form: Form, dtype: str, args: Any, kwargs: Any, second: bool) -> None:
    """Values, and gradients of what requires one; where torch refuses the form, as in place, its error."""
    where = f"{form.label}{dtype}, ({brief_call(args, kwargs)})"
    made = twins(tally, args, kwargs)
    if made is None:
        return
    mine, kw, memo = made
    try:
        drawn = op.name in UNWRITTEN or (draws(op) and is_drawn(form.torch, args, kwargs))
        want = quiet(form.torch, *args, **kwargs)
    except Exception:
        if not form.label:
            raise
        check_error(tally, where, lambda: form.lamina(*mine, **kw), lambda: form.torch(*args, **kwargs))
        return
    got = check_values(tally, where, form.lamina, mine, kw, want, values=not drawn)
    recorded = op.supports_inplace_autograd or form.label != "in place, "
    if got is not None and not drawn and recorded:
        second = second and op.supports_gradgrad
        check_gradients(tally, where, got, want, *differentiable((args, kwargs), memo), second)


def check_error_sample(tally: Tally, form: Form, args: Any, kwargs: Any) -> None:
    made = twins(tally, args, kwargs)
    if made is not None:
        mine, kw, _ = made
        where = f"error, ({brief_call(args, kwargs)})"
        check_error(tally, where, lambda: form.lamina(*mine, **kw), lambda: form.torch(*args, **kwargs))
