"""Initialisation to a variance that a weight's fans give."""

from __future__ import annotations

import math

from lamina.nn.init.plain import normal_, uniform_
from lamina.random import Generator
from lamina.tensor import Tensor

__all__ = [
    "calculate_gain", "kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_",
]  # fmt: skip

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
