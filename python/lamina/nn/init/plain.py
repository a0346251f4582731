"""Initialisation that does not look at a weight's fans: constants, plain draws, patterns."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from lamina.autograd.grad_mode import no_grad
from lamina.ops.random import randperm
from lamina.random import Generator
from lamina.tensor import Tensor

__all__ = [
    "constant_", "dirac_", "eye_", "normal_", "ones_", "small_random_", "sparse_", "uniform_", "zeros_",
]  # fmt: skip


def in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @functools.wraps(function)
    def wrapper(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"[{function.__name__}] expected a tensor, got {type(tensor).__name__}")
        with no_grad():
            return function(tensor, *args, **kwargs)

    return wrapper


@in_place
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draws from the uniform distribution on [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@in_place
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draws from the normal distribution."""
    return tensor.normal_(mean, std, generator=generator)


def small_random_(tensor: Tensor, scale: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Small draws that break the symmetry between units: normal, of standard deviation ``scale``.

    They serve shallow networks; in deep ones the activations fade layer by layer (Glorot and Bengio, AISTATS 2010).
    """
    drawn: Tensor = normal_(tensor, 0.0, scale, generator)
    return drawn


@in_place
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with one value."""
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fills with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills with zeros."""
    return constant_(tensor, 0.0)


@in_place
def eye_(tensor: Tensor) -> Tensor:
    """Makes a matrix the identity."""
    if tensor.ndim != 2:
        raise ValueError(f"[eye_] expected a matrix, got shape {tuple(tensor.shape)}")
    tensor.fill_(0)
    tensor.diagonal().fill_(1)
    return tensor


@in_place
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Makes a convolution's weight pass its input channels through.

    Args:
        tensor: of shape (out, in/groups, kernel...), 3 to 5 dimensions.
        groups: of the convolution.
    """
    shape = tuple(tensor.shape)
    if not 3 <= len(shape) <= 5:
        raise ValueError(f"[dirac_] expected 3 to 5 dimensions, got shape {shape}")
    if shape[0] % groups:
        raise ValueError(f"[dirac_] expected output channels divisible by {groups} groups, got {shape[0]}")
    per_group = shape[0] // groups
    tensor.fill_(0)
    centre = tuple(size // 2 for size in shape[2:])
    for group in range(groups):
        for channel in range(min(per_group, shape[1])):
            tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


@in_place
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal draws with a fraction of each column set to zero (Martens, ICML 2010).

    Args:
        tensor: a matrix.
        sparsity: the fraction of zeros in each column.
        std: of the other values.
        generator: where the draws come from.
    """
    if tensor.ndim != 2:
        raise ValueError(f"[sparse_] expected a matrix, got shape {tuple(tensor.shape)}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        tensor[randperm(rows, generator=generator)[:zeros], column] = 0
    return tensor
