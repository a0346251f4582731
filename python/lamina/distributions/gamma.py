"""The gamma distribution, and chi-squared."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import register_kl
from lamina.distributions.utils import TINY, broadcast_all, xlogy
from lamina.ops.variates import standard_gamma
from lamina.tensor import Tensor

__all__ = ["Chi2", "Gamma"]


class Gamma(Distribution):
    """The gamma distribution, of density in proportion to ``x^(concentration - 1) exp(-rate x)``.

    Args:
        concentration: the shape, positive.
        rate: the inverse of the scale, positive; both broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a parameter that is not positive.

    Example:
        >>> p = lamina.distributions.Gamma(3.0, 2.0)
        >>> p.mean, p.log_prob(lamina.tensor(1.0))
        (tensor(1.5000), tensor(-0.6137))
    """

    arg_constraints = constraints.named(concentration=constraints.positive, rate=constraints.positive)
    support = constraints.nonnegative
    has_rsample = True

    def __init__(
        self, concentration: Tensor | float, rate: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        x = standard_gamma(self.concentration.expand(self._extended_shape(sample_shape))) / self.rate
        return x.clamp(min=TINY[x.dtype.name])  # a small shape draws numbers below the smallest

    def _log_prob(self, value: Tensor) -> Tensor:
        shape, value = broadcast_all(self.concentration, value)
        scaled = xlogy(shape, self.rate) + xlogy(shape - 1, value) - self.rate * value
        return scaled - shape.lgamma()

    def entropy(self) -> Tensor:
        shape = self.concentration
        return shape - self.rate.log() + shape.lgamma() + (1 - shape) * shape.digamma()


class Chi2(Gamma):
    """The chi-squared distribution, of the sum of ``df`` squared normal draws.

    Args:
        df: degrees of freedom, positive.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for df that is not positive.

    Example:
        >>> p = lamina.distributions.Chi2(4.0)
        >>> p.mean, p.variance
        (tensor(4.), tensor(8.))
    """

    arg_constraints = constraints.named(df=constraints.positive)

    def __init__(self, df: Tensor | float, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self.concentration * 2


@register_kl(Gamma, Gamma)
def _kl_gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    shapes = b.lgamma() - a.lgamma() + (a - b) * a.digamma()
    return b * (p.rate / q.rate).log() + shapes + (q.rate - p.rate) * p.mean
