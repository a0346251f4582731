"""The multinomial distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina
from lamina.autograd import no_grad
from lamina.distributions import constraints
from lamina.distributions.binomial import Binomial
from lamina.distributions.of_categorical import OfCategorical
from lamina.distributions.utils import broadcast_all
from lamina.tensor import Tensor

__all__ = ["Multinomial"]


class Multinomial(OfCategorical):
    """The distribution of how often each of K categories comes up in ``total_count`` draws.

    Args:
        total_count: how many draws.
        probs: weights (..., K), brought to sum 1.
        logits: log weights (..., K); exactly one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        TypeError: for a total_count that is no integer.
        ValueError: for both parameters or none, or weights that are no distribution.

    Example:
        >>> p = lamina.distributions.Multinomial(8, lamina.tensor([1.0, 1.0, 2.0]))
        >>> p.mean, p.sample((5,)).sum(-1)
        (tensor([2., 2., 4.]), tensor([8., 8., 8., 8., 8.]))
    """

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise TypeError(f"[Multinomial] expected an integer total_count, got {total_count!r}")
        self.total_count = total_count
        super().__init__(probs, logits, validate_args)

    @property
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        with no_grad():
            counts = self.probs.new_zeros(self._extended_shape(sample_shape))
            drawn = self._categorical.sample((*sample_shape, self.total_count))
            drawn = drawn.movedim(len(sample_shape), -1)  # (..., total_count)
            return counts.scatter_add_(-1, drawn, counts.new_ones(()).expand(drawn.shape))

    def _log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, value)
        logits = logits.masked_fill((value == 0) & (logits == -float("inf")), 0)
        choices = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return choices + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        n = lamina.tensor(float(self.total_count), dtype=self.probs.dtype, device=self.probs.device)
        each = Binomial(self.total_count, self.probs, validate_args=False)  # how often one category comes up
        counts = each.enumerate_support(expand=False)[1:]
        log_factorials = (each.log_prob(counts).exp() * (counts + 1).lgamma()).sum((0, -1))
        return n * self._categorical.entropy() - (n + 1).lgamma() + log_factorials
