"""Activations that are zero around zero, and threshold."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node
from lamina.nn.functional.rectifier import apply, write_over
from lamina.ops.select import where
from lamina.ops.unary import tanh
from lamina.tensor import Tensor

__all__ = ["hardshrink", "softshrink", "tanhshrink", "threshold", "threshold_"]


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` where it lies outside of ``[-lambd, lambd]``, else 0.

    Args:
        input: a floating tensor of any shape.
        lambd: half the width of the gap.

    Raises:
        TypeError: for integers.

    Example:
        >>> lamina.nn.functional.hardshrink(lamina.tensor([-1.0, 0.3, 2.0]))
        tensor([-1.,  0.,  2.])
    """
    return apply("hardshrink", _C.hardshrink, _shrink_backward, input, (float(lambd),), "input", False)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` moved towards 0 by ``lambd``, and 0 where it is nearer than that.

    Args:
        input: a floating tensor of any shape.
        lambd: at least 0.

    Raises:
        ValueError: for a negative ``lambd``.
        TypeError: for integers.

    Example:
        >>> lamina.nn.functional.softshrink(lamina.tensor([-1.0, 0.3, 2.0]))
        tensor([-0.5000,  0.0000,  1.5000])
    """
    if lambd < 0:
        raise ValueError(f"[softshrink] expected lambd of at least 0, got {lambd}")
    return apply("softshrink", _C.softshrink, _shrink_backward, input, (float(lambd),), "input", False)


def _shrink_backward(node: Node, grad: Tensor) -> Tensor:
    x, lambd = node.saved
    if mode.enabled:
        return where((x >= -lambd) & (x <= lambd), 0.0, grad)
    return Tensor(_C.shrink_backward(grad._array, x._array, lambd, 0))


def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``.

    Example:
        >>> lamina.nn.functional.tanhshrink(lamina.tensor([-1.0, 2.0]))
        tensor([-0.2384,  1.0360])
    """
    return input - tanh(input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input`` where it exceeds ``threshold``, else ``value``.

    Args:
        input: a tensor of any shape.
        threshold: the bound.
        value: what stands for elements at or below it.
        inplace: write over ``input``.

    Example:
        >>> lamina.nn.functional.threshold(lamina.tensor([-1.0, 2.0]), 0.0, 7.0)
        tensor([7., 2.])
    """
    return _threshold(input, float(threshold), float(value), inplace)


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """:func:`threshold`, in place."""
    return _threshold(input, float(threshold), float(value), True)


def _threshold(x: Tensor, bound: float, value: float, inplace: bool) -> Tensor:
    if isinstance(x, Tensor) and not x.dtype.is_floating_point:
        y = where(x > bound, x, value).to(x.dtype)
        return write_over(x, y, "threshold_") if inplace else y
    return apply("threshold", _C.threshold, _threshold_backward, x, (bound, value), "input", inplace)


def _threshold_backward(node: Node, grad: Tensor) -> Tensor:
    x, bound, _ = node.saved
    if mode.enabled:
        return where(x <= bound, 0.0, grad)
    return Tensor(_C.threshold_backward(grad._array, x._array, bound, 0))
