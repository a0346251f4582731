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
    ("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.05}),
    ("AdamW", {"lr": 0.05, "weight_decay": 0.3, "amsgrad": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "betas": (0.7, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("NAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"maximize": True, "eps": 1e-2}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.8, "momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "maximize": True}),
    ("RMSprop", {"centered": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 5, "weight_decay": 0.1}),
    ("ASGD", {"maximize": True, "t0": 0}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 1.7), "step_sizes": (0.05, 0.2), "maximize": True}),
]
SHAPES: list[tuple[int, ...]] = [(3, 5), (7,), (10_000,), (0,), ()]
NAMES = sorted({name for name, _ in SETTINGS})


def gradients(step: int, shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    rng = np.random.default_rng(step)
    return [rng.standard_normal(shape) for shape in shapes]


class Twins:
    """The same parameters in lamina and in torch, with the same optimizer on them."""

    def __init__(self, torch, name, options, dtype="float64", groups=False):
        start = [g.astype(dtype) for g in gradients(99, SHAPES)]
        self.torch, self.dtype = torch, dtype
        self.ours = [nn.Parameter(lamina.tensor(s)) for s in start]
        self.theirs = [torch.nn.Parameter(torch.tensor(s)) for s in start]
        self.optimizer = getattr(optim, name)(self.grouped(self.ours, groups), **options)
        self.reference = getattr(torch.optim, name)(self.grouped(self.theirs, groups), **options)

    @staticmethod
    def grouped(params, groups):
        return [{"params": params[:2]}, {"params": params[2:], "lr": 0.03}] if groups else params

    def step(self, step):
        for p, q, g in zip(self.ours, self.theirs, gradients(step, SHAPES)):
            skipped = step % 3 == 0 and p.numel() == 7  # a parameter without a gradient is left alone
            p.grad = None if skipped else lamina.tensor(g.astype(self.dtype))
            q.grad = None if skipped else self.torch.tensor(g.astype(self.dtype))
        self.optimizer.step()
        self.reference.step()

    def check(self, bound):
        for p, q in zip(self.ours, self.theirs):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=bound, atol=bound)


def bound_of(name, dtype="float64"):
    """torch keeps mu_product, eta and mu in float32."""
    return 2e-5 if dtype == "float32" else 1e-6 if name in ("NAdam", "ASGD") else 1e-12


@pytest.mark.parametrize("name, options", SETTINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_trajectory(name, options, dtype, torch):
    twins = Twins(torch, name, options, dtype)
    for step in range(20):
        twins.step(step)
    twins.check(bound_of(name, dtype))


@pytest.mark.parametrize("name, options", SETTINGS)
def test_groups_and_a_learning_rate_changed_on_the_way(name, options, torch):
    twins = Twins(torch, name, options, groups=True)
    for step in range(20):
        for optimizer in (twins.optimizer, twins.reference):
            optimizer.param_groups[step % 2]["lr"] *= 0.8
        twins.step(step)
    twins.check(bound_of(name))


@pytest.mark.parametrize("name, options", SETTINGS)
def test_state_dicts_have_torch_layout(name, options, torch):
    twins = Twins(torch, name, options)
    for step in range(4):
        twins.step(step)
    ours, theirs = twins.optimizer.state_dict(), twins.reference.state_dict()
    for mine, other in zip(ours["param_groups"], theirs["param_groups"]):
        assert set(mine) - {"l1_decay"} == set(other)
        assert mine["params"] == other["params"]
    assert {k: set(s) for k, s in ours["state"].items()} == {k: set(s) for k, s in theirs["state"].items()}
    for i, state in theirs["state"].items():
        for key, value in state.items():
            mine = ours["state"][i][key]
            assert tuple(mine.shape) == tuple(value.shape), key
            np.testing.assert_allclose(mine.numpy(), value.numpy(), rtol=1e-6, atol=1e-8, err_msg=key)


@pytest.mark.parametrize("name, options", SETTINGS)
def test_torch_state_dicts_load(name, options, torch):
    twins = Twins(torch, name, options)
    for step in range(20):
        if step == 5:
            state = twins.reference.state_dict()
            twins.optimizer = getattr(optim, name)(twins.ours, lr=9.0)
            twins.optimizer.load_state_dict(state)
        if step == 10:
            state = twins.optimizer.state_dict()
            twins.optimizer = getattr(optim, name)(twins.ours, lr=9.0)
            twins.optimizer.load_state_dict(state)
        twins.step(step)
    twins.check(bound_of(name))


@pytest.mark.parametrize("name, options", SETTINGS)
def test_elastic_net(name, options, torch):
    """Penalties in the step equal the same penalties in the loss."""
    if options.get("decoupled_weight_decay") or name == "AdamW":
        return
    decay = options.get("weight_decay", 0.0)
    plain = {k: v for k, v in options.items() if k != "weight_decay"}
    start = gradients(99, [(5, 4)])[0]
    a, b = nn.Parameter(lamina.tensor(start)), nn.Parameter(lamina.tensor(start))
    inside, outside = getattr(optim, name)([a], l1_decay=0.3, **options), getattr(optim, name)([b], **plain)
    for step in range(5):
        g = lamina.tensor(gradients(step, [(5, 4)])[0])
        a.grad = g
        loss = (b * g).sum()
        penalty = nn.utils.elastic_net_penalty([b], l1=0.3, l2=decay)
        (loss - penalty if options.get("maximize") else loss + penalty).backward()
        inside.step()
        outside.step()
        outside.zero_grad()
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-11, atol=1e-13)


def test_decoupled_elastic_net():
    p = nn.Parameter(lamina.tensor([2.0, -2.0], dtype=lamina.float64))
    p.grad = lamina.zeros(2, dtype=lamina.float64)
    optim.AdamW([p], lr=0.1, weight_decay=0.5, l1_decay=0.25).step()
    np.testing.assert_allclose(
        p.detach().numpy(), [2 - 0.1 * (0.5 * 2 + 0.25), -(2 - 0.1 * (0.5 * 2 + 0.25))]
    )


@pytest.mark.parametrize("name", NAMES)
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


def test_parameters_of_two_dtypes():
    a, b = nn.Parameter(lamina.ones(2)), nn.Parameter(lamina.ones(2, dtype=lamina.float64))
    a.grad, b.grad = lamina.ones(2), lamina.ones(2, dtype=lamina.float64)
    optim.SGD([a, b], lr=0.5).step()
    assert a.detach().tolist() == b.detach().tolist() == [0.5, 0.5]


def test_learning_rate_in_a_tensor():
    p = nn.Parameter(lamina.ones(1))
    p.grad = lamina.ones(1)
    optim.Adam([p], lr=lamina.tensor(0.5)).step()
    assert p.item() == pytest.approx(0.5)


def test_names_of_parameters():
    module = nn.Linear(2, 3)
    assert optim.SGD(module.named_parameters()).param_groups[0]["param_names"] == ["weight", "bias"]


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
        (lambda p: optim.SGD([p], momentum=-0.1), ValueError),
        (lambda p: optim.SGD([p], l1_decay=-0.1), ValueError),
        (lambda p: optim.SGD([p], differentiable=True), ValueError),
        (lambda p: optim.SGD([p], foreach=True, fused=True), RuntimeError),
        (lambda p: optim.SGD({p}), TypeError),
        (lambda p: optim.SGD([("p", p), nn.Parameter(lamina.ones(1))]), ValueError),
        (
            lambda p: optim.SGD([("p", p)]).add_param_group({"params": [nn.Parameter(lamina.ones(1))]}),
            ValueError,
        ),
        (lambda p: optim.SGD([p], lr=lamina.ones(2)), ValueError),
        (lambda p: optim.Adam([p], betas=(1.0, 0.9)), ValueError),
        (lambda p: optim.Adam([{"params": [p], "eps": -1.0}]), ValueError),
        (lambda p: optim.NAdam([p], momentum_decay=-1.0), ValueError),
        (lambda p: optim.Adagrad([p], lr_decay=-1.0), ValueError),
        (lambda p: optim.Adagrad([p], initial_accumulator_value=-1.0), ValueError),
        (lambda p: optim.RMSprop([p], alpha=-0.1), ValueError),
        (lambda p: optim.Adadelta([p], rho=1.1), ValueError),
        (lambda p: optim.Rprop([p], etas=(1.1, 1.2)), ValueError),
    ],
)
def test_bad_arguments(make, error):
    with pytest.raises(error):
        make(nn.Parameter(lamina.ones(2)))


def test_gradient_of_another_shape():
    p = nn.Parameter(lamina.ones(2))
    with pytest.raises(RuntimeError, match=r"\[grad\] expected a gradient of shape \(2,\)"):
        p.grad = lamina.ones(3)
