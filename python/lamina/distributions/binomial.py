"""The binomial distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina
from lamina.autograd import no_grad
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import register_kl
from lamina.distributions.odds import Odds
from lamina.distributions.utils import (
    broadcast_all,
    exactly_one,
)
from lamina.nn import functional as F
from lamina.tensor import Tensor

__all__ = ["Binomial"]


class Binomial(Odds):
    """The distribution of the number of successes in ``total_count`` trials.

    Args:
        total_count: whole numbers.
        probs: the probability of success.
        logits: its log-odds; exactly one of the two is given; all broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for both parameters or none, a probability outside [0, 1], or a count that is none.

    Example:
        >>> p = lamina.distributions.Binomial(4, lamina.tensor([0.25, 0.5]))
        >>> p.mean, p.log_prob(lamina.tensor(4.0))
        (tensor([1., 2.]), tensor([-5.5452, -2.7726]))
    """

    arg_constraints = constraints.named(
        total_count=constraints.nonnegative_integer, probs=constraints.unit_interval, logits=constraints.real
    )
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Tensor | int = 1,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        exactly_one("Binomial", probs=probs, logits=logits)
        if probs is not None:
            self.probs, count = broadcast_all(*_of_one_kind(probs, total_count))
            self.total_count = count.to(self.probs.dtype)
        else:
            self.logits, count = broadcast_all(*_of_one_kind(logits, total_count))
            self.total_count = count.to(self.logits.dtype)
        Distribution.__init__(self, self.total_count.shape, validate_args=validate_args)

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return lamina.minimum(((self.total_count + 1) * self.probs).floor(), self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return lamina.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def _log_prob(self, value: Tensor) -> Tensor:
        n = self.total_count
        choices = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        return choices + value * self.logits - n * F.softplus(self.logits)

    def entropy(self) -> Tensor:
        log_probs = self.log_prob(self.enumerate_support(False))
        return -(log_probs.exp() * log_probs).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        most = int(self.total_count.max().item())
        if float(self.total_count.min().item()) != most:
            raise NotImplementedError(
                "[Binomial.enumerate_support] the batches have different counts of trials"
            )
        values = lamina.arange(most + 1, dtype=self.total_count.dtype, device=self.total_count.device)
        return self._points(values, expand)


def _of_one_kind(parameter: Any, total_count: Any) -> tuple[Any, Any]:
    """A parameter that is a number takes its dtype from the default, not from whole numbers of trials."""
    if not isinstance(parameter, Tensor) and isinstance(total_count, Tensor):
        parameter = lamina.tensor(float(parameter), device=total_count.device)
    return parameter, total_count


@register_kl(Binomial, Binomial)
def _kl_binomial(p: Binomial, q: Binomial) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("[kl_divergence] expected p to have as many trials as q, got fewer")
    each = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    divergence = p.total_count * each
    return divergence.masked_fill((p.total_count > q.total_count).expand(divergence.shape), math.inf)
