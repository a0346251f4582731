"""Outputs of batch normalisations that backward computes again instead of keeping them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import lamina
from lamina import _C, Tensor, nn
from lamina.autograd import recompute
from lamina.nn import functional as F


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    if request.param == "cuda" and not lamina.cuda.is_available():
        pytest.skip("no CUDA device in this build")
    return str(request.param)


def blocks(dtype: lamina.dtype = lamina.float32) -> nn.Sequential:
    def block(c: int, k: int) -> list[nn.Module]:
        return [nn.Conv2d(c, k, 3, padding=1, bias=False), nn.BatchNorm2d(k), nn.ReLU()]

    lamina.manual_seed(0)
    return nn.Sequential(*block(3, 8), *block(8, 16), *block(16, 4)).to(dtype)


def gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    model.zero_grad()
    (model(x) ** 2).sum().backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def both(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[], list[Tensor]]
) -> tuple[list[Tensor], list[Tensor]]:
    results = []
    for least in (1 << 60, 0):
        monkeypatch.setattr(recompute, "LEAST_BYTES", least)
        results.append(run())
    return results[0], results[1]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("channels_last", [True, False])
def test_same_bits(monkeypatch: pytest.MonkeyPatch, device: str, training: bool, channels_last: bool) -> None:
    model = blocks().train(training).to(device)
    x = lamina.randn(2, 3, 7, 9).to(device)
    if channels_last:
        x = x.to(memory_format=lamina.channels_last)
    calls: list[int] = []
    again = _C.batch_norm_again
    monkeypatch.setattr(_C, "batch_norm_again", lambda *a: (calls.append(1), again(*a))[1])
    kept, made = both(monkeypatch, lambda: gradients(model, x))
    assert len(kept) == len(made) == 9
    assert all(lamina.equal(a, b) for a, b in zip(kept, made))
    assert len(calls) == 3


def test_less_memory() -> None:
    model = blocks()
    x = lamina.randn(16, 3, 64, 64)  # 16 channels at 64x64: 4 MB
    gradients(model, x)

    def peak() -> int:
        _C.reset_peak_memory_stats()
        y = model(x)
        used = _C.memory_stats()["allocated"]
        del y
        return used - _C.memory_stats()["allocated"]

    saved = 4 * 16 * 64 * 64 * (8 + 16)  # bytes of two blocks' outputs
    now = peak()
    previous, recompute.LEAST_BYTES = recompute.LEAST_BYTES, 1 << 60
    try:
        assert peak() - now == saved
    finally:
        recompute.LEAST_BYTES = previous


def test_second_derivatives(monkeypatch: pytest.MonkeyPatch) -> None:
    model = blocks(lamina.float64)
    x = lamina.randn(2, 3, 3, 2, dtype=lamina.float64, requires_grad=True)

    def run() -> list[Tensor]:
        weights = list(model.parameters())
        first = lamina.autograd.grad((model(x) ** 2).sum(), weights, create_graph=True)
        return list(lamina.autograd.grad(sum((g * g).sum() for g in first), [x, *weights]))

    kept, made = both(monkeypatch, run)
    assert all(lamina.equal(a, b) for a, b in zip(kept, made))


def normalised(x: Tensor) -> Tensor:
    return F.batch_norm_relu(x, None, None, training=True)


def test_changes_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recompute, "LEAST_BYTES", 0)
    x = lamina.randn(2, 3, 4, 4, requires_grad=True)
    w = lamina.randn(5, 3, 3, 3, requires_grad=True)
    F.conv2d(normalised(x), w).sum().backward()
    expected = w.grad
    w.grad = None
    y = normalised(x)
    z = F.conv2d(y, w)
    with lamina.no_grad():
        y.zero_()  # the output can be computed again
    z.sum().backward()
    assert w.grad is not None
    assert expected is not None
    assert lamina.equal(w.grad, expected)
    z = F.conv2d(normalised(x), w)
    with lamina.no_grad():
        x.add_(1)  # what it is computed from is gone
    with pytest.raises(RuntimeError, match=r"that BatchNormBackward0 needs was changed in place"):
        z.sum().backward()


@pytest.mark.parametrize("change", ["values", "memory", "shape"])
def test_what_changed_outside_the_graph_is_kept(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """It is no longer what the batch normalisation made."""
    monkeypatch.setattr(recompute, "LEAST_BYTES", 0)
    x = lamina.randn(3, 3, 4, 4, requires_grad=True)
    w = lamina.randn(3, 3, 3, 3, requires_grad=True)
    y = normalised(x)
    with lamina.no_grad():
        if change == "values":
            y.mul_(2)
        elif change == "memory":
            y.data = lamina.randn(3, 3, 4, 4)
        else:
            y.data = y.data.transpose(2, 3)
    constant = y.detach().clone()
    z = F.conv2d(y, w).sum()
    del y
    (g,) = lamina.autograd.grad(z, [w])
    assert lamina.equal(g, lamina.autograd.grad(F.conv2d(constant, w).sum(), [w])[0])


def test_the_producer_may_have_run_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The convolution's own gradient outlives the batch normalisation's graph, as where the output is kept."""
    monkeypatch.setattr(recompute, "LEAST_BYTES", 0)
    x = lamina.randn(2, 3, 4, 4, requires_grad=True)
    w = lamina.randn(5, 3, 3, 3, requires_grad=True)
    y = normalised(x)
    z = F.conv2d(y, w).sum()
    y.sum().backward()
    del y
    (g,) = lamina.autograd.grad(z, [w])
    assert lamina.equal(g, lamina.autograd.grad(F.conv2d(normalised(x), w).sum(), [w])[0])


def test_two_that_saved_it_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recompute, "LEAST_BYTES", 0)
    calls: list[int] = []
    again = _C.batch_norm_again
    monkeypatch.setattr(_C, "batch_norm_again", lambda *a: (calls.append(1), again(*a))[1])
    x = lamina.randn(2, 3, 4, 4, requires_grad=True)
    w = lamina.randn(5, 3, 3, 3, requires_grad=True)

    def loss() -> Tensor:
        y = normalised(x)
        return (F.conv2d(y, w) + F.conv2d(y, w)).sum()

    loss().backward()
    assert len(calls) == 1
