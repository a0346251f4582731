"""Views of the same memory in other shapes; ``reshape`` and ``flatten`` copy where no view does."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.creation import shape_of
from lamina.tensor import Tensor, method

__all__ = ["permute", "reshape", "transpose"]


@method()
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape: a view where the memory order allows it, else a copy.

    Args:
        input: any tensor.
        shape: sizes, or one sequence of sizes; one of them may be -1.

    Raises:
        ValueError: if the shape does not hold the elements.

    Example:
        >>> lamina.ones(2, 3).reshape(3, -1).shape
        lamina.Size([3, 2])
    """
    array = _C.reshape(input._array, shape_of(shape, "reshape"))
    y = input._view(array) if array.data_ptr == input._array.data_ptr else Tensor(array)
    if tracks(input):
        record(y, _reshape_backward, (input,), (input._array.shape,))
    return y


def _reshape_backward(node: Node, grad: Tensor) -> Tensor:
    (shape,) = node.saved
    return reshape(grad, shape)


@method()
def permute(input: Tensor, *dims: Any) -> Tensor:
    """A view with the dimensions in another order.

    Example:
        >>> lamina.ones(2, 3, 4).permute(2, 0, 1).shape
        lamina.Size([4, 2, 3])
    """
    order = shape_of(dims, "permute")
    y = input._view(_C.permute(input._array, order))
    if tracks(input):
        record(y, _permute_backward, (input,), (order,))
    return y


def _permute_backward(node: Node, grad: Tensor) -> Tensor:
    (order,) = node.saved
    inverse = [0] * len(order)
    for position, dim in enumerate(order):
        inverse[dim] = position
    return permute(grad, inverse)


@method()
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged."""
    y = input._view(_C.transpose(input._array, dim0, dim1))
    if tracks(input):
        record(y, _transpose_backward, (input,), (dim0, dim1))
    return y


def _transpose_backward(node: Node, grad: Tensor) -> Tensor:
    dim0, dim1 = node.saved
    return transpose(grad, dim0, dim1)
