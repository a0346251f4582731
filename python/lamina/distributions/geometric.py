"""The geometric distribution."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina.autograd import no_grad
from lamina.distributions import constraints
from lamina.distributions.kl import register_kl
from lamina.distributions.odds import Odds
from lamina.distributions.utils import (
    TINY,
    broadcast_all,
)
from lamina.nn import functional as F
from lamina.tensor import Tensor

__all__ = ["Geometric"]


class Geometric(Odds):
    """The distribution of the number of failures before the first success.

    Args:
        probs: the probability of success, in (0, 1].
        logits: its log-odds; exactly one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for both parameters or none, or a probability outside (0, 1].

    Example:
        >>> p = lamina.distributions.Geometric(0.25)
        >>> p.mean, p.log_prob(lamina.tensor(0.0))
        (tensor(3.), tensor(-1.3863))
    """

    support = constraints.nonnegative_integer

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(probs, logits, validate_args)
        if self._validate_args and probs is not None and not (self.probs.detach() > 0).all():
            raise ValueError(f"[Geometric] expected probs above 0, got {self.probs.detach()}")

    @property
    def mean(self) -> Tensor:
        return 1 / self.probs - 1

    @property
    def mode(self) -> Tensor:
        return lamina.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            u = self.probs.new_empty(self._extended_shape(sample_shape))
            u.uniform_(TINY[u.dtype.name], 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def _log_prob(self, value: Tensor) -> Tensor:
        value, probs = broadcast_all(value, self.probs)
        certain = (probs == 1) & (value == 0)  # where 0 log 0 is 0
        return value * (-probs.masked_fill(certain, 0)).log1p() + probs.log()

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs


@register_kl(Geometric, Geometric)
def _kl_geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits
