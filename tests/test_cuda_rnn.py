"""Both ways of a recurrent layer on CUDA through time: a launch or more a step, and all steps in one launch that keeps
the recurrent weights on chip.  ``_C.cuda_set_rnn_path`` forces one; tests/test_cuda_cases.py takes what fits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from case import Case, Sample
from cases.rnn import CASES
from test_cuda_cases import test_cuda as run_case

import lamina
from lamina import _C, nn

pytestmark = pytest.mark.skipif(not lamina.cuda.is_available(), reason=lamina.cuda.unavailable_reason())

AUTOMATIC, STEPS, PERSISTENT = range(3)


@pytest.fixture(autouse=True)
def automatic_afterwards() -> Iterator[None]:
    yield
    _C.cuda_set_rnn_path(AUTOMATIC)


# 1.1 MB of weights in float64: more than the four multiprocessors of the emulated device hold.
TOO_LARGE = "rnn.lstm-6"
EITHER_WAY = [
    pytest.param(case, sample, path, id=f"{case.name}-{i}-{name}")
    for case in CASES
    for i, sample in enumerate(case.samples)
    for path, name in ((STEPS, "steps"), (PERSISTENT, "persistent"))
    if not (path == PERSISTENT and f"{case.name}-{i}" == TOO_LARGE)
]


@pytest.mark.parametrize("case, sample, path", EITHER_WAY)
def test_cases_either_way(case: Case, sample: Sample, path: int) -> None:
    _C.cuda_set_rnn_path(path)
    run_case(case, sample)


def outputs(layer: nn.Module, x: lamina.Tensor, path: int) -> list[lamina.Tensor]:
    _C.cuda_set_rnn_path(path)
    x = x.clone().requires_grad_()
    for p in layer.parameters():
        p.grad = None
    y, _ = layer(x)
    y.square().sum().backward()
    grads = [t.grad for t in (x, *layer.parameters())]
    return [y.detach(), *(g for g in grads if g is not None)]


@pytest.mark.parametrize("hidden", [36, 13])  # rows of whole vectors, and not
def test_small_layers_are_persistent_by_themselves(hidden: int) -> None:
    layer, x = nn.GRU(3, hidden, bidirectional=True).cuda(), lamina.randn(4, 9, 3).cuda()
    by_itself, persistent, steps = (outputs(layer, x, path) for path in (AUTOMATIC, PERSISTENT, STEPS))
    assert all(lamina.equal(a, b) for a, b in zip(by_itself, persistent, strict=True))
    assert all(lamina.allclose(a, b, 1e-4, 1e-5) for a, b in zip(by_itself, steps, strict=True))


@pytest.mark.skipif(_C.build_info()["cuda"] != "EMULATE", reason="sizes of the emulated device")
def test_weights_that_fit_on_no_chip_run_by_steps() -> None:
    """An LSTM of 260 units in float64 has 2.1 MB of them, four multiprocessors hold 0.9."""
    layer, x = nn.LSTM(1, 260).double().cuda(), lamina.ones(2, 1, 1, dtype=lamina.float64).cuda()
    by_itself, steps = (outputs(layer, x, path) for path in (AUTOMATIC, STEPS))
    assert all(lamina.equal(a, b) for a, b in zip(by_itself, steps, strict=True))
    with pytest.raises(NotImplementedError, match=r"\[rnn\] the recurrent weights do not fit"):
        outputs(layer, x, PERSISTENT)
