"""What distributions of a location and a scale share."""

from __future__ import annotations

from lamina.distributions import constraints
from lamina.distributions.distribution import Distribution
from lamina.distributions.utils import broadcast_all
from lamina.tensor import Tensor


class LocationScale(Distribution):
    """A distribution of real numbers that lies around ``loc``, its likeliest value, as wide as ``scale``.

    Args:
        loc: the location.
        scale: positive; both broadcast.
        validate_args: whether parameters and values are checked.
    """

    arg_constraints = constraints.named(loc=constraints.real, scale=constraints.positive)
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mode(self) -> Tensor:
        return self.loc
