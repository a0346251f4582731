"""The Cauchy distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina
from lamina.distributions.kl import register_kl
from lamina.distributions.location_scale import LocationScale
from lamina.tensor import Tensor

__all__ = ["Cauchy"]


class Cauchy(LocationScale):
    """The Cauchy distribution, of density ``1 / (pi scale (1 + ((x - loc) / scale)^2))``; it has no mean.

    Args:
        loc: the median.
        scale: half the distance of the quartiles, positive; both broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a scale that is not positive.

    Example:
        >>> p = lamina.distributions.Cauchy(0.0, 1.0)
        >>> p.mean, p.log_prob(lamina.tensor(0.0)), p.cdf(lamina.tensor(1.0))
        (tensor(nan), tensor(-1.1447), tensor(0.7500))
    """

    @property
    def mean(self) -> Tensor:
        return lamina.full_like(self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        return lamina.full_like(self.loc, math.inf)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        u = lamina.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
        return self.icdf(u)

    def _log_prob(self, value: Tensor) -> Tensor:
        return -math.log(math.pi) - self.scale.log() - ((value - self.loc) / self.scale).square().log1p()

    def _cdf(self, value: Tensor) -> Tensor:
        return ((value - self.loc) / self.scale).atan() / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * ((value - 0.5) * math.pi).tan()

    def entropy(self) -> Tensor:
        return self.scale.log() + math.log(4 * math.pi)


@register_kl(Cauchy, Cauchy)
def _kl_cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    nearest = (p.scale + q.scale).square() + (p.loc - q.loc).square()
    return nearest.log() - (4 * p.scale * q.scale).log()
