"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina
from lamina.distributions.kl import register_kl
from lamina.distributions.location_scale import LocationScale
from lamina.tensor import Tensor

__all__ = ["Normal"]


class Normal(LocationScale):
    """The normal distribution, of density ``exp(-(x - loc)^2 / (2 scale^2)) / (scale sqrt(2 pi))``.

    Args:
        loc: the mean.
        scale: the standard deviation, positive; both broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a scale that is not positive.

    Example:
        >>> p = lamina.distributions.Normal(lamina.tensor([0.0, 1.0]), 1.0)
        >>> p.sample((3,)).shape, p.log_prob(lamina.tensor(0.0))
        (lamina.Size([3, 2]), tensor([-0.9189, -1.4189]))
    """

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        noise = lamina.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + noise * self.scale

    def _log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        return -0.5 * z.square() - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def _cdf(self, value: Tensor) -> Tensor:
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        return self.scale.log() + 0.5 * (1 + math.log(2 * math.pi))


@register_kl(Normal, Normal)
def _kl_normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())
