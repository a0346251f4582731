"""The beta distribution."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina.distributions import constraints
from lamina.distributions.dirichlet import Dirichlet
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import kl_divergence, register_kl
from lamina.distributions.utils import broadcast_all
from lamina.tensor import Tensor

__all__ = ["Beta"]


class Beta(Distribution):
    """The beta distribution, of density in proportion to ``x^(concentration1 - 1) (1 - x)^(concentration0 - 1)``.

    Args:
        concentration1: positive; the greater, the nearer to 1.
        concentration0: positive; the greater, the nearer to 0; both broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a concentration that is not positive.

    Example:
        >>> p = lamina.distributions.Beta(2.0, 6.0)
        >>> p.mean, p.log_prob(lamina.tensor(0.5))
        (tensor(0.2500), tensor(-0.4212))
    """

    arg_constraints = constraints.named(
        concentration1=constraints.positive, concentration0=constraints.positive
    )
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        concentration1: Tensor | float,
        concentration0: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    @property
    def _pair(self) -> Dirichlet:
        """The distribution of (x, 1 - x)."""
        pair = lamina.stack([self.concentration1, self.concentration0], -1)
        return Dirichlet(pair, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def mode(self) -> Tensor:
        return self._pair.mode[..., 0]

    @property
    def variance(self) -> Tensor:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total.square() * (total + 1))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._pair.rsample(sample_shape)[..., 0]

    def _log_prob(self, value: Tensor) -> Tensor:
        return self._pair.log_prob(lamina.stack([value, 1 - value], -1))

    def entropy(self) -> Tensor:
        return self._pair.entropy()


@register_kl(Beta, Beta)
def _kl_beta(p: Beta, q: Beta) -> Tensor:
    return kl_divergence(p._pair, q._pair)
