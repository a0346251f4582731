"""The half-normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import kl_divergence, register_kl
from lamina.distributions.normal import Normal
from lamina.distributions.utils import broadcast_all
from lamina.tensor import Tensor

__all__ = ["HalfNormal"]


class HalfNormal(Distribution):
    """The distribution of ``|x|`` for normal x of mean 0.

    Args:
        scale: the standard deviation of x, positive.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a scale that is not positive.

    Example:
        >>> p = lamina.distributions.HalfNormal(1.0)
        >>> p.mean, p.log_prob(lamina.tensor(0.0))
        (tensor(0.7979), tensor(-0.2258))
    """

    arg_constraints = constraints.named(scale=constraints.positive)
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, scale: Tensor | float, validate_args: bool | None = None) -> None:
        (self.scale,) = broadcast_all(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @property
    def _whole(self) -> Normal:
        """The distribution of x."""
        return Normal(lamina.zeros_like(self.scale), self.scale, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def mode(self) -> Tensor:
        return lamina.zeros_like(self.scale)

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * (1 - 2 / math.pi)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._whole.rsample(sample_shape).abs()

    def _log_prob(self, value: Tensor) -> Tensor:
        density = self._whole.log_prob(value) + math.log(2)
        return lamina.where(value >= 0, density, -math.inf)

    def _cdf(self, value: Tensor) -> Tensor:
        return 2 * self._whole.cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        return self._whole.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        return self._whole.entropy() - math.log(2)


@register_kl(HalfNormal, HalfNormal)
def _kl_half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return kl_divergence(p._whole, q._whole)
