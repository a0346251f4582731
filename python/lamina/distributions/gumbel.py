"""The Gumbel distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.distributions.kl import register_kl
from lamina.distributions.location_scale import LocationScale
from lamina.distributions.utils import EULER
from lamina.tensor import Tensor

__all__ = ["Gumbel"]


class Gumbel(LocationScale):
    """The Gumbel distribution, of the greatest of many draws: ``P(at most x) = exp(-exp(-(x - loc) / scale))``.

    Args:
        loc: the likeliest value.
        scale: positive; both broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a scale that is not positive.

    Example:
        >>> p = lamina.distributions.Gumbel(0.0, 1.0)
        >>> p.mean, p.log_prob(lamina.tensor(0.0))
        (tensor(0.5772), tensor(-1.))
    """

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * EULER

    @property
    def stddev(self) -> Tensor:
        return self.scale * (math.pi / math.sqrt(6))

    @property
    def variance(self) -> Tensor:
        return self.stddev.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        waited = self.loc.new_empty(self._extended_shape(sample_shape)).exponential_()
        return self.loc - self.scale * waited.log()

    def _log_prob(self, value: Tensor) -> Tensor:
        y = (self.loc - value) / self.scale
        return y - y.exp() - self.scale.log()

    def _cdf(self, value: Tensor) -> Tensor:
        return (-((self.loc - value) / self.scale).exp()).exp()

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * (-value.log()).log()

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + EULER)


@register_kl(Gumbel, Gumbel)
def _kl_gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, apart = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return (apart + (1 + ratio).lgamma()).exp() - ratio.log() - apart + ratio * EULER - (1 + EULER)
