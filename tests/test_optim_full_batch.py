"""Optimizers of whole batches: L-BFGS follows torch's trajectories; BFGS and Newton find known minima."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import lamina
from lamina import nn, optim
from lamina.nn import functional as F

RNG = np.random.default_rng(0)
BASIS = RNG.standard_normal((6, 6))
MATRIX, SHIFT = BASIS @ BASIS.T + 0.1 * np.eye(6), RNG.standard_normal(6)
DATA, TARGET = RNG.standard_normal((40, 5)), RNG.standard_normal((40, 3))
WEIGHTS = [RNG.standard_normal((5, 7)) * 0.5, RNG.standard_normal((7, 3)) * 0.5, np.zeros(3)]


def rosenbrock(lib, params):
    (x,) = params
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quadratic(lib, params):
    (x,) = params
    return 0.5 * x @ (lib.tensor(MATRIX) @ x) - lib.tensor(SHIFT) @ x


def network(lib, params):
    a, b, c = params
    return ((lib.tanh(lib.tensor(DATA) @ a) @ b + c - lib.tensor(TARGET)) ** 2).mean()


PROBLEMS = {
    "rosenbrock": (rosenbrock, [np.array([-1.2, 1.0, 0.5])]),
    "quadratic": (quadratic, [np.zeros(6)]),
    "network": (network, WEIGHTS),
}
SETTINGS = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "history_size": 3, "max_iter": 7},
    {"line_search_fn": "strong_wolfe", "lr": 0.3, "max_eval": 9},
    {"lr": 0.01, "max_iter": 4},
    {"lr": 0.02, "history_size": 2},
]


def minimise(lib, make, problem, steps=1, backward=True, **options):
    loss_of, start = PROBLEMS[problem]
    params = [lib.nn.Parameter(lib.tensor(s)) for s in start]
    optimizer = make(params, **options)
    losses, trajectory = [], []

    def closure():
        optimizer.zero_grad()
        loss = loss_of(lib, params)
        if backward:
            loss.backward()
        return loss

    for _ in range(steps):
        losses.append(optimizer.step(closure).item())
        trajectory.append(np.concatenate([p.detach().numpy().ravel() for p in params]))
    return losses, trajectory, optimizer


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("options", SETTINGS)
def test_lbfgs_trajectory(problem, options, torch):
    ours = minimise(lamina, optim.LBFGS, problem, steps=5, **options)
    theirs = minimise(torch, torch.optim.LBFGS, problem, steps=5, **options)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-6, abs=1e-12)
    for a, b in zip(ours[1], theirs[1]):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
    a, b = (next(iter(r[2].state.values())) for r in (ours, theirs))
    assert (a["n_iter"], a["func_evals"]) == (b["n_iter"], b["func_evals"])


def test_lbfgs_takes_torch_state(torch):
    _, (expected,), _ = minimise(lamina, optim.LBFGS, "network", max_iter=8, lr=0.1)
    loss_of, start = PROBLEMS["network"]
    theirs = [torch.nn.Parameter(torch.tensor(s)) for s in start]
    reference = torch.optim.LBFGS(theirs, max_iter=4, lr=0.1)

    def evaluate(lib, params, optimizer):
        optimizer.zero_grad()
        loss = loss_of(lib, params)
        loss.backward()
        return loss

    reference.step(lambda: evaluate(torch, theirs, reference))
    ours = [nn.Parameter(lamina.from_dlpack(q.detach()).clone()) for q in theirs]
    optimizer = optim.LBFGS(ours)
    optimizer.load_state_dict(reference.state_dict())
    optimizer.step(lambda: evaluate(lamina, ours, optimizer))
    got = np.concatenate([p.detach().numpy().ravel() for p in ours])
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)


def test_state_dict_resumes_exactly():
    for make in (optim.LBFGS, optim.BFGS):
        _, whole, _ = minimise(lamina, make, "rosenbrock", steps=2, max_iter=4)
        _, first, optimizer = minimise(lamina, make, "rosenbrock", steps=1, max_iter=4)
        p = nn.Parameter(lamina.tensor(first[0]))
        resumed = make([p])
        resumed.load_state_dict(optimizer.state_dict())

        def closure(p=p, resumed=resumed):
            resumed.zero_grad()
            loss = rosenbrock(lamina, [p])
            loss.backward()
            return loss

        resumed.step(closure)
        assert p.detach().numpy().tobytes() == whole[1].tobytes()


@pytest.mark.parametrize("make, backward", [(optim.LBFGS, True), (optim.BFGS, True), (optim.Newton, False)])
def test_finds_minima(make, backward):
    options = {"line_search_fn": "strong_wolfe"} if make is optim.LBFGS else {}
    _, (*_, x), _ = minimise(lamina, make, "quadratic", 5, backward, **options)
    np.testing.assert_allclose(x, np.linalg.solve(MATRIX, SHIFT), rtol=1e-5, atol=1e-5)
    _, (*_, x), _ = minimise(lamina, make, "rosenbrock", 5, backward, **options)
    np.testing.assert_allclose(x, np.ones(3), atol=1e-5)


def test_newton_solves_a_quadratic_in_one_iteration():
    _, (x,), _ = minimise(lamina, optim.Newton, "quadratic", 1, False, max_iter=1)
    np.testing.assert_allclose(x, np.linalg.solve(MATRIX, SHIFT), rtol=1e-7)


def test_newton_converges_quadratically():
    """The number of right digits about doubles each iteration."""
    p = nn.Parameter(lamina.tensor(2.0, dtype=lamina.float64))
    optimizer = optim.Newton([p], max_iter=1, line_search_fn=None, tolerance_grad=0.0)
    errors = []
    for _ in range(5):
        optimizer.step(lambda: p**3 / 3 - 2 * p)
        errors.append(abs(p.item() - 2**0.5))
    for before, after in itertools.pairwise(errors):
        assert after <= before**2 or after < 1e-15


def test_newton_leaves_a_saddle():
    p = nn.Parameter(lamina.tensor([1.0, 1e-3], dtype=lamina.float64))
    optimizer = optim.Newton([p], max_iter=50)
    optimizer.step(lambda: p[0] ** 2 + p[1] ** 4 - p[1] ** 2)  # curves downward in the second direction
    np.testing.assert_allclose(p.detach().numpy(), [0, 0.5**0.5], atol=1e-6)


def test_newton_with_damping_and_unused_parameters():
    p, unused = nn.Parameter(lamina.tensor([3.0])), nn.Parameter(lamina.ones(2))
    optim.Newton([p, unused], max_iter=1, damping=2.0).step(lambda: (p * p).sum())
    assert p.item() == pytest.approx(1.5)  # (2 + 2) d = -6
    assert unused.tolist() == [1.0, 1.0]


def test_bfgs_updates_as_the_textbook():
    """H <- (I - s y'/c) H (I - y s'/c) + s s'/c keeps H symmetric and maps y to s."""
    optimizer, state, h = optim.BFGS([nn.Parameter(lamina.zeros(6))]), {}, None
    for k in range(4):
        s = np.random.default_rng(k).standard_normal(6)
        y = MATRIX @ s
        c = s @ y
        optimizer._learn(state, lamina.tensor(s), lamina.tensor(y), c)
        h = np.eye(6) * c / (y @ y) if h is None else h
        h = (np.eye(6) - np.outer(s, y) / c) @ h @ (np.eye(6) - np.outer(y, s) / c) + np.outer(s, s) / c
        got = state["inverse_hessian"].numpy()
        np.testing.assert_allclose(got, h, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(got @ y, s, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(got, got.T, rtol=1e-12)


def test_logistic_regression_agrees():
    """All three end in the same weights of a regularised classifier."""
    x, y = lamina.tensor(DATA), lamina.tensor((DATA[:, 0] > 0.3).astype("int64"))
    ends = []
    for make, backward in ((optim.LBFGS, True), (optim.BFGS, True), (optim.Newton, False)):
        w = nn.Parameter(lamina.zeros(5, 2, dtype=lamina.float64))
        optimizer = make(
            [w],
            max_iter=100,
            tolerance_change=0.0,
            **({"line_search_fn": "strong_wolfe"} if backward else {}),
        )

        def closure(w=w, optimizer=optimizer, backward=backward):
            optimizer.zero_grad()
            loss = F.cross_entropy(x @ w, y) + nn.utils.l2_penalty(w) * 0.1
            if backward:
                loss.backward()
            return loss

        optimizer.step(closure)
        ends.append(w.detach().numpy())
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-5)
    np.testing.assert_allclose(ends[0], ends[2], atol=1e-5)


@pytest.mark.parametrize(
    "make, error, match",
    [
        (lambda p: optim.LBFGS([{"params": [p]}, {"params": []}]), ValueError, "one parameter group"),
        (lambda p: optim.LBFGS([p], line_search_fn="golden"), ValueError, "strong_wolfe"),
        (lambda p: optim.LBFGS([p], history_size=0), ValueError, "history_size"),
        (lambda p: optim.Newton([p], line_search_fn="golden"), ValueError, "armijo"),
        (lambda p: optim.Newton([p], damping=-1), ValueError, "damping"),
        (lambda p: optim.LBFGS([p]).step(lambda: None), TypeError, "returns the loss"),
        (lambda p: optim.Newton([p]).step(lambda: 3.0), RuntimeError, "computed from the parameters"),
    ],
)
def test_bad_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make(nn.Parameter(lamina.ones(2)))


def test_newton_wants_the_graph():
    p = nn.Parameter(lamina.ones(2))

    def closure():
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="without calling backward"):
        optim.Newton([p]).step(closure)
