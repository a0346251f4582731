"""The Laplace distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.distributions.kl import register_kl
from lamina.distributions.location_scale import LocationScale
from lamina.distributions.utils import EPS
from lamina.tensor import Tensor

__all__ = ["Laplace"]


class Laplace(LocationScale):
    """The Laplace distribution, of density ``exp(-|x - loc| / scale) / (2 scale)``.

    Args:
        loc: the mean.
        scale: the mean distance from it, positive; both broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a scale that is not positive.

    Example:
        >>> p = lamina.distributions.Laplace(0.0, 1.0)
        >>> p.variance, p.log_prob(lamina.tensor(1.0))
        (tensor(2.), tensor(-1.6931))
    """

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def stddev(self) -> Tensor:
        return self.scale * math.sqrt(2)

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.square()

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        u = self.loc.new_empty(self._extended_shape(sample_shape))
        u.uniform_(EPS[u.dtype.name] - 1, 1)  # never -1, whose logarithm below is infinite
        return self.loc - self.scale * u.sign() * (-u.abs()).log1p()

    def _log_prob(self, value: Tensor) -> Tensor:
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def _cdf(self, value: Tensor) -> Tensor:
        away = value - self.loc
        return 0.5 - 0.5 * away.sign() * (-away.abs() / self.scale).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        away = value - 0.5
        return self.loc - self.scale * away.sign() * (-2 * away.abs()).log1p()

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()


@register_kl(Laplace, Laplace)
def _kl_laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return apart / q.scale + ratio * (-apart / p.scale).exp() - 1 - ratio.log()
