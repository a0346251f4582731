"""Continuous relaxations of Bernoulli and one-hot draws, through which gradients pass.

Maddison, Mnih & Teh, "The concrete distribution", 2017 (arXiv:1611.00712); Jang, Gu & Poole, "Categorical
reparameterization with Gumbel-softmax", 2017 (arXiv:1611.01144).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lamina
from lamina.distributions import constraints
from lamina.distributions.bernoulli import Bernoulli
from lamina.distributions.categorical import Categorical
from lamina.distributions.distribution import Distribution
from lamina.distributions.utils import TINY, clamp_probs
from lamina.nn import functional as F
from lamina.tensor import Tensor

__all__ = ["RelaxedBernoulli", "RelaxedOneHotCategorical"]


class _Relaxed(Distribution):
    """A discrete distribution and the temperature that softens it."""

    has_rsample = True
    _discrete: Any

    def __init__(self, temperature: Any, discrete: Any, event: Any, validate_args: bool | None) -> None:
        self._discrete = discrete
        like = discrete.logits
        if not isinstance(temperature, Tensor):
            temperature = lamina.tensor(float(temperature), dtype=like.dtype, device=like.device)
        if not (temperature.detach() > 0).all():
            raise ValueError(
                f"[{type(self).__name__}] expected a positive temperature, got {temperature.detach()}"
            )
        self._temperature = (temperature,)  # of one size over all batches: expand leaves it alone
        super().__init__(discrete.batch_shape, event, validate_args=validate_args)

    @property
    def temperature(self) -> Tensor:
        """What scores are divided by: near 0 draws are all but discrete."""
        return self._temperature[0]

    @property
    def probs(self) -> Tensor:
        """Probabilities of the discrete distribution."""
        return self._discrete.probs

    @property
    def logits(self) -> Tensor:
        """Its log-odds, or log probabilities."""
        return self._discrete.logits


class RelaxedBernoulli(_Relaxed):
    """A number in (0, 1) that nears a :class:`Bernoulli` draw as the temperature nears 0.

    Args:
        temperature: positive.
        probs: the probability of 1.
        logits: its log-odds; exactly one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for both parameters or none, a probability outside [0, 1] or a temperature that is not positive.

    Example:
        >>> p = lamina.distributions.RelaxedBernoulli(0.5, lamina.tensor([0.2, 0.8]))
        >>> p.rsample((3,)).shape
        lamina.Size([3, 2])
    """

    arg_constraints = constraints.named(probs=constraints.unit_interval, logits=constraints.real)
    support = constraints.unit_interval

    def __init__(
        self,
        temperature: Tensor | float,
        probs: Tensor | float | None = None,
        logits: Tensor | float | None = None,
        validate_args: bool | None = None,
    ) -> None:
        discrete = Bernoulli(probs, logits, validate_args=validate_args)
        super().__init__(temperature, discrete, (), validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        probs = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(lamina.rand(shape, dtype=probs.dtype, device=probs.device))
        noise = u.log() - (-u).log1p()
        return ((noise + probs.log() - (-probs).log1p()) / self.temperature).sigmoid()

    def _log_prob(self, value: Tensor) -> Tensor:
        # The density of the logit y, and dy/dvalue = 1 / (value (1 - value)).
        inside = clamp_probs(value)
        log_one, log_zero = inside.log(), (-inside).log1p()
        shifted = self.logits - (log_one - log_zero) * self.temperature
        return self.temperature.log() + shifted - 2 * F.softplus(shifted) - log_one - log_zero


class RelaxedOneHotCategorical(_Relaxed):
    """A vector of sum 1 that nears a :class:`OneHotCategorical` draw as the temperature nears 0 (Gumbel-softmax).

    Args:
        temperature: positive.
        probs: weights (..., K), brought to sum 1.
        logits: log weights (..., K); exactly one of the two is given.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: as :class:`Categorical`, and for a temperature that is not positive.

    Example:
        >>> p = lamina.distributions.RelaxedOneHotCategorical(0.5, lamina.tensor([0.1, 0.6, 0.3]))
        >>> p.rsample((4,)).shape, p.event_shape
        (lamina.Size([4, 3]), lamina.Size([3]))
    """

    arg_constraints = constraints.named(probs=constraints.simplex, logits=constraints.real_vector)
    support = constraints.simplex

    def __init__(
        self,
        temperature: Tensor | float,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        discrete = Categorical(probs, logits, validate_args=validate_args)
        super().__init__(temperature, discrete, discrete.param_shape[-1:], validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        waited = self.logits.new_empty(self._extended_shape(sample_shape)).exponential_()
        gumbels = -waited.clamp(min=TINY[waited.dtype.name]).log()
        return F.softmax((self.logits + gumbels) / self.temperature, -1)

    def _log_prob(self, value: Tensor) -> Tensor:
        k = self.event_shape[0]
        log_value = value.log()
        scores = F.log_softmax(self.logits - log_value * self.temperature, -1)
        scale = math.lgamma(k) + (k - 1) * self.temperature.log()
        return scores.sum(-1) + scale - log_value.sum(-1)
