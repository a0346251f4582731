"""What distributions share whose parameter is a probability or its log-odds."""

from __future__ import annotations

from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.utils import (
    broadcast_all,
    exactly_one,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)
from lamina.tensor import Tensor


class Odds(Distribution):
    """A distribution of what happens with a probability, given as such or as log-odds.

    Args:
        probs: the probability.
        logits: its log-odds; exactly one of the two is given.
        validate_args: whether parameters and values are checked.
    """

    arg_constraints = constraints.named(probs=constraints.unit_interval, logits=constraints.real)

    def __init__(
        self,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        exactly_one(type(self).__name__, probs=probs, logits=logits)
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
        else:
            (self.logits,) = broadcast_all(logits)
        super().__init__((self.logits if probs is None else self.probs).shape, validate_args=validate_args)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of 1, or of success."""
        return logits_to_probs(self.logits, is_binary=True)

    @lazy_property
    def logits(self) -> Tensor:
        """Its log-odds."""
        return probs_to_logits(self.probs, is_binary=True)
