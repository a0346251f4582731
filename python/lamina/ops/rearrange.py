"""The same elements repeated, reversed, rotated, or cut to a triangle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _C, dtypes
from lamina.autograd.graph import Node, record, tracks
from lamina.devices import device
from lamina.dtypes import dtype
from lamina.ops.creation import ones, shape_of
from lamina.ops.elementwise import deliver, expect_tensors, inplace
from lamina.ops.shape import dim_of, reshape, transpose
from lamina.ops.strided import expand
from lamina.tensor import Tensor, method

__all__ = [
    "flip",
    "fliplr",
    "flipud",
    "repeat_interleave",
    "roll",
    "rot90",
    "tile",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
]


@method()
def repeat(self: Tensor, *repeats: Any) -> Tensor:
    """A copy in which the tensor comes ``repeats[d]`` times along each dimension d.

    Args:
        repeats: at least one an existing dimension; more of them make new dimensions in front.

    Example:
        >>> lamina.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    counts = shape_of(repeats, "repeat")
    lead = len(counts) - self._array.ndim
    if lead < 0 or (counts and min(counts) < 0):
        raise ValueError(f"[repeat] expected {self._array.ndim} or more counts of at least 0, got {counts}")
    sizes = (1,) * lead + self._array.shape
    # Every dimension that repeats becomes two, (count, size): the first is expanded, then both are merged.
    apart: list[int] = []
    wide: list[int] = []
    for count, size in zip(counts, sizes):
        if count != 1:
            apart.append(1)
            wide.append(count)
        apart.append(size)
        wide.append(size)
    y = reshape(expand(reshape(self, apart), wide), [c * s for c, s in zip(counts, sizes)])
    return y.clone() if y._base is not None else y


def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """As ``input.repeat(dims)``, with ones in front of too few ``dims``.

    Example:
        >>> lamina.tile(lamina.tensor([[1], [2]]), (2,))
        tensor([[1, 1],
                [2, 2]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("tile", input=input)
    counts = shape_of((dims,), "tile")
    return repeat(input, (1,) * (input._array.ndim - len(counts)) + counts)


@method("tile")
def _tile(self: Tensor, *dims: Any) -> Tensor:
    """As :func:`lamina.tile`."""
    return tile(self, shape_of(dims, "tile"))


@method()
def repeat_interleave(
    input: Tensor,
    repeats: int | Tensor | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Every element, or slice along a dimension, several times in a row.

    Args:
        input: the elements; or, given alone, counts n_0, n_1, ...: the result is then n_0 zeros, n_1 ones, ...
        repeats: one count, or a tensor with a count for each position.
        dim: the dimension; default: the flattened tensor's.
        output_size: the resulting size where it is known; checked.

    Example:
        >>> lamina.tensor([1, 2]).repeat_interleave(2)
        tensor([1, 1, 2, 2])
        >>> lamina.tensor([1, 2]).repeat_interleave(lamina.tensor([1, 3]))
        tensor([1, 2, 2, 2])
    """
    if not isinstance(input, Tensor):
        expect_tensors("repeat_interleave", input=input)
    if repeats is None:
        return Tensor(_repeat_positions(input, output_size))
    x = reshape(input, (-1,)) if dim is None else input
    d = dim_of(0 if dim is None else dim, x._array.ndim, "repeat_interleave")
    if isinstance(repeats, Tensor):
        counts = repeats if repeats._array.ndim else repeats.reshape(1)
        if counts._array.shape == (1,):
            counts = counts.expand(x._array.shape[d])
        elif counts._array.shape != (x._array.shape[d],):
            raise ValueError(
                f"[repeat_interleave] expected {x._array.shape[d]} counts for dimension {d}, "
                f"got shape {tuple(counts.shape)}"
            )
        return x.index_select(d, Tensor(_repeat_positions(counts, output_size)))
    if repeats < 0:
        raise ValueError(f"[repeat_interleave] expected a count of at least 0, got {repeats}")
    if x._array.ndim == 0:
        return repeat(x, (repeats,))
    shape = list(x._array.shape)
    wide = [*shape[: d + 1], int(repeats), *shape[d + 1 :]]
    shape[d] *= int(repeats)
    if output_size is not None and output_size != shape[d]:
        raise ValueError(f"[repeat_interleave] output_size is {output_size}, counts give {shape[d]}")
    y = reshape(expand(x.unsqueeze(d + 1), wide), shape)
    return y.clone() if y._base is not None else y


def _repeat_positions(counts: Tensor, output_size: int | None) -> _C.Array:
    positions = _C.repeat_positions(counts._array)
    if output_size is not None and output_size != positions.numel:
        raise ValueError(f"[repeat_interleave] output_size is {output_size}, counts give {positions.numel}")
    return positions


def flip(input: Tensor, dims: int | Sequence[int]) -> Tensor:
    """A copy with the order reversed along dimensions.

    Example:
        >>> lamina.flip(lamina.tensor([1, 2, 3]), (0,))
        tensor([3, 2, 1])
    """
    if not isinstance(input, Tensor):
        expect_tensors("flip", input=input)
    which = shape_of((dims,), "flip")
    y = Tensor(_C.flip(input._array, which))
    if tracks(input):
        record(y, _flip_backward, (input,), (which,))
    return y


def _flip_backward(node: Node, grad: Tensor) -> Tensor:
    (dims,) = node.saved
    return flip(grad, dims)


@method("flip")
def _flip(self: Tensor, *positions: Any, dims: int | Sequence[int] | None = None) -> Tensor:
    """As :func:`lamina.flip`, the dimensions also as separate arguments."""
    return flip(self, shape_of(positions, "flip") if dims is None else dims)


@method()
def fliplr(input: Tensor) -> Tensor:
    """A copy with dimension 1 reversed."""
    if not isinstance(input, Tensor):
        expect_tensors("fliplr", input=input)
    if input._array.ndim < 2:
        raise ValueError(f"[fliplr] expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return flip(input, (1,))


@method()
def flipud(input: Tensor) -> Tensor:
    """A copy with dimension 0 reversed."""
    if not isinstance(input, Tensor):
        expect_tensors("flipud", input=input)
    if input._array.ndim < 1:
        raise ValueError("[flipud] expected at least 1 dimension, got a 0-d tensor")
    return flip(input, (0,))


@method()
def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """A copy with elements moved on along dimensions, those that leave coming in at the other end.

    Args:
        input: any tensor.
        shifts: how far, one for each of ``dims``.
        dims: along which dimensions; default: the flattened tensor's.

    Example:
        >>> lamina.roll(lamina.tensor([1, 2, 3]), 1)
        tensor([3, 1, 2])
    """
    if not isinstance(input, Tensor):
        expect_tensors("roll", input=input)
    steps = shape_of((shifts,), "roll")
    if dims is None:
        if len(steps) != 1:
            raise ValueError(f"[roll] expected one shift where there are no dims, got {shifts}")
        return reshape(_rolled(reshape(input, (-1,)), steps, (0,)), input._array.shape)
    along = shape_of((dims,), "roll")
    if along and not input._array.ndim:
        raise IndexError(f"[roll] a 0-d tensor has no dimension {along[0]}")
    return _rolled(input, steps, along)


def _rolled(x: Tensor, shifts: Sequence[int], dims: Sequence[int]) -> Tensor:
    y = Tensor(_C.roll(x._array, shifts, dims))
    if tracks(x):
        record(y, _roll_backward, (x,), (shifts, dims))
    return y


def _roll_backward(node: Node, grad: Tensor) -> Tensor:
    shifts, dims = node.saved
    return _rolled(grad, [-s for s in shifts], dims)


@method()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A copy turned by ``k`` right angles in the plane of two dimensions, from the first towards the second.

    Example:
        >>> lamina.rot90(lamina.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("rot90", input=input)
    plane = [dim_of(d, input._array.ndim, "rot90") for d in dims]
    if len(plane) != 2 or plane[0] == plane[1] or input._array.ndim < 2:
        raise ValueError(f"[rot90] expected two different dimensions, got {tuple(dims)}")
    turns = k % 4
    if turns == 0:
        return input.clone()
    if turns == 2:
        return flip(input, plane)
    return transpose(flip(input, plane[:1] if turns == 3 else plane[1:]), *plane)


@method()
def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of each matrix in the last two dimensions, zero below ``diagonal``.

    Example:
        >>> lamina.triu(lamina.ones(2, 2))
        tensor([[1., 1.],
                [0., 1.]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("triu", input=input)
    return deliver(_triangle(input, diagonal, True), out)


@method()
def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of each matrix in the last two dimensions, zero above ``diagonal``."""
    if not isinstance(input, Tensor):
        expect_tensors("tril", input=input)
    return deliver(_triangle(input, diagonal, False), out)


inplace(triu)
inplace(tril)


def _triangle(x: Tensor, diagonal: int, upper: bool) -> Tensor:
    y = Tensor(_C.triangle(x._array, diagonal, upper))
    if tracks(x):
        record(y, _triangle_backward, (x,), (diagonal, upper))
    return y


def _triangle_backward(node: Node, grad: Tensor) -> Tensor:
    diagonal, upper = node.saved
    return _triangle(grad, diagonal, upper)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: dtype = dtypes.int64, device: device | str | None = None
) -> Tensor:
    """The (2, n) positions of a matrix's lower triangle, row by row.

    Example:
        >>> lamina.tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _triangle_indices(tril(_mask(row, col, device), offset), dtype)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: dtype = dtypes.int64, device: device | str | None = None
) -> Tensor:
    """The (2, n) positions of a matrix's upper triangle, row by row."""
    return _triangle_indices(triu(_mask(row, col, device), offset), dtype)


def _mask(row: int, col: int, place: device | str | None) -> Tensor:
    return ones((row, col), dtype=dtypes.bool, device=place)


def _triangle_indices(mask: Tensor, dtype: dtype) -> Tensor:
    return Tensor(_C.cast(_C.contiguous(_C.transpose(_C.nonzero(mask._array), 0, 1)), dtype.code))
