"""Initialisation of parameters, in place."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from lamina import _C
from lamina.autograd.grad_mode import no_grad
from lamina.random import Generator
from lamina.tensor import Tensor

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,
}


def _in_place(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @functools.wraps(function)
    def wrapper(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"[{function.__name__}] expected a tensor, got {type(tensor).__name__}")
        with no_grad():
            return function(tensor, *args, **kwargs)

    return wrapper


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity shrinks the standard deviation of its input.

    Args:
        nonlinearity: such as ``"relu"``, ``"tanh"``, ``"leaky_relu"`` or ``"linear"``.
        param: the negative slope of ``"leaky_relu"``; default 0.01.

    Raises:
        ValueError: for an unknown nonlinearity.

    Example:
        >>> round(lamina.nn.init.calculate_gain("relu"), 4)
        1.4142
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"[calculate_gain] expected a number as negative slope, got {param!r}")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"[calculate_gain] expected one of leaky_relu, {', '.join(_GAINS)}, got {nonlinearity!r}"
        )
    return _GAINS[nonlinearity]


@_in_place
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draws from the uniform distribution on [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@_in_place
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draws from the normal distribution."""
    return tensor.normal_(mean, std, generator=generator)


@_in_place
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draws from the normal distribution, values outside [a, b] drawn again."""
    if not a < b:
        raise ValueError(f"[trunc_normal_] expected a < b, got {a} and {b}")
    tensor.normal_(mean, std, generator=generator)
    while True:
        outside = (tensor < a) | (tensor > b)
        if not outside.any():
            return tensor
        tensor.copy_(tensor.detach().clone().normal_(mean, std, generator=generator).where(outside, tensor))


@_in_place
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with one value."""
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fills with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills with zeros."""
    return constant_(tensor, 0.0)


@_in_place
def eye_(tensor: Tensor) -> Tensor:
    """Makes a matrix the identity."""
    if tensor.ndim != 2:
        raise ValueError(f"[eye_] expected a matrix, got shape {tuple(tensor.shape)}")
    tensor.fill_(0)
    tensor.diagonal().fill_(1)
    return tensor


@_in_place
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


def _fans(tensor: Tensor, op: str) -> tuple[int, int]:
    """(fan in, fan out) of a weight of shape (out, in, kernel...)."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ValueError(f"[{op}] expected at least 2 dimensions, got shape {shape}")
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform with variance 2 / (fan in + fan out) (Glorot & Bengio, AISTATS 2010).

    Args:
        tensor: a weight of shape (out, in, kernel...).
        gain: a factor of the standard deviation; see :func:`calculate_gain`.
        generator: where the draws come from.
    """
    bound = gain * math.sqrt(6.0 / sum(_fans(tensor, "xavier_uniform_")))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with variance 2 / (fan in + fan out); arguments as :func:`xavier_uniform_`."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans(tensor, "xavier_normal_"))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str, op: str) -> float:
    fan_in, fan_out = _fans(tensor, op)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"[{op}] expected mode 'fan_in' or 'fan_out', got {mode!r}")
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform with variance gain^2 / fan (He et al., arXiv 1502.01852).

    Args:
        tensor: a weight of shape (out, in, kernel...).
        a: the negative slope of ``"leaky_relu"``.
        mode: ``"fan_in"`` keeps the variance forward, ``"fan_out"`` backward.
        nonlinearity: what follows; see :func:`calculate_gain`.
        generator: where the draws come from.
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with variance gain^2 / fan; arguments as :func:`kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity, "kaiming_normal_"), generator)


@_in_place
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Makes the rows (or, if there are more rows, the columns) orthonormal (Saxe et al., arXiv 1312.6120).

    Args:
        tensor: at least 2 dimensions; those after the first count as one.
        gain: a factor of the values.
        generator: where the draws come from.
    """
    import numpy as np

    if tensor.ndim < 2:
        raise ValueError(f"[orthogonal_] expected at least 2 dimensions, got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    drawn = (
        tensor.detach().clone().contiguous().normal_(generator=generator).double().numpy().reshape(rows, -1)
    )
    tall = drawn if drawn.shape[0] >= drawn.shape[1] else drawn.T
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))  # makes the decomposition, and so the distribution, unique
    q = q if drawn.shape[0] >= drawn.shape[1] else q.T
    values = np.ascontiguousarray(gain * q).reshape(tuple(tensor.shape))
    _C.copy_to(tensor._array, _C.from_numpy(values))
    return tensor


@_in_place
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Normal draws with a fraction of each column set to zero (Martens, ICML 2010).

    Args:
        tensor: a matrix.
        sparsity: the fraction of zeros in each column.
        std: of the other values.
        generator: where the draws come from.
    """
    from lamina.ops.random import randperm

    if tensor.ndim != 2:
        raise ValueError(f"[sparse_] expected a matrix, got shape {tuple(tensor.shape)}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        tensor[randperm(rows, generator=generator)[:zeros], column] = 0
    return tensor
