"""Draws from the normal distribution between bounds."""

from __future__ import annotations

import math
from collections.abc import Callable

from lamina.nn.init.plain import in_place
from lamina.random import Generator
from lamina.tensor import Tensor

__all__ = ["trunc_normal_"]


@in_place
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draws from the normal distribution, values outside [a, b] drawn again.

    Args:
        tensor: what is filled.
        mean: of the distribution before it is cut.
        std: likewise; above 0.
        a: the lower bound.
        b: the upper bound.
        generator: where the draws come from.

    Raises:
        ValueError: unless ``a < b`` and ``std > 0``.
    """
    if not a < b:
        raise ValueError(f"[trunc_normal_] expected a < b, got {a} and {b}")
    if not std > 0:
        raise ValueError(f"[trunc_normal_] expected std above 0, got {std}")
    draw = _normal_draws if _mass((a - mean) / std, (b - mean) / std) > 0.25 else _uniform_draws
    propose = draw(tensor, mean, std, a, b, generator)
    tensor.copy_(propose())
    while True:
        outside = ~((tensor >= a) & (tensor <= b))  # a proposal that was refused is NaN
        if not outside.any():
            return tensor
        tensor.copy_(propose().where(outside, tensor))


def _mass(low: float, high: float) -> float:
    """How much of the standard normal distribution lies between two bounds."""
    return (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2


def _normal_draws(
    like: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Callable[[], Tensor]:
    return lambda: like.detach().clone().normal_(mean, std, generator=generator)


def _uniform_draws(
    like: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Callable[[], Tensor]:
    """For bounds that hold little of the distribution: uniform draws x, kept in proportion to the density there.

    Beyond 9 standard deviations past the likeliest place the density has fallen below e^-40 of its greatest value.
    """
    peak = min(max(mean, a), b)
    low, high = max(a, peak - 9 * std), min(b, peak + 9 * std)
    top = ((peak - mean) / std) ** 2

    def propose() -> Tensor:
        x = like.detach().clone().uniform_(low, high, generator=generator)
        density = ((top - ((x - mean) / std) ** 2) / 2).exp()
        kept = like.detach().clone().uniform_(generator=generator) < density
        return x.where(kept, math.nan)

    return propose
