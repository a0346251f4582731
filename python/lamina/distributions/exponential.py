"""The exponential distribution."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import register_kl
from lamina.distributions.utils import broadcast_all
from lamina.tensor import Tensor

__all__ = ["Exponential"]


class Exponential(Distribution):
    """The exponential distribution, of density ``rate exp(-rate x)``.

    Args:
        rate: the inverse of the mean, positive.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a rate that is not positive.

    Example:
        >>> p = lamina.distributions.Exponential(2.0)
        >>> p.mean, p.log_prob(lamina.tensor(1.0))
        (tensor(0.5000), tensor(-1.3069))
    """

    arg_constraints = constraints.named(rate=constraints.positive)
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, rate: Tensor | float, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        return lamina.zeros_like(self.rate)

    @property
    def stddev(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.rate.reciprocal().square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.rate.new_empty(self._extended_shape(sample_shape)).exponential_() / self.rate

    def _log_prob(self, value: Tensor) -> Tensor:
        return self.rate.log() - self.rate * value

    def _cdf(self, value: Tensor) -> Tensor:
        return -(-self.rate * value).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        return 1 - self.rate.log()


@register_kl(Exponential, Exponential)
def _kl_exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()
