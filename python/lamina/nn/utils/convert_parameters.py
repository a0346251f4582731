"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.ops.join import cat
from lamina.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters in one vector, in order."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Writes the elements of a vector into parameters, in order.

    Raises:
        ValueError: if the vector has too few or too many elements.
    """
    parameters = list(parameters)
    expected = sum(p.numel() for p in parameters)
    if vec.numel() != expected:
        raise ValueError(f"[vector_to_parameters] expected {expected} elements, got {vec.numel()}")
    start = 0
    for p in parameters:
        p.data.copy_(vec.detach()[start : start + p.numel()].reshape(p.shape))
        start += p.numel()
