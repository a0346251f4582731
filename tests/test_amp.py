"""GradScaler against torch's, and its refusals."""

from __future__ import annotations

import pytest
import torch

import lamina
from lamina.amp import GradScaler


def test_a_run_with_overflows_is_torchs() -> None:
    options = {"init_scale": 1024.0, "growth_interval": 2, "growth_factor": 4.0, "backoff_factor": 0.25}
    mine, theirs = GradScaler(**options), torch.amp.GradScaler("cpu", **options)  # type: ignore[arg-type]
    w, v = lamina.tensor([1.0, -2.0], requires_grad=True), torch.tensor([1.0, -2.0], requires_grad=True)
    sgd, reference = lamina.optim.SGD([w], lr=0.1, momentum=0.9), torch.optim.SGD([v], lr=0.1, momentum=0.9)
    for factor in (1.0, 2.0, float("inf"), 1.0, float("nan"), 0.5, 1.0, 1.0, 1.0):
        for x, optimizer, scaler in ((w, sgd, mine), (v, reference, theirs)):
            optimizer.zero_grad()
            scaler.scale((x * x).sum() * factor).backward()
            scaler.step(optimizer)
            scaler.update()
        assert mine.get_scale() == theirs.get_scale()
        assert w.tolist() == pytest.approx(v.tolist())
    assert mine.state_dict() == theirs.state_dict()


def test_unscaled_gradients_are_the_true_ones() -> None:
    w = lamina.tensor([3.0], requires_grad=True)
    optimizer, scaler = lamina.optim.SGD([w], lr=1.0), GradScaler(init_scale=8.0)
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    assert w.grad is not None
    assert w.grad.item() == 1
    with pytest.raises(RuntimeError, match="one call an optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    assert w.item() == 2
    with pytest.raises(RuntimeError, match="one call an optimizer"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="before step"):
        scaler.unscale_(optimizer)
    scaler.update()
    scaler.update(32.0)
    assert scaler.get_scale() == 32
    with pytest.raises(RuntimeError, match=r"expected step\(\) or unscale_\(\)"):
        scaler.update()


def test_several_outputs_are_scaled() -> None:
    scaler = GradScaler(init_scale=2.0)
    x = lamina.tensor([1.0])
    assert [y.item() for y in scaler.scale([x, x * 3])] == [2, 6]
    assert isinstance(scaler.scale((x,)), tuple)
    assert [y.item() for y in scaler.scale(iter([x]))] == [2]
    with pytest.raises(TypeError, match="expected tensors, got int"):
        scaler.scale(3)


def test_a_disabled_scaler_does_nothing() -> None:
    w = lamina.tensor([3.0], requires_grad=True)
    optimizer, scaler = lamina.optim.SGD([w], lr=1.0), GradScaler(enabled=False)
    assert not scaler.is_enabled()
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 2
    assert scaler.get_scale() == 1
    assert scaler.state_dict() == {}
    with pytest.raises(RuntimeError, match="the state is empty"):
        GradScaler().load_state_dict({})


def test_a_state_goes_on_elsewhere() -> None:
    scaler = GradScaler(init_scale=4.0, growth_interval=3)
    w = lamina.tensor([3.0], requires_grad=True)
    optimizer = lamina.optim.SGD([w], lr=1.0)
    scaler.scale(w.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    other = GradScaler()
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()
    assert (other.get_growth_interval(), other.get_growth_factor(), other.get_backoff_factor()) == (
        3,
        2.0,
        0.5,
    )


@pytest.mark.parametrize(
    "wrong",
    [{"growth_factor": 1.0}, {"backoff_factor": 1.0}, {"init_scale": 0.0}, {"init_scale": float("inf")}],
)
def test_bad_options(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\[GradScaler\] expected a"):
        GradScaler(**wrong)  # type: ignore[arg-type]


def test_a_closure_is_refused() -> None:
    optimizer = lamina.optim.SGD([lamina.tensor([3.0], requires_grad=True)], lr=1.0)
    with pytest.raises(RuntimeError, match="expected no closure"):
        GradScaler().step(optimizer, lambda: 1.0)


@pytest.mark.skipif(not lamina.cuda.is_available(), reason=lamina.cuda.unavailable_reason())
def test_gradients_on_two_kinds_of_devices() -> None:
    here = lamina.tensor([1.0], requires_grad=True)
    there = lamina.tensor([1.0], device="cuda", requires_grad=True)
    optimizer, scaler = lamina.optim.SGD([here, there], lr=0.5), GradScaler(init_scale=16.0)
    scaler.scale(here.sum() + there.cpu().sum() * 2).backward()
    scaler.step(optimizer)
    assert here.item() == 0.5
    assert there.item() == 0
    optimizer.zero_grad()
    scaler.update()
    scaler.scale(here.sum() + there.cpu().sum() * float("inf")).backward()
    scaler.step(optimizer)
    scaler.update()
    assert here.item() == 0.5
    assert scaler.get_scale() == 8
