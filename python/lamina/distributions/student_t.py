"""Student's t distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lamina
from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.gamma import Chi2
from lamina.distributions.utils import broadcast_all
from lamina.tensor import Tensor

__all__ = ["StudentT"]


class StudentT(Distribution):
    """Student's t distribution, of a normal draw over the root of a chi-squared one a degree of freedom.

    Args:
        df: degrees of freedom, positive.
        loc: the middle.
        scale: positive; all broadcast.
        validate_args: whether parameters and values are checked.

    Raises:
        ValueError: for df or a scale that is not positive.

    Example:
        >>> p = lamina.distributions.StudentT(4.0)
        >>> p.variance, p.log_prob(lamina.tensor(0.0))
        (tensor(2.), tensor(-0.9808))
    """

    arg_constraints = constraints.named(
        df=constraints.positive, loc=constraints.real, scale=constraints.positive
    )
    support = constraints.real
    has_rsample = True

    def __init__(
        self,
        df: Tensor | float,
        loc: Tensor | float = 0.0,
        scale: Tensor | float = 1.0,
        validate_args: bool | None = None,
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """The middle; NaN up to one degree of freedom."""
        return self.loc.masked_fill(self.df <= 1, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Infinite up to two degrees of freedom, NaN up to one."""
        wide = self.df > 2
        finite = self.scale.square() * self.df / lamina.where(wide, self.df - 2, 1.0)
        return finite.masked_fill(~wide, math.inf).masked_fill(self.df <= 1, math.nan)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        noise = lamina.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        chi2 = Chi2(self.df, validate_args=False).rsample(sample_shape)
        return self.loc + self.scale * noise * (chi2 / self.df).rsqrt()

    def _log_normalizer(self) -> Tensor:
        """``log(sqrt(df pi) Gamma(df / 2) / Gamma((df + 1) / 2))``."""
        half = 0.5 * self.df
        return 0.5 * (self.df.log() + math.log(math.pi)) + half.lgamma() - (half + 0.5).lgamma()

    def _log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        tails = -0.5 * (self.df + 1) * (z.square() / self.df).log1p()
        return tails - self.scale.log() - self._log_normalizer()

    def entropy(self) -> Tensor:
        half = 0.5 * self.df
        tails = (half + 0.5) * ((half + 0.5).digamma() - half.digamma())
        return self.scale.log() + tails + self._log_normalizer()
