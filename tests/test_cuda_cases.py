"""Every case of tests/cases on a CUDA device, real or emulated, against the CPU.

Where an op has no kernel for CUDA yet, its case is skipped by name of the kernel; the table of kernels itself must not
have it (a kernel that exists and fails is a failure).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from case import Bad, Case, Sample
from harness.compare import HALVES, assert_close, assert_same_bits, tolerance
from harness.discover import all_cases
from harness.draw import Drawn, draw_call, is_float
from harness.run import Result, run_lamina, run_reference, run_torch, to_lamina

import lamina

pytestmark = pytest.mark.skipif(not lamina.cuda.is_available(), reason=lamina.cuda.unavailable_reason())

CASES = all_cases()
SAMPLES = [pytest.param(c, s, id=f"{c.name}-{i}") for c in CASES for i, s in enumerate(c.samples)]
ERRORS = [pytest.param(c, b, id=f"{c.name}-{i}") for c in CASES for i, b in enumerate(c.errors)]
MISSING = re.compile(r"^\[([\w.]+)\] has no kernel on cuda")


def or_skip(run: Callable[[], Any]) -> Any:
    """What ``run`` gives; skips the test where a kernel is missing."""
    try:
        return run()
    except NotImplementedError as error:
        found = MISSING.match(str(error))
        assert found, f"expected the name of a kernel, got {error}"
        pytest.skip(f"no kernel on CUDA: {found[1]}")


@pytest.mark.parametrize("case, sample", SAMPLES)
def test_cuda(case: Case, sample: Sample) -> None:
    """Values, dtypes and gradients are the CPU's, within the case's tolerance; the same bits when run again."""
    for dtype in case.dtypes:
        call = draw_call(case, sample, dtype)

        def run(device: str) -> Result:
            return run_lamina(case, sample, call, backward=case.differentiable, device=device)  # noqa: B023

        want = run("cpu")
        got = or_skip(lambda: run("cuda"))
        rtol, atol = tolerance(case, dtype)
        assert got.dtypes == want.dtypes
        for k, (a, b) in enumerate(zip(got.outputs, want.outputs, strict=True)):
            assert_close(a, b, 2 * rtol, 2 * atol, f"[{dtype}] output {k} on cuda against cpu")
        for k, (a, b) in enumerate(zip(got.grads, want.grads, strict=True)):
            assert (a is None) == (b is None)
            if a is not None:
                what = f"[{dtype}] gradient {k} on cuda against cpu"
                assert_close(a, b, 4 * rtol, 4 * atol, what, by_scale=True)
        if dtype not in HALVES:
            assert_same_bits(run("cuda"), got, f"[{dtype}] a second run on cuda")


# The emulator's arithmetic is the CPU's, which test_cases.py compares: there the first sample will do.
ORACLES = [
    pytest.param(c, s, id=f"{c.name}-{i}")
    for c in CASES
    for i, s in enumerate(c.samples[:1] if lamina.cuda.is_emulated() else c.samples)
]


@pytest.mark.parametrize("case, sample", ORACLES)
def test_against_float64(case: Case, sample: Sample) -> None:
    """float32 on the device is the NumPy reference in float64, within the case's tolerance."""
    if case.reference is None or "float32" not in case.dtypes:
        return
    call = draw_call(case, sample, "float32")
    got = or_skip(lambda: run_lamina(case, sample, call, backward=False, device="cuda"))
    rtol, atol = tolerance(case, "float32")
    for k, (a, b) in enumerate(zip(got.outputs, run_reference(case, call), strict=True)):
        assert_close(a, b, 2 * rtol, 2 * atol, f"output {k} on cuda against float64")


# torch has no emulated device.
@pytest.mark.parametrize("case, sample", [] if lamina.cuda.is_emulated() else ORACLES)
def test_against_torch(case: Case, sample: Sample, torch: Any) -> None:
    """Values and gradients are those of torch on the same device."""
    if case.torch is None or "float32" not in case.dtypes:
        return
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    torch.backends.cudnn.allow_tf32 = False
    call = draw_call(case, sample, "float32")
    try:
        want = run_torch(torch, case, sample, call, "cuda")
    except (RuntimeError, NotImplementedError, ValueError) as error:
        pytest.skip(f"not torch's, on CUDA: {error}")
    got = or_skip(lambda: run_lamina(case, sample, call, backward=case.differentiable, device="cuda"))
    rtol, atol = tolerance(case, "float32")
    for k, (a, b) in enumerate(zip(got.outputs, want.outputs, strict=True)):
        assert_close(a, b, 4 * rtol, 4 * atol, f"output {k} against torch")
    for k, (a, b) in enumerate(zip(got.grads, want.grads)):
        if a is not None and b is not None:
            assert_close(a, b, 8 * rtol, 8 * atol, f"gradient {k} against torch", by_scale=True)


@pytest.mark.parametrize("case, wrong", ERRORS)
def test_bad_input(case: Case, wrong: Bad) -> None:
    """What is wrong on the CPU is wrong there, with the same class of exception and the op's name."""
    dtype = next((d for d in case.dtypes if is_float(d)), case.dtypes[0])
    call = draw_call(case, wrong.sample, dtype)
    args, kwargs = call.mapped(lambda x: to_lamina(x, "cuda") if isinstance(x, Drawn) else x)

    def run() -> None:
        case.call(*args, **kwargs)
        lamina.cuda.synchronize()  # what only a kernel sees is raised here

    with pytest.raises(wrong.error) as caught:
        or_skip(run)
    assert type(caught.value) is wrong.error
    op = re.search(r"\[[\w.]+\]", wrong.match.replace("\\", ""))
    assert op is None or op[0] in str(caught.value)


SHAPES_ONLY = ("shape.reshape_as", "strided.broadcast_tensors")  # look at no element of the others
MIXABLE = [
    pytest.param(c, s, id=c.name)
    for c in CASES
    for s in c.samples[:1]
    if c.name not in SHAPES_ONLY
    and sum(bool(x.values.shape) for x in draw_call(c, s, c.dtypes[0]).inputs()) > 1
]


@pytest.mark.parametrize("case, sample", MIXABLE)
@pytest.mark.parametrize("first", [True, False])
def test_mixed_devices(case: Case, sample: Sample, first: bool) -> None:
    """One input on another device than the others: an error that says so, before any kernel runs."""
    call = draw_call(case, sample, case.dtypes[0])
    inputs = call.inputs()
    moved = inputs[0] if first else inputs[-1]

    def make(x: Any) -> Any:
        return to_lamina(x, "cuda" if x is moved else "cpu") if isinstance(x, Drawn) else x

    args, kwargs = call.mapped(make)
    with pytest.raises(ValueError, match=r"\[\w+\].*(cuda:0|device)"):
        or_skip(lambda: case.call(*args, **kwargs))
