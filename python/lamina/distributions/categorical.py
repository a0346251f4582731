"""The categorical distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina
from lamina.autograd import no_grad
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import register_kl
from lamina.distributions.utils import (
    LARGEST,
    exactly_one,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)
from lamina.dtypes import int64
from lamina.size import Size
from lamina.tensor import Tensor

__all__ = ["Categorical"]


class Categorical(Distribution):
    """The distribution of a category from 0 to K - 1.

    Args:
        probs: weights (..., K), not negative, brought to sum 1 over the last dimension.
        logits: log weights (..., K), of which the logarithm of their sum is taken off; exactly one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for both parameters or none, a parameter without dimensions, or weights that are no distribution.

    Example:
        >>> p = lamina.distributions.Categorical(lamina.tensor([1.0, 1.0, 2.0]))
        >>> p.probs, p.log_prob(lamina.tensor(2))
        (tensor([0.2500, 0.2500, 0.5000]), tensor(-0.6931))
        >>> p.sample((2, 3)).shape
        lamina.Size([2, 3])
    """

    arg_constraints = constraints.named(probs=constraints.simplex, logits=constraints.real_vector)
    has_enumerate_support = True

    def __init__(
        self,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        exactly_one("Categorical", probs=probs, logits=logits)
        name, given = ("probs", probs) if probs is not None else ("logits", logits)
        if not isinstance(given, Tensor) or given.ndim < 1:
            shown = "a number" if isinstance(given, Tensor) else type(given).__name__
            raise ValueError(f"[Categorical] expected {name} to be a tensor (..., categories), got {shown}")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = given - given.logsumexp(-1, keepdim=True)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @lazy_property
    def probs(self) -> Tensor:
        """Probabilities [..., K]."""
        return logits_to_probs(self.logits)

    @lazy_property
    def logits(self) -> Tensor:
        """Log probabilities [..., K]."""
        return probs_to_logits(self.probs)

    @property
    def param_shape(self) -> Size:
        """``batch_shape + (K,)``."""
        return self._given.shape

    @property
    def _given(self) -> Tensor:
        return self.probs if "probs" in self.__dict__ else self.logits

    @property
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        """NaN: categories are no numbers."""
        return lamina.full(self.batch_shape, math.nan, dtype=self._given.dtype, device=self._given.device)

    @property
    def variance(self) -> Tensor:
        """NaN: categories are no numbers."""
        return self.mean

    @property
    def mode(self) -> Tensor:
        return self._given.argmax(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        rows, count = self.batch_shape.numel(), Size(sample_shape).numel()
        if rows * count == 0:
            return lamina.zeros(shape, dtype=int64, device=self._given.device)
        with no_grad():
            draws = lamina.multinomial(self.probs.reshape((rows, self._num_events)), count, True)
            return draws.t().reshape(shape)

    def _log_prob(self, value: Tensor) -> Tensor:
        shape = lamina.broadcast_shapes(value.shape, self.batch_shape)
        index = value.long().expand(shape).unsqueeze(-1)
        return self.logits.expand((*shape, self._num_events)).gather(-1, index).squeeze(-1)

    def entropy(self) -> Tensor:
        # A logit of -inf has probability 0: the finite bound makes their product 0.
        return -(self.logits.clamp(min=-LARGEST[self.logits.dtype.name]) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        return self._points(lamina.arange(self._num_events, device=self._given.device), expand)


@register_kl(Categorical, Categorical)
def _kl_categorical(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = terms.masked_fill((q.probs == 0).expand(terms.shape), math.inf)
    return terms.masked_fill((p.probs == 0).expand(terms.shape), 0).sum(-1)
