"""``max_grad_norm``: clipping within the optimizer's pass updates as clip_grad_norm_ and a step do, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.optim import SGD, Adagrad, Adam, AdamW, RMSprop
from lamina.optim.optimizer import Optimizer

Make = Callable[..., Optimizer]
MAKERS: dict[str, Make] = {
    "sgd": lambda p, **o: SGD(p, lr=0.1, weight_decay=0.3, **o),
    "nesterov": lambda p, **o: SGD(p, lr=0.1, momentum=0.9, nesterov=True, maximize=True, **o),
    "adagrad": lambda p, **o: Adagrad(p, l1_decay=0.1, **o),
    "rmsprop": lambda p, **o: RMSprop(p, centered=True, momentum=0.5, **o),
    "adam": lambda p, **o: Adam(p, weight_decay=0.1, amsgrad=True, **o),
    "adamw": lambda p, **o: AdamW(p, **o),
}
SHAPES = [(3, 5), (70,), (2, 3, 4), ()]
each_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def parameters(dtypes: tuple[Any, ...] = (lamina.float32,)) -> list[nn.Parameter]:
    rng = np.random.default_rng(0)
    return [
        nn.Parameter(lamina.tensor(rng.standard_normal(s), dtype=dtypes[i % len(dtypes)]))
        for i, s in enumerate(SHAPES)
    ]


def give_gradients(params: list[nn.Parameter], step: int, factor: float = 1.0) -> None:
    rng = np.random.default_rng(step)
    for p in params:
        p.grad = lamina.tensor(rng.standard_normal(p.shape) * factor, dtype=p.dtype)


@each_optimizer
@pytest.mark.parametrize("max_norm", [0.0, 0.7, 1e9])
@pytest.mark.parametrize("dtypes", [(lamina.float32,), (lamina.float64,), (lamina.float32, lamina.float64)])
def test_updates_are_those_after_clip_grad_norm(make: Make, max_norm: float, dtypes: tuple[Any, ...]) -> None:
    ours, plain = parameters(dtypes), parameters(dtypes)
    groups = [{"params": ours[:1], "lr": 0.05}, {"params": ours[1:]}]  # one norm for all of them
    clipping = make(groups, max_grad_norm=max_norm)
    stepping = make([{"params": plain[:1], "lr": 0.05}, {"params": plain[1:]}])
    for step in range(3):
        for params in (ours, plain):
            give_gradients(params, step)
        nn.utils.clip_grad_norm_(plain, max_norm)
        clipping.step()
        stepping.step()
        for a, b in zip(ours, plain, strict=True):
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    give_gradients(plain, 2)
    for a, b in zip(ours, plain, strict=True):
        assert a.grad is not None and b.grad is not None
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())  # as backward left it
    assert clipping.state_dict()["param_groups"] == stepping.state_dict()["param_groups"]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
def test_updates_are_torchs(name: str, torch: Any) -> None:
    ours = parameters()
    theirs = [torch.nn.Parameter(torch.tensor(p.detach().numpy().copy())) for p in ours]
    here = getattr(lamina.optim, name)(ours, lr=0.01, weight_decay=0.1, max_grad_norm=0.5)
    there = getattr(torch.optim, name)(theirs, lr=0.01, weight_decay=0.1)
    for step in range(3):
        give_gradients(ours, step, 10.0)
        for p, q in zip(ours, theirs, strict=True):
            assert p.grad is not None
            q.grad = torch.tensor(p.grad.numpy().copy())
        torch.nn.utils.clip_grad_norm_(theirs, 0.5)
        here.step()
        there.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_gradients_that_are_not_finite_spread_as_after_clip_grad_norm() -> None:
    for bad in (np.nan, np.inf):
        ours, plain = parameters(), parameters()
        for params in (ours, plain):
            give_gradients(params, 0)
            params[1].grad[3] = bad  # type: ignore[index]
        SGD(ours, lr=1.0, max_grad_norm=1.0).step()
        nn.utils.clip_grad_norm_(plain, 1.0)
        SGD(plain, lr=1.0).step()
        for a, b in zip(ours, plain, strict=True):
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


def test_bits_are_the_same_on_any_number_of_threads() -> None:
    before = lamina.get_num_threads()
    found = []
    for threads in (1, 2, 7):
        lamina.set_num_threads(threads)
        p = nn.Parameter(lamina.arange(100_001).sin())
        p.grad = (lamina.arange(100_001) * 0.7).cos()
        Adam([p], max_grad_norm=0.1).step()
        found.append(p.detach().numpy())
    lamina.set_num_threads(before)
    assert all(np.array_equal(found[0], other) for other in found[1:])


@each_optimizer
def test_captured_steps_clip_each_step_anew(make: Make) -> None:
    """Also where the learning rate changes, which replaces the update on the tape, not what it is scaled by."""

    def run(captured: bool) -> np.ndarray:
        lamina.manual_seed(0)
        layer = nn.Linear(4, 3)
        optimizer = make(layer.parameters(), max_grad_norm=0.5)

        def step(x: lamina.Tensor) -> None:
            optimizer.zero_grad()
            (layer(x) ** 2).sum().backward()
            optimizer.step()

        call = lamina.capture(step) if captured else step
        for k in range(7):
            optimizer.param_groups[0]["lr"] = 0.1 if k < 4 else 0.02
            call(lamina.full((5, 4), float(k * k - 3)))
        return layer.weight.detach().numpy()

    np.testing.assert_array_equal(run(captured=True), run(captured=False))


def test_nothing_to_clip_and_bad_bounds() -> None:
    p = nn.Parameter(lamina.ones(2))
    SGD([p], max_grad_norm=1.0).step()
    assert p.tolist() == [1.0, 1.0]
    for bound in (-1.0, float("nan")):
        with pytest.raises(ValueError, match=r"\[Adam\] expected max_grad_norm of at least 0"):
            Adam([p], max_grad_norm=bound)
    arguments = ([p._array], [p.detach()._array], [[]], [1.0], [], 0.0, 0.0, False, False)
    with pytest.raises(ValueError, match=r"\[sgd\] expected a scale of one element of float32"):
        lamina._C.sgd_step(*arguments, lamina.ones(2)._array, 0.1, 0.0, 0.0, False)
