"""Every case of tests/cases: against NumPy, against torch, gradients, memory orders, thread counts, bad input."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from case import Bad, Case, Sample
from harness.compare import HALVES, assert_close, assert_same_bits, tolerance
from harness.discover import all_cases
from harness.draw import Call, Drawn, draw_call, is_float
from harness.run import run_lamina, run_reference, run_torch, to_lamina

import lamina
from lamina.autograd import gradcheck, gradgradcheck

CASES = all_cases()
SAMPLES = [pytest.param(c, s, id=f"{c.name}-{i}") for c in CASES for i, s in enumerate(c.samples)]
LARGE = [pytest.param(c, s, id=f"{c.name}-{key}") for c in CASES for key, s in c.benchmarks.items()]
ERRORS = [pytest.param(c, b, id=f"{c.name}-{i}") for c in CASES for i, b in enumerate(c.errors)]


@pytest.mark.parametrize("case, sample", SAMPLES)
def test_reference(case: Case, sample: Sample) -> None:
    """Values agree with NumPy in float64, low-precision gradients with float64's; inputs stay as they were."""
    exact: list[Any] = []
    for dtype in sorted(case.dtypes, key=lambda d: d != "float64"):
        call = draw_call(case, sample, dtype)
        before = [x.values.copy() for x in call.inputs()]
        result = run_lamina(case, sample, call, backward=case.differentiable)
        for k, (x, old) in enumerate(zip(call.inputs(), before)):
            assert x.values.tobytes() == old.tobytes(), f"[{dtype}] input {k} was modified"
        if case.reference is not None:
            want = run_reference(case, call)
            assert len(result.outputs) == len(want), (
                f"expected {len(want)} outputs, got {len(result.outputs)}"
            )
            for k, (a, b) in enumerate(zip(result.outputs, want)):
                assert_close(a, b, *tolerance(case, dtype), f"[{dtype}] output {k} against NumPy")
        if dtype == "float64":
            exact = result.grads
        elif exact and dtype == "float32":
            for k, (a, b) in enumerate(zip(result.grads, exact, strict=True)):
                if b is not None:
                    rtol, atol = tolerance(case, dtype)
                    assert_close(
                        a, b, 4 * rtol, 4 * atol, f"[{dtype}] gradient {k} against float64", by_scale=True
                    )


@pytest.mark.parametrize("case, sample", SAMPLES)
def test_torch(case: Case, sample: Sample, torch: Any) -> None:
    """Values, dtypes, shapes and gradients are torch's."""
    if case.torch is None:
        return
    for dtype in case.dtypes:
        call = draw_call(case, sample, dtype)
        got = run_lamina(case, sample, call, backward=case.differentiable)
        want = run_torch(torch, case, sample, call)
        rtol, atol = tolerance(case, dtype)
        assert got.dtypes == want.dtypes, f"[{dtype}] expected dtypes {want.dtypes}, got {got.dtypes}"
        for k, (a, b) in enumerate(zip(got.outputs, want.outputs, strict=True)):
            assert_close(a, b, 2 * rtol, 2 * atol, f"[{dtype}] output {k} against torch")
        if not case.differentiable:
            continue
        assert got.differentiable == want.differentiable, (
            f"[{dtype}] outputs that require gradients: expected {want.differentiable}, got {got.differentiable}"
        )
        for k, (a, b) in enumerate(zip(got.grads, want.grads, strict=True)):
            if a is None or b is None:
                none_or_zero = [g is None or not np.any(g) for g in (a, b)]
                assert all(none_or_zero), f"[{dtype}] gradient {k}: got {a}, expected {b}"
                continue
            assert_close(a, b, 4 * rtol, 4 * atol, f"[{dtype}] gradient {k} against torch", by_scale=True)


DIFFERENTIABLE = [p for p in SAMPLES if p.values[0].differentiable]


@pytest.mark.parametrize("case, sample", DIFFERENTIABLE)
def test_gradients(case: Case, sample: Sample) -> None:
    """Gradients, and second derivatives where the case claims them, agree with finite differences in float64."""
    call = draw_call(case, sample, "float64")
    varied = [x for x in call.inputs() if x.grad]
    if not varied:
        return

    def function(*tensors: lamina.Tensor) -> Any:
        replaced = {id(x): t for x, t in zip(varied, tensors)}

        def make(x: Any) -> Any:
            if not isinstance(x, Drawn):
                return x
            return replaced[id(x)] if x.grad else to_lamina(x)

        args, kwargs = call.mapped(make)
        result = case.call(*args, **kwargs)
        outputs = result if isinstance(result, (tuple, list)) else [result]
        return tuple(y for y in outputs if isinstance(y, lamina.Tensor) and y.dtype.is_floating_point)

    tensors = [to_lamina(x) for x in varied]
    fast = sum(x.values.size for x in varied) > 64  # random directions instead of one column an element
    assert gradcheck(function, tensors, fast_mode=fast)
    if case.double:
        assert gradgradcheck(function, tensors, fast_mode=True)


def transposed(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, order="F")


def sliced(values: np.ndarray) -> np.ndarray:
    """Every second element along each dimension of a larger block of memory, one in from its start."""
    if values.ndim == 0:
        return values
    block = np.full([2 * n + 1 for n in values.shape], 99, values.dtype)
    view = block[tuple(slice(1, 2 * n + 1, 2) for n in values.shape)]
    view[...] = values
    return view


def channels_last(values: np.ndarray) -> np.ndarray:
    return values if values.ndim < 3 else np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)


def broadcast(values: np.ndarray) -> np.ndarray:
    """The first row in place of every row, all of them the same memory."""
    return values if values.ndim == 0 or values.size == 0 else np.broadcast_to(values[:1], values.shape)


@pytest.mark.parametrize("case, sample", SAMPLES)
def test_strided(case: Case, sample: Sample) -> None:
    """Inputs (and gradients of outputs) in another memory order, or with gaps, give the same results."""
    dtype = next((d for d in ("float32", *case.dtypes) if d in case.dtypes and d not in HALVES), None)
    if dtype is None:
        return
    call = draw_call(case, sample, dtype)
    for layout in (transposed, sliced, channels_last, broadcast):
        moved = call.rearranged(layout)
        plain = call if layout is not broadcast else moved.rearranged(np.array)
        _check_layout(case, sample, moved, plain, dtype, layout.__name__)


def _check_layout(case: Case, sample: Sample, moved: Call, plain: Call, dtype: str, name: str) -> None:
    want = run_lamina(case, sample, plain, backward=case.differentiable)
    got = run_lamina(case, sample, moved, backward=case.differentiable, order="F")
    rtol, atol = tolerance(case, dtype)
    assert got.dtypes == want.dtypes
    for k, (a, b) in enumerate(zip(got.outputs, want.outputs, strict=True)):
        assert_close(a, b, rtol, atol, f"[{name}] output {k} against contiguous inputs")
    for k, (a, b) in enumerate(zip(got.grads, want.grads, strict=True)):
        if a is not None or b is not None:
            assert_close(
                a, b, 4 * rtol, 4 * atol, f"[{name}] gradient {k} against contiguous inputs", by_scale=True
            )


@pytest.mark.parametrize("case, sample", SAMPLES + LARGE)
def test_threads(case: Case, sample: Sample) -> None:
    """The same bits on 1, 2 and 7 threads, forward and backward."""
    before = lamina.get_num_threads()
    dtype = next((d for d in case.dtypes if d == "float32"), case.dtypes[0])
    call = draw_call(case, sample, dtype)
    try:
        results = []
        for threads in (1, 2, 7):
            lamina.set_num_threads(threads)
            results.append(run_lamina(case, sample, call, backward=case.differentiable))
    finally:
        lamina.set_num_threads(before)
    for threads, result in zip((2, 7), results[1:]):
        assert_same_bits(result, results[0], f"{threads} threads against 1")


@pytest.mark.parametrize("case, wrong", ERRORS)
def test_bad_input(case: Case, wrong: Bad) -> None:
    """A call that the case calls wrong raises what it says, exactly that class, before and after a good call."""
    dtype = next((d for d in case.dtypes if is_float(d)), case.dtypes[0])
    call = draw_call(case, wrong.sample, dtype)
    args, kwargs = call.mapped(lambda x: to_lamina(x) if isinstance(x, Drawn) else x)
    with pytest.raises(wrong.error) as caught:
        case.call(*args, **kwargs)
    assert type(caught.value) is wrong.error
    assert re.search(wrong.match, str(caught.value)), f"{str(caught.value)!r} does not match {wrong.match!r}"
