"""The uniform distribution over an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina
from lamina.distributions import constraints
from lamina.distributions.constraints import Constraint
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import register_kl
from lamina.distributions.utils import broadcast_all
from lamina.tensor import Tensor

__all__ = ["Uniform"]


class Uniform(Distribution):
    """The uniform distribution over ``[low, high)``.

    Args:
        low: the lower end, which belongs to it.
        high: the upper end, which does not; both broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: unless low is below high.

    Example:
        >>> p = lamina.distributions.Uniform(0.0, 4.0)
        >>> p.mean, p.log_prob(lamina.tensor(1.0)), p.cdf(lamina.tensor(1.0))
        (tensor(2.), tensor(-1.3863), tensor(0.2500))
    """

    has_rsample = True

    def __init__(self, low: Tensor | float, high: Tensor | float, validate_args: bool | None = None) -> None:
        self.low, self.high = broadcast_all(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)

    @property
    def arg_constraints(self) -> dict[str, Constraint]:
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @property
    def support(self) -> Any:
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        return (self.low + self.high) / 2

    @property
    def mode(self) -> Tensor:
        return self.high * math.nan  # every value is as likely

    @property
    def stddev(self) -> Tensor:
        return (self.high - self.low) / math.sqrt(12)

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        u = lamina.rand(self._extended_shape(sample_shape), dtype=self.low.dtype, device=self.low.device)
        return self.low + u * (self.high - self.low)

    def _log_prob(self, value: Tensor) -> Tensor:
        inside = ((value >= self.low) & (value < self.high)).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def _cdf(self, value: Tensor) -> Tensor:
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return self.low + value * (self.high - self.low)

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()


@register_kl(Uniform, Uniform)
def _kl_uniform(p: Uniform, q: Uniform) -> Tensor:
    divergence = ((q.high - q.low) / (p.high - p.low)).log()
    return divergence.masked_fill((q.low > p.low) | (q.high < p.high), math.inf)
