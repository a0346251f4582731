"""The categorical distribution of one-hot vectors, and its straight-through form."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina.distributions import constraints
from lamina.distributions.kl import kl_divergence, register_kl
from lamina.distributions.of_categorical import OfCategorical
from lamina.nn import functional as F
from lamina.tensor import Tensor

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(OfCategorical):
    """The distribution of a category, drawn as a vector with a 1 at its place.

    Args:
        probs: weights (..., K), brought to sum 1.
        logits: log weights (..., K); exactly one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: as :class:`lamina.distributions.Categorical`.

    Example:
        >>> p = lamina.distributions.OneHotCategorical(lamina.tensor([0.0, 1.0]))
        >>> p.sample((2,)), p.event_shape
        (tensor([[0., 1.],
                [0., 1.]]), lamina.Size([2]))
    """

    support = constraints.one_hot
    has_enumerate_support = True

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return self._vectors(self._categorical.mode)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def _vectors(self, categories: Tensor) -> Tensor:
        return F.one_hot(categories, self.event_shape[0]).to(self.probs.dtype)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self._vectors(self._categorical.sample(sample_shape))

    def _log_prob(self, value: Tensor) -> Tensor:
        return self._categorical.log_prob(value.argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        k = self.event_shape[0]
        vectors = lamina.eye(k, dtype=self.probs.dtype, device=self.probs.device)
        vectors = vectors.reshape((k, *(1 for _ in self.batch_shape), k))
        return vectors.expand((k, *self.batch_shape, k)) if expand else vectors


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """A :class:`OneHotCategorical` whose draws pass their gradient to the probabilities as they are.

    The straight-through estimator of Bengio, Léonard & Courville, "Estimating or propagating gradients through
    stochastic neurons for conditional computation", 2013 (arXiv:1308.3432): biased.

    Args:
        probs, logits, validate_args: as :class:`OneHotCategorical`.

    Example:
        >>> weights = lamina.tensor([1.0, 3.0], requires_grad=True)
        >>> drawn = lamina.distributions.OneHotCategoricalStraightThrough(weights).rsample()
        >>> drawn[0].backward()
        >>> weights.grad
        tensor([ 0.1875, -0.0625])
    """

    has_rsample = True

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


@register_kl(OneHotCategorical, OneHotCategorical)
def _kl_one_hot_categorical(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return kl_divergence(p._categorical, q._categorical)
