"""Softmax, its logarithm and softmin."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.dtypes import dtype
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors, neg
from lamina.tensor import Tensor, method

__all__ = ["log_softmax", "softmax"]


@method()
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype | None = None
) -> Tensor:
    """``exp(x) / sum(exp(x))`` along one dimension, computed without overflow.

    Args:
        input: float32 or float64, any shape.
        dim: the dimension that sums to one; default as torch's: 0 for 0, 1 or 3 dimensions, else 1.
        dtype: cast to this first.

    Raises:
        IndexError: if there is no such dimension.

    Example:
        >>> lamina.softmax(lamina.zeros(2), dim=0)
        tensor([0.5000, 0.5000])
    """
    if not isinstance(input, Tensor):
        expect_tensors("softmax", input=input)
    if casting.on:
        return in_autocast(softmax, input, dim, _stacklevel, dtype)
    return _apply(input, dim, dtype, False)


@method()
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype | None = None
) -> Tensor:
    """``log(softmax(x))`` along one dimension, computed as ``x - log(sum(exp(x)))``; arguments as :func:`softmax`."""
    if not isinstance(input, Tensor):
        expect_tensors("log_softmax", input=input)
    if casting.on:
        return in_autocast(log_softmax, input, dim, _stacklevel, dtype)
    return _apply(input, dim, dtype, True)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: dtype | None = None
) -> Tensor:
    """``softmax(-x)`` along one dimension; arguments as :func:`softmax`."""
    return softmax(neg(input), dim, dtype=dtype)


def _apply(x: Tensor, dim: int | None, dtype: dtype | None, log: bool) -> Tensor:
    if dtype is not None:
        x = x.to(dtype)
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    y = Tensor(_C.softmax(x._array, dim, log))
    if tracks(x):
        record(y, _log_softmax_backward if log else _softmax_backward, (x,), (y, dim))
    return y


def _softmax_backward(node: Node, grad: Tensor) -> Tensor:
    y, dim = node.saved
    if mode.enabled:
        return y * (grad - (grad * y).sum(dim, keepdim=True))
    return Tensor(_C.softmax_backward(y._array, grad._array, dim, False))


def _log_softmax_backward(node: Node, grad: Tensor) -> Tensor:
    y, dim = node.saved
    if mode.enabled:
        return grad - y.exp() * grad.sum(dim, keepdim=True)
    return Tensor(_C.softmax_backward(y._array, grad._array, dim, True))
