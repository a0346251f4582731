"""The log-normal distribution."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import kl_divergence, register_kl
from lamina.distributions.normal import Normal
from lamina.distributions.utils import broadcast_all
from lamina.tensor import Tensor

__all__ = ["LogNormal"]


class LogNormal(Distribution):
    """The distribution of ``exp(x)`` for normal x.

    Args:
        loc: the mean of x.
        scale: the standard deviation of x, positive; both broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a scale that is not positive.

    Example:
        >>> p = lamina.distributions.LogNormal(0.0, 1.0)
        >>> p.mean, p.log_prob(lamina.tensor(1.0))
        (tensor(1.6487), tensor(-0.9189))
    """

    arg_constraints = constraints.named(loc=constraints.real, scale=constraints.positive)
    support = constraints.positive
    has_rsample = True

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def _log(self) -> Normal:
        """The distribution of the logarithm."""
        return Normal(self.loc, self.scale, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return (self.loc + self.scale.square() / 2).exp()

    @property
    def mode(self) -> Tensor:
        return (self.loc - self.scale.square()).exp()

    @property
    def variance(self) -> Tensor:
        square = self.scale.square()
        return square.expm1() * (2 * self.loc + square).exp()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._log.rsample(sample_shape).exp()

    def _log_prob(self, value: Tensor) -> Tensor:
        x = value.log()
        return self._log.log_prob(x) - x

    def _cdf(self, value: Tensor) -> Tensor:
        return self._log.cdf(value.log())

    def icdf(self, value: Tensor) -> Tensor:
        return self._log.icdf(value).exp()

    def entropy(self) -> Tensor:
        return self._log.entropy() + self.loc


@register_kl(LogNormal, LogNormal)
def _kl_log_normal(p: LogNormal, q: LogNormal) -> Tensor:
    return kl_divergence(p._log, q._log)
