"""The Poisson distribution."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina.autograd import no_grad
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import register_kl
from lamina.distributions.utils import broadcast_all, xlogy
from lamina.tensor import Tensor

__all__ = ["Poisson"]


class Poisson(Distribution):
    """The Poisson distribution of counts, of mass ``rate^k exp(-rate) / k!``.

    Args:
        rate: the mean, not negative.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a negative rate.

    Example:
        >>> p = lamina.distributions.Poisson(2.0)
        >>> p.variance, p.log_prob(lamina.tensor(0.0))
        (tensor(2.), tensor(-2.))
    """

    arg_constraints = constraints.named(rate=constraints.nonnegative)
    support = constraints.nonnegative_integer

    def __init__(self, rate: Tensor | float, validate_args: bool | None = None) -> None:
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return self.rate.floor()

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return lamina.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def _log_prob(self, value: Tensor) -> Tensor:
        rate, value = broadcast_all(self.rate, value)
        return xlogy(value, rate) - rate - (value + 1).lgamma()


@register_kl(Poisson, Poisson)
def _kl_poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)
