"""Dropout, of elements and of whole channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional._rederive import rederive
from lamina.ops.creation import zeros_like
from lamina.tensor import Tensor

__all__ = [
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout",
]  # fmt: skip


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Sets each element to zero with probability ``p`` and divides the others by ``1 - p`` (Srivastava et al., 2014).

    The mask is drawn again in the backward pass from the same Philox key instead of being stored; it depends on the
    seed and the element's index alone, not on threads or memory order.

    Args:
        input: any floating tensor.
        p: the probability of a zero.
        training: whether to drop anything.
        inplace: write over ``input``.

    Raises:
        ValueError: if ``p`` is no probability.

    Example:
        >>> lamina.nn.functional.dropout(lamina.ones(3), p=0.5, training=False)
        tensor([1., 1., 1.])
    """
    _check_probability(p, "dropout")
    if not training or p == 0:
        return input
    y = zeros_like(input) if p == 1 else _drop(input, p, _C.next_key(None))
    if p == 1 and tracks(input):
        y = input * y
    return _overwrite(input, y) if inplace else y


def _drop(x: Tensor, p: float, key: tuple[int, int]) -> Tensor:
    y = Tensor(_C.dropout(x._array, p, key))
    if tracks(x):
        record(y, _dropout_backward, (x,), (p, key))
    return y


def _dropout_backward(node: Node, grad: Tensor) -> Tensor:
    p, key = node.saved
    return _drop(grad, p, key)


class Activation(NamedTuple):
    """An activation that has a kernel together with dropout."""

    name: str  # of the kernel
    parameters: tuple[float, float]
    function: Callable[[Tensor], Tensor]  # what it computes, differentiable


def activated_dropout(input: Tensor, activation: Activation, p: float) -> Tensor:
    """``dropout(activation(input), p)`` in one pass, backward too: the same draws and bits.

    Args:
        input: a tensor of float32 or float64 on the CPU.
        activation: one that there is a kernel for.
        p: the probability of a zero.
    """
    return _drop_activated(input, activation, p, _C.next_key(None))


def _drop_activated(x: Tensor, activation: Activation, p: float, key: tuple[int, int]) -> Tensor:
    kernel = getattr(_C, f"{activation.name}_dropout")
    y = Tensor(kernel(x._array, *activation.parameters, p, key))
    if tracks(x):
        record(y, _activated_dropout_backward, (x,), (x, activation, p, key))
    return y


def _activated_dropout_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...] | Tensor:
    x, activation, p, key = node.saved
    if mode.enabled:
        return rederive(node, lambda x: _drop(activation.function(x), p, key), (x,), grad)
    kernel = getattr(_C, f"{activation.name}_dropout_backward")
    return Tensor(kernel(grad._array, x._array, *activation.parameters, p, key))


def _overwrite(input: Tensor, y: Tensor) -> Tensor:
    if input._check_inplace("dropout", y):
        return input._become(y)
    return input.copy_(y)


def _check_probability(p: float, op: str) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"[{op}] expected a probability from 0 to 1, got {p}")


def _channel_dropout(input: Tensor, p: float, training: bool, inplace: bool, spatial: int) -> Tensor:
    op = f"dropout{spatial}d"
    _check_probability(p, op)
    if input.ndim not in (spatial + 1, spatial + 2):
        raise ValueError(
            f"[{op}] expected {spatial + 1} or {spatial + 2} dimensions, got {tuple(input.shape)}"
        )
    if not training or p == 0:
        return input
    channels = tuple(input.shape)[: input.ndim - spatial]
    mask = dropout(input.new_ones(channels), p).reshape(channels + (1,) * spatial)
    y = input * mask
    return _overwrite(input, y) if inplace else y


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Drops whole channels of (N, C, L) or (C, L); arguments as :func:`dropout`."""
    return _channel_dropout(input, p, training, inplace, 1)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Drops whole channels of (N, C, H, W) or (C, H, W) (Tompson et al., arXiv 1411.4280); see :func:`dropout`."""
    return _channel_dropout(input, p, training, inplace, 2)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Drops whole channels of (N, C, D, H, W) or (C, D, H, W); arguments as :func:`dropout`."""
    return _channel_dropout(input, p, training, inplace, 3)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Sets elements to what SELU tends to far below zero, and keeps mean and variance (Klambauer et al., 2017).

    Args:
        input: any floating tensor; best of mean 0 and variance 1.
        p: the probability of a dropped element.
        training: whether to drop anything.
        inplace: write over ``input``.

    Raises:
        ValueError: if ``p`` is no probability.

    Example:
        >>> lamina.nn.functional.alpha_dropout(lamina.ones(3), p=0.5)
        tensor([1., 1., 1.])
    """
    return _alpha_dropout(input, p, training, inplace, tuple(input.shape), "alpha_dropout")


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """:func:`alpha_dropout` of whole channels of (N, C, ...)."""
    if training and input.ndim < 2:
        raise ValueError(
            f"[feature_alpha_dropout] expected at least 2 dimensions, got shape {tuple(input.shape)}"
        )
    channels = tuple(input.shape)[:2] + (1,) * (input.ndim - 2)
    return _alpha_dropout(input, p, training, inplace, channels, "feature_alpha_dropout")


SELU_FLOOR = -1.7580993408473766  # -scale * alpha, what SELU tends to far below zero


def _alpha_dropout(
    input: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...], op: str
) -> Tensor:
    """``a (m x + (1 - m) floor) + b``, m of ``shape``, with a and b such that mean 0 and variance 1 stay."""
    _check_probability(p, op)
    if not training or p == 0:
        return input
    if p == 1:
        y = input * 0.0
    else:
        a = ((1 - p) * (1 + p * SELU_FLOOR**2)) ** -0.5
        scale = input.new_ones(shape).bernoulli_(1 - p) * a
        y = input * scale + (a * SELU_FLOOR * (1 - p) - scale * SELU_FLOOR)  # b = -a p floor
    return _overwrite(input, y) if inplace else y
