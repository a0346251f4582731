"""Batches read as parts of one event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import kl_divergence, register_kl
from lamina.distributions.utils import sum_rightmost
from lamina.tensor import Tensor

__all__ = ["Independent"]


class Independent(Distribution):
    """A distribution whose last batch dimensions are dimensions of the event: log probabilities are summed over them.

    Args:
        base_distribution: what it is made of.
        reinterpreted_batch_ndims: how many batch dimensions become event dimensions.
        validate_args: whether values are checked.

    Raises:
        ValueError: for more dimensions than there are batch dimensions.

    Example:
        >>> D = lamina.distributions
        >>> p = D.Independent(D.Normal(lamina.zeros(2, 3), 1.0), 1)
        >>> p.batch_shape, p.event_shape, p.log_prob(lamina.zeros(2, 3))
        (lamina.Size([2]), lamina.Size([3]), tensor([-2.7568, -2.7568]))
    """

    arg_constraints = constraints.named()

    def __init__(
        self,
        base_distribution: Distribution,
        reinterpreted_batch_ndims: int,
        validate_args: bool | None = None,
    ) -> None:
        batch = base_distribution.batch_shape
        if not 0 <= reinterpreted_batch_ndims <= len(batch):
            raise ValueError(
                f"[Independent] expected 0 to {len(batch)} reinterpreted_batch_ndims of batch shape "
                f"{tuple(batch)}, got {reinterpreted_batch_ndims}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, reinterpreted_batch_ndims
        kept = len(batch) - reinterpreted_batch_ndims
        event = batch[kept:] + base_distribution.event_shape
        super().__init__(batch[:kept], event, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int]) -> Independent:
        moved = self.event_shape[: self.reinterpreted_batch_ndims]
        base = self.base_dist.expand((*batch_shape, *moved))
        return Independent(base, self.reinterpreted_batch_ndims, validate_args=self._validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_enumerate_support and self.reinterpreted_batch_ndims == 0

    @property
    def support(self) -> Any:
        base = self.base_dist.support
        if self.reinterpreted_batch_ndims == 0 or base is None:
            return base
        return constraints.independent(base, self.reinterpreted_batch_ndims)

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        if self.reinterpreted_batch_ndims > 0:
            raise NotImplementedError(
                "[Independent.enumerate_support] the product of the supports is not listed"
            )
        return self.base_dist.enumerate_support(expand)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


@register_kl(Independent, Independent)
def _kl_independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "[kl_divergence] expected two Independent of as many reinterpreted_batch_ndims, got "
            f"{p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims}"
        )
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
