"""The Dirichlet distribution."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.kl import register_kl
from lamina.distributions.utils import TINY, xlogy
from lamina.nn import functional as F
from lamina.ops.variates import standard_gamma
from lamina.tensor import Tensor

__all__ = ["Dirichlet"]


class Dirichlet(Distribution):
    """The Dirichlet distribution over vectors of K numbers of sum 1, of density in proportion to ``prod x^(c - 1)``.

    Args:
        concentration: c, (..., K), positive.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for a concentration without dimensions, or one that is not positive.

    Example:
        >>> p = lamina.distributions.Dirichlet(lamina.tensor([1.0, 1.0, 2.0]))
        >>> p.mean, p.event_shape, p.sample((2,)).shape
        (tensor([0.2500, 0.2500, 0.5000]), lamina.Size([3]), lamina.Size([2, 3]))
    """

    arg_constraints = constraints.named(concentration=constraints.independent(constraints.positive, 1))
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if not isinstance(concentration, Tensor) or concentration.ndim < 1:
            raise ValueError("[Dirichlet] expected concentration to be a tensor (..., K), got a number")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def mode(self) -> Tensor:
        """The likeliest vector; where all concentrations are below 1, the corner of the greatest."""
        above = (self.concentration - 1).clamp(min=0)
        corner = F.one_hot(self.concentration.argmax(-1), self.concentration.shape[-1]).to(above.dtype)
        in_corner = (self.concentration < 1).all(-1, keepdim=True)
        return lamina.where(in_corner, corner, above / above.sum(-1, keepdim=True))

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        parts = standard_gamma(self.concentration.expand(self._extended_shape(sample_shape)))
        parts = parts.clamp(min=TINY[parts.dtype.name])
        return parts / parts.sum(-1, keepdim=True)

    def _log_prob(self, value: Tensor) -> Tensor:
        return xlogy(self.concentration - 1, value).sum(-1) + self._log_normalizer()

    def _log_normalizer(self) -> Tensor:
        return self.concentration.sum(-1).lgamma() - self.concentration.lgamma().sum(-1)

    def entropy(self) -> Tensor:
        c, total, k = self.concentration, self.concentration.sum(-1), self.concentration.shape[-1]
        spread = (total - k) * total.digamma() - ((c - 1) * c.digamma()).sum(-1)
        return spread - self._log_normalizer()


@register_kl(Dirichlet, Dirichlet)
def _kl_dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    logs = a.digamma() - a.sum(-1, keepdim=True).digamma()  # E[log x]
    return p._log_normalizer() - q._log_normalizer() + ((a - b) * logs).sum(-1)
