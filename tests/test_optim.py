"""Optimizers and schedules follow torch's trajectories."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn, optim

SETTINGS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.8, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.05, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    ("Adam", {"lr": 0.05, "amsgrad": True}),
    ("Adam", {"lr": 0.05, "maximize": True, "eps": 1e-3}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
]


def gradients(step: int, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    rng = np.random.default_rng(step)
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("name, options", SETTINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trajectory(name, options, dtype, torch):
    shapes = [(3, 5), (7,), (10_000,), (0,), ()]
    start = [g.astype(dtype) for g in gradients(99, shapes)]
    ours = [nn.Parameter(lamina.tensor(s)) for s in start]
    theirs = [torch.nn.Parameter(torch.tensor(s)) for s in start]
    optimizer, reference = (
        getattr(optim, name)(ours, **options),
        getattr(torch.optim, name)(theirs, **options),
    )
    for step in range(20):
        for p, q, g in zip(ours, theirs, gradients(step, shapes)):
            skipped = step % 3 == 0 and p.numel() == 7  # a parameter without a gradient is left alone
            p.grad = None if skipped else lamina.tensor(g.astype(dtype))
            q.grad = None if skipped else torch.tensor(g.astype(dtype))
        optimizer.step()
        reference.step()
    bound = 1e-12 if dtype == "float64" else 2e-5
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=bound, atol=bound)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_same_bits_on_any_number_of_threads(name):
    results = []
    for threads in (1, 2, 7):
        before = lamina.get_num_threads()
        lamina.set_num_threads(threads)
        try:
            p = nn.Parameter(lamina.tensor(gradients(0, [(100_003,)])[0].astype("float32")))
            optimizer = getattr(optim, name)([p], lr=0.1)
            for step in range(3):
                p.grad = lamina.tensor(gradients(step, [(100_003,)])[0].astype("float32"))
                optimizer.step()
            results.append(p.detach().numpy().tobytes())
        finally:
            lamina.set_num_threads(before)
    assert len(set(results)) == 1


def test_state_dict_resumes_exactly():
    def run(resume_at: int | None) -> bytes:
        p = nn.Parameter(lamina.ones(5))
        optimizer = optim.Adam([p], lr=0.1)
        for step in range(6):
            if step == resume_at:
                state = optimizer.state_dict()
                p = nn.Parameter(p.detach().clone())
                optimizer = optim.Adam([p], lr=9.0)
                optimizer.load_state_dict(state)
            p.grad = lamina.tensor(gradients(step, [(5,)])[0].astype("float32"))
            optimizer.step()
        return p.detach().numpy().tobytes()

    assert run(None) == run(3)


def test_channels_last_parameters_and_other_gradient_orders(torch):
    values = np.random.default_rng(0).standard_normal((4, 3, 2, 2)).astype("float32")
    p = nn.Parameter(lamina.tensor(values).contiguous(memory_format=lamina.channels_last))
    optimizer = optim.SGD([p], lr=0.5, momentum=0.9)
    for _ in range(2):
        p.grad = lamina.tensor(values)
        optimizer.step()
    q = torch.nn.Parameter(torch.tensor(values))
    reference = torch.optim.SGD([q], lr=0.5, momentum=0.9)
    for _ in range(2):
        q.grad = torch.tensor(values)
        reference.step()
    np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6)


def test_closure_and_groups():
    a, b = nn.Parameter(lamina.ones(1)), nn.Parameter(lamina.ones(1))
    optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (a + b).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert (a.item(), b.item()) == (0.75, 0.5)


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda p: optim.SGD([]), ValueError),
        (lambda p: optim.SGD(p), TypeError),
        (lambda p: optim.SGD([p, p]), ValueError),
        (lambda p: optim.SGD([3.0]), TypeError),
        (lambda p: optim.SGD([p * 2]), ValueError),
        (lambda p: optim.SGD([p], lr=-1), ValueError),
        (lambda p: optim.SGD([p], lr=float("nan")), ValueError),
        (lambda p: optim.SGD([p], nesterov=True), ValueError),
        (lambda p: optim.Adam([p], betas=(1.0, 0.9)), ValueError),
    ],
)
def test_bad_arguments(make, error):
    with pytest.raises(error):
        make(nn.Parameter(lamina.ones(2)))


def test_gradient_of_another_shape():
    p = nn.Parameter(lamina.ones(2))
    with pytest.raises(RuntimeError, match=r"\[grad\] expected a gradient of shape \(2,\)"):
        p.grad = lamina.ones(3)


@pytest.mark.parametrize(
    "name, options",
    [
        ("StepLR", {"step_size": 3, "gamma": 0.5}),
        ("ExponentialLR", {"gamma": 0.9}),
        ("CosineAnnealingLR", {"T_max": 8, "eta_min": 0.01}),
        ("LambdaLR", {"lr_lambda": lambda epoch: 1 / (1 + epoch)}),
    ],
)
def test_schedule(name, options, torch):
    optimizer = optim.SGD([nn.Parameter(lamina.ones(1))], lr=0.3)
    reference = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.3)
    schedule = getattr(optim.lr_scheduler, name)(optimizer, **options)
    expected = getattr(torch.optim.lr_scheduler, name)(reference, **options)
    for _ in range(8):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(reference.param_groups[0]["lr"], rel=1e-12)
        reference.step()
        schedule.step()
        expected.step()
    resumed = getattr(optim.lr_scheduler, name)(optim.SGD([nn.Parameter(lamina.ones(1))], lr=0.3), **options)
    resumed.load_state_dict(schedule.state_dict())
    assert resumed.get_last_lr() == schedule.get_last_lr()
