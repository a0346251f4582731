"""Joining tensors along a dimension that they have, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import deliver
from lamina.tensor import Tensor

__all__ = [
    "cat",
    "column_stack",
    "concat",
    "concatenate",
    "dstack",
    "hstack",
    "row_stack",
    "stack",
    "vstack",
]


def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors one after the other along a dimension.

    Args:
        tensors: of one shape except in ``dim``; dtypes are promoted; an empty vector joins anything.
        dim: the dimension that grows.
        out: where to write the result.

    Raises:
        ValueError: if shapes differ elsewhere, or the list is empty.

    Example:
        >>> lamina.cat((lamina.zeros(2), lamina.ones(1)))
        tensor([0., 0., 1.])
    """
    if casting.on:
        return in_autocast(cat, tensors, dim, out=out)
    parts = _listed(tensors, "cat")
    y = Tensor(_C.cat([t._array for t in parts], dim))
    if tracks(*parts):
        d = dim % y._array.ndim
        # An empty vector has no such dimension; it takes no part.
        sizes = [t._array.shape[d] if t._array.ndim > d else 0 for t in parts]
        record(y, _cat_backward, parts, (d, sizes, [t._array.ndim == y._array.ndim for t in parts]))
    return y if out is None else deliver(y, out)


def _cat_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    dim, sizes, joined = node.saved
    starts = accumulate(sizes, initial=0)
    return tuple(
        [
            grad.narrow(dim, start, size) if takes_part and node.needs(i) else None
            for i, (start, size, takes_part) in enumerate(zip(starts, sizes, joined))
        ]
    )


def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors, all of one shape, along a new dimension.

    Example:
        >>> lamina.stack((lamina.zeros(2), lamina.ones(2)), 1)
        tensor([[0., 1.],
                [0., 1.]])
    """
    if casting.on:
        return in_autocast(stack, tensors, dim, out=out)
    parts = _listed(tensors, "stack")
    y = Tensor(_C.stack([t._array for t in parts], dim))
    if tracks(*parts):
        record(y, _stack_backward, parts, (dim % y._array.ndim,))
    return y if out is None else deliver(y, out)


def _stack_backward(node: Node, grad: Tensor) -> tuple[Tensor, ...]:
    (dim,) = node.saved
    return grad.unbind(dim)


def _listed(tensors: Sequence[Tensor], op: str) -> list[Tensor]:
    parts = list(tensors) if isinstance(tensors, (list, tuple)) else None
    if parts is None or not all(isinstance(t, Tensor) for t in parts):
        raise TypeError(f"[{op}] expected a list or tuple of tensors, got {_described(tensors)}")
    return parts


def _described(tensors: object) -> str:
    if isinstance(tensors, (list, tuple)):
        return f"one of {sorted({type(t).__name__ for t in tensors})}"
    return type(tensors).__name__


concat = concatenate = cat


def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side: along dimension 1, vectors along 0.

    Example:
        >>> lamina.hstack((lamina.zeros(2, 1), lamina.ones(2, 2))).shape
        lamina.Size([2, 3])
    """
    from lamina.ops.strided import atleast_1d

    parts = list(atleast_1d(_listed(tensors, "hstack")))
    return cat(parts, 0 if not parts or parts[0]._array.ndim == 1 else 1, out=out)


def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors on top of each other: along dimension 0, vectors as rows."""
    from lamina.ops.strided import atleast_2d

    return cat(list(atleast_2d(_listed(tensors, "vstack"))), 0, out=out)


row_stack = vstack


def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors behind each other: along dimension 2, with new dimensions as :func:`lamina.atleast_3d`."""
    from lamina.ops.strided import atleast_3d

    return cat(list(atleast_3d(_listed(tensors, "dstack"))), 2, out=out)


def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side, vectors and numbers as columns.

    Example:
        >>> lamina.column_stack((lamina.zeros(2), lamina.ones(2)))
        tensor([[0., 1.],
                [0., 1.]])
    """
    parts = _listed(tensors, "column_stack")
    return cat([t.reshape(-1, 1) if t._array.ndim < 2 else t for t in parts], 1, out=out)
