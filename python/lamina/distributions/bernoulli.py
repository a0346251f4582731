"""The Bernoulli distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina
from lamina.autograd import no_grad
from lamina.distributions import constraints
from lamina.distributions.kl import register_kl
from lamina.distributions.odds import Odds
from lamina.distributions.utils import (
    broadcast_all,
)
from lamina.nn import functional as F
from lamina.tensor import Tensor

__all__ = ["Bernoulli"]


class Bernoulli(Odds):
    """The distribution of a coin: 1 with probability ``probs``, else 0.

    Args:
        probs: the probability of 1.
        logits: its log-odds, ``log(probs / (1 - probs))``; exactly one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for both parameters or none, or a probability outside [0, 1].

    Example:
        >>> p = lamina.distributions.Bernoulli(lamina.tensor([0.25, 0.5]))
        >>> p.sample((100,)).shape, p.log_prob(lamina.tensor(1.0))
        (lamina.Size([100, 2]), tensor([-1.3863, -0.6931]))
    """

    support = constraints.boolean
    has_enumerate_support = True

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        """The likelier value; NaN where both are as likely."""
        likelier = (self.probs > 0.5).to(self.probs.dtype)
        return likelier.masked_fill(self.probs == 0.5, math.nan)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            return lamina.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def _log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, value)
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        shown = self.probs if "probs" in self.__dict__ else self.logits
        return self._points(lamina.arange(2, dtype=shown.dtype, device=shown.device), expand)


@register_kl(Bernoulli, Bernoulli)
def _kl_bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    # p log(p / q) + (1 - p) log((1 - p) / (1 - q)), with -log of a probability as the softplus of its log-odds.
    ones = p.probs * (F.softplus(-q.logits) - F.softplus(-p.logits))
    ones = ones.masked_fill(q.probs == 0, math.inf).masked_fill(p.probs == 0, 0)
    zeros = (1 - p.probs) * (F.softplus(q.logits) - F.softplus(p.logits))
    zeros = zeros.masked_fill(q.probs == 1, math.inf).masked_fill(p.probs == 1, 0)
    return ones + zeros
