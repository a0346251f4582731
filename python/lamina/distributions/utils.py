"""What kinds of distributions share: broadcasting of parameters, probabilities and log-odds."""

from __future__ import annotations

import functools
from typing import Any

import lamina
from lamina.nn import functional as F
from lamina.tensor import Tensor

__all__ = ["broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits"]

#: A property that is computed once: the parametrisation that was not given.
lazy_property = functools.cached_property


class _OfFloats(dict[str, float]):
    """A number for each floating dtype, by name."""

    def __missing__(self, name: str) -> float:
        raise TypeError(f"[distributions] expected parameters of a floating dtype, got {name}")


# The spacing of numbers at 1, and the smallest normal and the largest number.
EPS = _OfFloats(float16=2.0**-10, bfloat16=2.0**-7, float32=2.0**-23, float64=2.0**-52)
TINY = _OfFloats(float16=2.0**-14, bfloat16=2.0**-126, float32=2.0**-126, float64=2.0**-1022)
LARGEST = _OfFloats(
    float16=65504.0,
    bfloat16=float.fromhex("0x1.fep127"),
    float32=float.fromhex("0x1.fffffep127"),
    float64=float.fromhex("0x1.fffffffffffffp1023"),
)

EULER = 0.5772156649015329  # the mean of the standard Gumbel distribution


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; numbers take dtype and device of the first tensor.

    Raises:
        TypeError: for a value that is neither a number nor a tensor.
        ValueError: for shapes that can't be broadcast.

    Example:
        >>> loc, scale = lamina.distributions.utils.broadcast_all(lamina.zeros(2), 1.0)
        >>> scale
        tensor([1., 1.])
    """
    for value in values:
        if not isinstance(value, (Tensor, int, float)):
            raise TypeError(f"[broadcast_all] expected tensors and numbers, got {type(value).__name__}")
    first = next((value for value in values if isinstance(value, Tensor)), None)
    if first is None:
        return tuple(lamina.tensor(float(value)) for value in values)
    dtype = first.dtype if first.dtype.is_floating_point else lamina.get_default_dtype()
    tensors = [
        value if isinstance(value, Tensor) else lamina.tensor(value, dtype=dtype, device=first.device)
        for value in values
    ]
    return tuple(lamina.broadcast_tensors(*tensors))


def exactly_one(kind: str, **parameters: Any) -> None:
    """Raises unless exactly one parametrisation was given."""
    given = [name for name, value in parameters.items() if value is not None]
    if len(given) != 1:
        names, got = " or ".join(parameters), " and ".join(given) or "none"
        raise ValueError(f"[{kind}] expected either {names}, but not both, got {got}")


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept off 0 and 1 by the spacing of the dtype's numbers."""
    eps = EPS[probs.dtype.name]
    return probs.clamp(eps, 1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log-odds of two outcomes, or log probabilities of many over the last dimension."""
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """The inverse of :func:`probs_to_logits`."""
    return logits.sigmoid() if is_binary else F.softmax(logits, -1)


def sum_rightmost(value: Tensor, count: int) -> Tensor:
    """The sum over the last ``count`` dimensions."""
    return value.sum(tuple(range(-count, 0))) if count else value


def xlogy(x: Tensor, y: Tensor) -> Tensor:
    """``x log y``, and 0 where x is 0 whatever y is."""
    return x * lamina.where(x == 0, lamina.ones_like(y), y).log()
