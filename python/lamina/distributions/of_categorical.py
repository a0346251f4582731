"""What distributions share whose draws are categories written as vectors."""

from __future__ import annotations

from lamina.distributions import constraints
from lamina.distributions.categorical import Categorical
from lamina.distributions.distribution import Distribution
from lamina.size import Size
from lamina.tensor import Tensor


class OfCategorical(Distribution):
    """A distribution of vectors (..., K) over the draws of a :class:`lamina.distributions.Categorical`.

    Args:
        probs: weights (..., K), brought to sum 1.
        logits: log weights (..., K); exactly one of the two is given.
        validate_args: whether parameters and values are checked.
    """

    arg_constraints = constraints.named(probs=constraints.simplex, logits=constraints.real_vector)

    def __init__(
        self,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        batch, event = self._categorical.batch_shape, self._categorical.param_shape[-1:]
        super().__init__(batch, event, validate_args=validate_args)

    @property
    def probs(self) -> Tensor:
        """Probabilities [..., K]."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Log probabilities [..., K]."""
        return self._categorical.logits

    @property
    def param_shape(self) -> Size:
        """``batch_shape + (K,)``."""
        return self._categorical.param_shape
