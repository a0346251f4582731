"""Transforms and what they make of distributions, against torch's: maps, slopes, densities, gradients, divergences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness.compare import assert_close

import lamina
from lamina import distributions as D

RNG = np.random.default_rng(0)
X = RNG.uniform(0.2, 0.8, (2, 3))  # within every domain
SCALE = np.array([-2.0, 0.5, 3.0])


def make(library: Any, name: str) -> Any:
    """The transform of that name, of lamina or torch."""
    kinds, tensor = library.distributions.transforms, library.tensor
    return {
        "affine": lambda: kinds.AffineTransform(0.5, -2.0),
        "affine_tensors": lambda: kinds.AffineTransform(tensor(X[0]), tensor(SCALE)),
        "exp": kinds.ExpTransform,
        "power": lambda: kinds.PowerTransform(tensor(SCALE)),
        "sigmoid": kinds.SigmoidTransform,
        "softplus": kinds.SoftplusTransform,
        "tanh": kinds.TanhTransform,
        "composed": lambda: kinds.ComposeTransform(
            [kinds.AffineTransform(0.1, -2.0), kinds.SigmoidTransform()]
        ),
        "inverse": lambda: kinds.SigmoidTransform().inv,
    }[name]()


NAMES = ("affine", "affine_tensors", "exp", "power", "sigmoid", "softplus", "tanh", "composed", "inverse")


@pytest.mark.parametrize("name", NAMES)
def test_maps_and_slopes(torch: Any, name: str) -> None:
    ours, theirs = make(lamina, name), make(torch, name)
    x = lamina.tensor(X).requires_grad_()
    z = torch.tensor(X, requires_grad=True)
    y, want = ours(x), theirs(z)
    assert_close(y.detach().numpy(), want.detach().numpy(), 1e-12, 1e-12, "value")
    assert_close(ours.inv(y.detach()).numpy(), X, 1e-10, 1e-10, "inverse")
    slope, wanted = ours.log_abs_det_jacobian(x, y), theirs.log_abs_det_jacobian(z, want)
    assert_close(slope.detach().numpy(), wanted.detach().numpy(), 1e-10, 1e-10, "slope")
    got = lamina.autograd.grad((y + slope).sum(), x)[0]
    expected = torch.autograd.grad((want + wanted).sum(), z)[0]
    assert got is not None
    assert_close(got.numpy(), expected.numpy(), 1e-9, 1e-9, "gradient")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("power", "inverse")])
def test_densities(torch: Any, name: str) -> None:
    value = make(torch, name)(torch.tensor(X)).numpy()
    results = []
    for library in (lamina, torch):
        loc = library.tensor(X[0] * 0.3).requires_grad_()
        base = library.distributions.Normal(loc, library.tensor(X[1]))
        p = library.distributions.TransformedDistribution(base, [make(library, name)])
        y = library.tensor(value)
        log_prob = p.log_prob(y)
        (gradient,) = library.autograd.grad(log_prob.sum(), loc)
        parts = [log_prob, p.cdf(y), p.icdf(p.cdf(y)), gradient]
        results.append([part.detach().numpy() for part in parts])
        assert p.has_rsample and tuple(p.rsample((4,)).shape) == (4, 3)
    for got, want in zip(*results, strict=True):
        assert_close(got, want, 1e-8, 1e-8, name)


def test_divergence_is_that_of_the_bases() -> None:
    p, q, exp = D.Normal(0.0, 1.0), D.Normal(1.0, 2.0), D.ExpTransform()
    divergence = D.kl_divergence(D.TransformedDistribution(p, exp), D.TransformedDistribution(q, exp))
    assert divergence.item() == D.kl_divergence(p, q).item()
    with pytest.raises(NotImplementedError, match="expected the same transforms"):
        D.kl_divergence(D.TransformedDistribution(p, exp), D.TransformedDistribution(q, D.TanhTransform()))


def test_what_is_no_transform_or_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"\[ComposeTransform\] expected transforms, got str"):
        D.TransformedDistribution(D.Normal(0.0, 1.0), ["exp"])
    with pytest.raises(ValueError, match="expected a value within the support"):
        D.TransformedDistribution(D.Normal(0.0, 1.0), D.ExpTransform()).log_prob(lamina.tensor(-1.0))
