"""Divergences of two different kinds: ``KL(p || q) = -H(p) - E_p[log q(x)]``.

Each expectation is written once for every p whose moments it needs; a p that reaches beyond the support of q has an
infinite divergence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lamina
from lamina.distributions.bernoulli import Bernoulli
from lamina.distributions.beta import Beta
from lamina.distributions.binomial import Binomial
from lamina.distributions.distribution import Distribution
from lamina.distributions.exponential import Exponential
from lamina.distributions.gamma import Gamma
from lamina.distributions.gumbel import Gumbel
from lamina.distributions.kl import register_kl
from lamina.distributions.laplace import Laplace
from lamina.distributions.normal import Normal
from lamina.distributions.poisson import Poisson
from lamina.distributions.uniform import Uniform
from lamina.distributions.utils import EULER, xlogy
from lamina.tensor import Tensor

Kinds = tuple[type[Distribution], ...]


def _expectation(kinds: Kinds, q: type[Distribution]) -> Callable[[Callable[[Any, Any], Tensor]], None]:
    """Registers ``-H(p) - f(p, q)`` for every kind of p, where f is ``E_p[log q(x)]``."""

    def register(expected_log_prob: Callable[[Any, Any], Tensor]) -> None:
        def rule(p: Any, q: Any) -> Tensor:
            return -p.entropy() - expected_log_prob(p, q)

        for kind in kinds:
            register_kl(kind, q)(rule)

    return register


def _infinite(kinds: Kinds, others: Kinds) -> None:
    def rule(p: Any, q: Any) -> Tensor:
        entropies = p.mean + q.mean  # for shape, dtype and device
        return lamina.full_like(entropies.detach(), math.inf)

    for kind in kinds:
        for other in others:
            register_kl(kind, other)(rule)


_infinite((Normal, Laplace, Gumbel), (Beta, Exponential, Gamma, Uniform))
_infinite((Exponential, Gamma), (Beta, Uniform))
_infinite((Poisson,), (Bernoulli, Binomial))


def _mean_log(p: Any) -> Tensor:
    """``E[log x]`` of a distribution of positive numbers."""
    if isinstance(p, Beta):
        return p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    if isinstance(p, Exponential):
        return -EULER - p.rate.log()
    return (xlogy(p.high, p.high) - xlogy(p.low, p.low)) / (p.high - p.low) - 1  # uniform


def _mean_decay(p: Any, rate: Tensor) -> Tensor:
    """``E[exp(-rate x)]``."""
    if isinstance(p, Exponential):
        return p.rate / (p.rate + rate)
    if isinstance(p, Gamma):
        return (p.rate / (p.rate + rate)) ** p.concentration
    if isinstance(p, Normal):
        return (-rate * p.loc + 0.5 * (rate * p.scale).square()).exp()
    return ((-rate * p.low).exp() - (-rate * p.high).exp()) / (rate * (p.high - p.low))  # uniform


def _within(expected: Tensor, inside: Tensor) -> Tensor:
    """Minus infinity where p reaches beyond the support of q."""
    return expected.masked_fill(~inside.expand(expected.shape), -math.inf)


@_expectation((Beta, Exponential, Gamma, Gumbel, Laplace, Uniform), Normal)
def _normal(p: Any, q: Normal) -> Tensor:
    squares = (p.variance + (p.mean - q.loc).square()) / q.scale.square()
    return -0.5 * squares - q.scale.log() - 0.5 * math.log(2 * math.pi)


@_expectation((Beta, Gamma), Exponential)
def _exponential(p: Any, q: Exponential) -> Tensor:
    return q.rate.log() - q.rate * p.mean


@_expectation((Uniform,), Exponential)
def _exponential_of_uniform(p: Uniform, q: Exponential) -> Tensor:
    return _within(q.rate.log() - q.rate * p.mean, p.low >= 0)


@_expectation((Beta, Exponential), Gamma)
def _gamma(p: Any, q: Gamma) -> Tensor:
    return _expected_gamma(p, q)


def _expected_gamma(p: Any, q: Gamma) -> Tensor:
    scale = q.concentration * q.rate.log() - q.concentration.lgamma()
    return scale + (q.concentration - 1) * _mean_log(p) - q.rate * p.mean


@_expectation((Uniform,), Gamma)
def _gamma_of_uniform(p: Uniform, q: Gamma) -> Tensor:
    inside = p.low >= 0
    low, high = lamina.where(inside, p.low, 1.0), lamina.where(inside, p.high, 2.0)
    return _within(_expected_gamma(Uniform(low, high, validate_args=False), q), inside)


@_expectation((Exponential, Gamma, Normal, Uniform), Gumbel)
def _gumbel(p: Any, q: Gumbel) -> Tensor:
    decay = (q.loc / q.scale).exp() * _mean_decay(p, 1 / q.scale)
    return (q.loc - p.mean) / q.scale - decay - q.scale.log()


@_expectation((Normal,), Laplace)
def _laplace(p: Normal, q: Laplace) -> Tensor:
    apart = p.loc - q.loc
    ratio = apart / (p.scale * math.sqrt(2))
    distance = p.scale * math.sqrt(2 / math.pi) * (-ratio.square()).exp() + apart * ratio.erf()
    return -distance / q.scale - (2 * q.scale).log()


@_expectation((Beta,), Uniform)
def _uniform(p: Beta, q: Uniform) -> Tensor:
    return _within(-(q.high - q.low).log() + 0 * p.mean, (q.low <= 0) & (q.high >= 1))


@_expectation((Uniform,), Beta)
def _beta(p: Uniform, q: Beta) -> Tensor:
    inside = (p.low >= 0) & (p.high <= 1)
    low, high = lamina.where(inside, p.low, 0.25), lamina.where(inside, p.high, 0.75)
    log_one = _mean_log(Uniform(low, high, validate_args=False))
    log_zero = _mean_log(Uniform(1 - high, 1 - low, validate_args=False))
    total = (q.concentration1 + q.concentration0).lgamma()
    scale = total - q.concentration1.lgamma() - q.concentration0.lgamma()
    return _within(scale + (q.concentration1 - 1) * log_one + (q.concentration0 - 1) * log_zero, inside)


@_expectation((Bernoulli,), Poisson)
def _poisson(p: Bernoulli, q: Poisson) -> Tensor:
    return p.probs * q.rate.log() - q.rate  # log k! is 0 for both outcomes
