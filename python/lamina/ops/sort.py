"""Order: sorting, the k first, order statistics.  NaN is greater than every number."""

from __future__ import annotations

from typing import NamedTuple

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.elementwise import expect_tensors
from lamina.ops.gather import gather, scatter
from lamina.ops.shape import dim_of, reshape
from lamina.tensor import Tensor, method

__all__ = ["argsort", "kthvalue", "msort", "sort", "topk"]


class Ordered(NamedTuple):
    """Values and where in their dimension they were."""

    values: Tensor
    indices: Tensor


@method()
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Ordered:
    """The elements in order along a dimension, and their positions.

    Args:
        input: any tensor.
        dim: the dimension to sort.
        descending: the greatest first.
        stable: accepted for torch's sake: equal elements always keep their order.

    Example:
        >>> values, indices = lamina.sort(lamina.tensor([3, 1, 2]))
        >>> values, indices
        (tensor([1, 2, 3]), tensor([1, 2, 0]))
    """
    if not isinstance(input, Tensor):
        expect_tensors("sort", input=input)
    return _ordered(input, dim, -1, descending, "sort")


def _ordered(x: Tensor, dim: int, k: int, descending: bool, op: str) -> Ordered:
    values, positions = _C.sort(x._array, dim, k, descending, op)
    y, indices = Tensor(values), Tensor(positions)
    if tracks(x):
        record(y, _sort_backward, (x,), (dim_of(dim, x._array.ndim, op), x._array.shape, indices))
    return Ordered(y, indices)


def _sort_backward(node: Node, grad: Tensor) -> Tensor:
    dim, shape, indices = node.saved
    return scatter(Tensor(_C.new_zeros(grad._array, shape)), dim, indices, grad)


@method()
def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions that sort a dimension; arguments as :func:`lamina.sort`.

    Example:
        >>> lamina.argsort(lamina.tensor([3, 1, 2]))
        tensor([1, 2, 0])
    """
    if not isinstance(input, Tensor):
        expect_tensors("argsort", input=input)
    return Tensor(_C.sort(input._array, dim, -1, descending, "argsort")[1])


@method()
def msort(input: Tensor) -> Tensor:
    """The elements in order along dimension 0."""
    if not isinstance(input, Tensor):
        expect_tensors("msort", input=input)
    return _ordered(input, 0, -1, False, "msort").values


@method()
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Ordered:
    """The k greatest elements along a dimension, in order, and their positions.

    Args:
        input: any tensor.
        k: how many; at most the size of the dimension.
        dim: the dimension.
        largest: the greatest; else the least.
        sorted: accepted for torch's sake: the result is always in order.

    Example:
        >>> lamina.topk(lamina.tensor([3, 1, 2]), 2).values
        tensor([3, 2])
    """
    if not isinstance(input, Tensor):
        expect_tensors("topk", input=input)
    if k < 0:
        raise ValueError(f"[topk] expected k of at least 0, got {k}")
    return _ordered(input, dim, k, largest, "topk")


@method()
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Ordered:
    """The k-th least element along a dimension, counted from 1, and its position.

    Example:
        >>> lamina.kthvalue(lamina.tensor([3, 1, 2]), 2).values
        tensor(2)
    """
    if not isinstance(input, Tensor):
        expect_tensors("kthvalue", input=input)
    n = input._array.shape[dim_of(dim, input._array.ndim, "kthvalue")] if input._array.ndim else 1
    if not 1 <= k <= n:
        raise ValueError(f"[kthvalue] expected k from 1 to {n}, got {k}")
    x = input if input._array.ndim else reshape(input, (1,))
    positions = _C.slice(_C.sort(x._array, dim, k, False, "kthvalue")[1], dim, k - 1, k, 1)
    return chosen(x, dim, Tensor(positions), keepdim and bool(input._array.ndim))


def chosen(x: Tensor, dim: int, indices: Tensor, keepdim: bool) -> Ordered:
    """The elements at one position of each row, recorded, and the positions."""
    values = gather(x, dim, indices)
    return Ordered(values, indices) if keepdim else Ordered(values.squeeze(dim), indices.squeeze(dim))
