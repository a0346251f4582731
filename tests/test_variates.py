"""Gamma, Poisson and binomial draws against their distribution functions, and the gradient of gamma draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.ops.variates import standard_gamma

N = 100_000
F64 = lamina.float64


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    state = lamina.get_rng_state()
    lamina.manual_seed(5)
    yield
    lamina.set_rng_state(state)


def full(value: float, dtype: Any = F64) -> lamina.Tensor:
    return lamina.full((N,), value, dtype=dtype)


def check_counts(drawn: np.ndarray, cdf: Any) -> None:
    """The share of draws up to each count is what the distribution function says, within five standard errors."""
    assert (drawn == np.floor(drawn)).all() and drawn.min() >= 0
    counts = np.unique(np.quantile(drawn, np.linspace(0.01, 0.99, 25)))
    want = np.array([cdf(k) for k in counts])
    got = np.array([(drawn <= k).mean() for k in counts])
    assert (np.abs(got - want) < 5 * np.sqrt(want * (1 - want) / N) + 1e-9).all()


@pytest.mark.parametrize("dtype", [lamina.float32, F64])
@pytest.mark.parametrize("shape", [0.02, 0.7, 1.0, 2.5, 40.0, 1e6])
def test_gamma(torch: Any, shape: float, dtype: Any) -> None:
    drawn = np.sort(standard_gamma(full(shape, dtype)).numpy().astype(np.float64))
    want = torch.special.gammainc(torch.full((N,), shape).double(), torch.tensor(drawn)).numpy()
    steps = np.arange(N + 1) / N
    if shape > 0.1:  # else many draws are equal, at zero, in float32
        distance = max(np.abs(want - steps[1:]).max(), np.abs(want - steps[:-1]).max())
        assert distance < 2.2 / np.sqrt(N)  # Kolmogorov and Smirnov: once in 8000 seeds
    assert drawn.mean() == pytest.approx(shape, abs=5 * np.sqrt(shape / N))


@pytest.mark.parametrize("rate", [0.0, 0.3, 4.0, 9.99, 10.0, 33.0, 2000.0, 1e7])
def test_poisson(torch: Any, rate: float) -> None:
    drawn = lamina.poisson(full(rate)).numpy()
    if rate == 0:
        assert (drawn == 0).all()
        return
    check_counts(
        drawn,
        lambda k: torch.special.gammaincc(torch.tensor(k + 1).double(), torch.tensor(rate).double()).item(),
    )


@pytest.mark.parametrize(
    ("count", "p"), [(0, 0.5), (3, 0.0), (3, 1.0), (7, 0.5), (40, 0.1), (30, 0.5), (200, 0.9), (10**6, 0.3)]
)
def test_binomial(count: int, p: float) -> None:
    drawn = lamina.binomial(full(count), full(p)).numpy()
    assert drawn.min() >= 0 and drawn.max() <= count
    if p in (0, 1) or count == 0:
        assert (drawn == count * p).all()
        return
    k = lamina.arange(count + 1, dtype=F64)
    log_mass = lamina.lgamma(full(count + 1)[:1]) - lamina.lgamma(k + 1) - lamina.lgamma(count - k + 1)
    mass = (log_mass + k * np.log(p) + (count - k) * np.log1p(-p)).exp().numpy()
    cumulative = mass.cumsum()
    check_counts(drawn, lambda k: cumulative[int(k)])


@pytest.mark.parametrize("shape", [0.05, 0.9, 3.0, 150.0, 999.0, 1001.0, 1e5])
def test_gamma_gradient(torch: Any, shape: float) -> None:
    """dx/da = -(dP/da) / (dP/dx), with torch's P(a, x) by central differences."""
    alpha = lamina.full((200,), shape, dtype=F64, requires_grad=True)
    x = standard_gamma(alpha)
    x.sum().backward()
    at, a = torch.tensor(x.detach().numpy()), torch.full((200,), shape).double()
    step = 1e-5 * max(shape, 1e-1)
    slope = (torch.special.gammainc(a + step, at) - torch.special.gammainc(a - step, at)) / (2 * step)
    density = ((a - 1) * at.log() - at - torch.lgamma(a)).exp()
    usual = (at > 1e-30).numpy()  # where differences have digits
    np.testing.assert_allclose(alpha.grad.numpy()[usual], (-slope / density).numpy()[usual], rtol=2e-4)


def test_halves_and_strides() -> None:
    rate = lamina.full((3, 5), 20.0, dtype=lamina.bfloat16).t()
    assert lamina.poisson(rate).dtype is lamina.bfloat16 and lamina.poisson(rate).shape == (5, 3)
    assert lamina.poisson(lamina.zeros(0)).shape == (0,)


@pytest.mark.parametrize(
    ("match", "call"),
    [
        (r"\[poisson\] expected rates >= 0", lambda: lamina.poisson(lamina.tensor([1.0, -1.0]))),
        (r"\[poisson\] expected rates >= 0", lambda: lamina.poisson(lamina.tensor([float("nan")]))),
        (r"\[standard_gamma\] expected shapes >= 0", lambda: standard_gamma(lamina.tensor([-1.0]))),
        (
            r"\[binomial\] expected whole counts",
            lambda: lamina.binomial(lamina.tensor([2.5]), lamina.tensor([0.5])),
        ),
        (
            r"\[binomial\] expected whole counts",
            lambda: lamina.binomial(lamina.tensor([2.0]), lamina.tensor([1.5])),
        ),
        (
            r"\[binomial\] expected parameters of one shape",
            lambda: lamina.binomial(lamina.ones(2), lamina.ones(3)),
        ),
    ],
)
def test_errors(match: str, call: Any) -> None:
    with pytest.raises(ValueError, match=match):
        call()


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"\[poisson\] expected floating parameters"):
        lamina.poisson(lamina.tensor([1, 2]))


def test_a_gamma_draw_refuses_second_derivatives() -> None:
    shape = lamina.tensor([0.5, 2.0], requires_grad=True)
    draw = lamina.distributions.Gamma(shape, 1.0).rsample()
    (slope,) = lamina.autograd.grad(draw.sum(), shape, create_graph=True)
    with pytest.raises(RuntimeError, match="standard_gamma"):
        slope.sum().backward()
