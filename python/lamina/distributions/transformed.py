"""Distributions of what a map makes of draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.autograd import no_grad
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import kl_divergence, register_kl
from lamina.distributions.transforms import ComposeTransform, Transform, flipped
from lamina.distributions.utils import sum_rightmost
from lamina.tensor import Tensor

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of ``transform(x)`` for draws x of another: ``log p(y) = log p(x) - log |dy/dx|``.

    Args:
        base_distribution: what x is drawn from.
        transforms: an invertible map of each element, or several, the first first.
        validate_args: whether values are checked.

    Raises:
        TypeError: for something that is no transform.

    Example:
        >>> D = lamina.distributions
        >>> p = D.TransformedDistribution(D.Normal(0.0, 1.0), [D.AffineTransform(1.0, 2.0), D.ExpTransform()])
        >>> p.log_prob(lamina.tensor(2.0)), D.LogNormal(1.0, 2.0).log_prob(lamina.tensor(2.0))
        (tensor(-2.3170), tensor(-2.3170))
    """

    arg_constraints = constraints.named()

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | Sequence[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.base_dist = base_distribution
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        self._map = ComposeTransform(self.transforms)
        super().__init__(
            base_distribution.batch_shape, base_distribution.event_shape, validate_args=validate_args
        )

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        events = len(self.event_shape)
        return constraints.independent(self._map.codomain, events) if events else self._map.codomain

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return self._map(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._map(self.base_dist.rsample(sample_shape))

    def _log_prob(self, value: Tensor) -> Tensor:
        x = self._map._inverse(value)
        slope = self._map.log_abs_det_jacobian(x, value)
        return self.base_dist.log_prob(x) - sum_rightmost(slope, len(self.event_shape))

    def _cdf(self, value: Tensor) -> Tensor:
        return flipped(self.base_dist.cdf(self._map._inverse(value)), self._map.sign)

    def icdf(self, value: Tensor) -> Tensor:
        return self._map(self.base_dist.icdf(flipped(value, self._map.sign)))


@register_kl(TransformedDistribution, TransformedDistribution)
def _kl_transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    """An invertible map changes no divergence; of two different maps nothing is known."""
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("[kl_divergence] expected the same transforms of p and of q")
    return kl_divergence(p.base_dist, q.base_dist)
