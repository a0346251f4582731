"""What is written to a part of a copy (diagonal_scatter and its kind), and matrices made of diagonals and blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import _C
from lamina.ops.creation import ones, zeros
from lamina.ops.elementwise import expect_tensors
from lamina.ops.join import cat
from lamina.ops.select import where
from lamina.ops.strided import diag_embed, diagonal, place
from lamina.tensor import Tensor, method

__all__ = ["block_diag", "diagflat", "diagonal_scatter", "select_scatter", "slice_scatter", "trace"]


def _written(op: str, input: Tensor, src: Tensor, view: Callable[[_C.Array], _C.Array]) -> Tensor:
    """A copy of ``input`` in which ``view`` shows ``src``."""
    expect_tensors(op, input=input, src=src)
    shape = tuple(view(input._array).shape)
    if shape != tuple(src.shape):
        raise ValueError(f"[{op}] expected src of shape {shape}, got {tuple(src.shape)}")
    source = src.to(input.dtype)
    there = place(ones(shape, dtype=source.dtype, device=input.device).bool(), input.shape, view)
    return where(there, place(source, input.shape, view), input)


@method()
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of ``input`` with ``src`` on a diagonal; arguments as :func:`lamina.diagonal`'s.

    Example:
        >>> lamina.diagonal_scatter(lamina.zeros(2, 2), lamina.ones(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    return _written("diagonal_scatter", input, src, lambda a: _C.diagonal(a, offset, dim1, dim2))


@method()
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` with ``src`` at one position of a dimension; arguments as :func:`lamina.select`'s.

    Example:
        >>> lamina.select_scatter(lamina.zeros(2, 2), lamina.ones(2), 0, 1)
        tensor([[0., 0.],
                [1., 1.]])
    """
    return _written("select_scatter", input, src, lambda a: _C.select(a, dim, index))


@method()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of ``input`` with ``src`` at positions ``start`` to before ``end`` of a dimension, ``step`` apart.

    Raises:
        ValueError: if ``src`` has another shape than what is written over, or the step is below 1.

    Example:
        >>> lamina.slice_scatter(lamina.zeros(4), lamina.ones(2), start=2)
        tensor([0., 0., 1., 1.])
    """
    expect_tensors("slice_scatter", input=input)
    if step < 1:
        raise ValueError(f"[slice_scatter] expected a step of at least 1, got {step}")
    n = input.shape[dim]
    first, last, _ = slice(start, end, step).indices(n)
    return _written("slice_scatter", input, src, lambda a: _C.slice(a, dim, first, max(first, last), step))


@method()
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    Raises:
        ValueError: for anything but two dimensions.

    Example:
        >>> lamina.trace(lamina.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor(5.)
    """
    expect_tensors("trace", input=input)
    if input.ndim != 2:
        raise ValueError(f"[trace] expected a matrix, got shape {tuple(input.shape)}")
    return diagonal(input).sum()


@method()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements of ``input`` on a diagonal.

    Example:
        >>> lamina.diagflat(lamina.tensor([[1, 2]]))
        tensor([[1, 0],
                [0, 2]])
    """
    expect_tensors("diagflat", input=input)
    return diag_embed(input.reshape(-1), offset)


def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given ones along its diagonal and zeros elsewhere; vectors and numbers count as rows.

    Raises:
        ValueError: for more than two dimensions.

    Example:
        >>> lamina.block_diag(lamina.tensor([[1, 2]]), lamina.tensor([3]))
        tensor([[1, 2, 0],
                [0, 0, 3]])
    """
    blocks: list[Any] = []
    for t in tensors:
        expect_tensors("block_diag", tensors=t)
        if t.ndim > 2:
            raise ValueError(f"[block_diag] expected at most 2 dimensions, got shape {tuple(t.shape)}")
        blocks.append(t.reshape(1, -1) if t.ndim < 2 else t)
    if not blocks:
        return zeros(1, 0)
    width, left, rows = sum(b.shape[1] for b in blocks), 0, []
    for b in blocks:
        right = width - left - b.shape[1]
        rows.append(cat([b.new_zeros(b.shape[0], left), b, b.new_zeros(b.shape[0], right)], 1))
        left += b.shape[1]
    return cat(rows, 0)
