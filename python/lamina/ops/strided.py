"""Views that show a part of the memory, or show elements several times, and their adjoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.creation import shape_of
from lamina.ops.elementwise import expect_tensors
from lamina.ops.shape import dim_of, reshape
from lamina.tensor import Tensor, method

__all__ = [
    "as_strided",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "diag",
    "diag_embed",
    "diagonal",
    "narrow",
    "select",
]


def show(input: Tensor, view: Callable[[_C.Array], _C.Array]) -> Tensor:
    """A tensor on ``view(array)``, which shows each element at most once and depends on shapes alone."""
    y = input._view(view(input._array))
    if tracks(input):
        record(y, _show_backward, (input,), (input._array.shape, view))
    return y


def _show_backward(node: Node, grad: Tensor) -> Tensor:
    shape, view = node.saved
    return place(grad, shape, view)


def place(input: Tensor, shape: Sequence[int], view: Callable[[_C.Array], _C.Array]) -> Tensor:
    """Zeros of ``shape`` in which ``view`` shows ``input``: the adjoint of :func:`show`."""
    array = _C.new_zeros(input._array, shape)
    _C.copy_to(view(array), input._array)
    y = Tensor(array)
    if tracks(input):
        record(y, _place_backward, (input,), (view,))
    return y


def _place_backward(node: Node, grad: Tensor) -> Tensor:
    (view,) = node.saved
    return show(grad, view)


@method()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view at one position of a dimension, without that dimension.

    Raises:
        IndexError: if there is no such position.

    Example:
        >>> lamina.tensor([[1, 2], [3, 4]]).select(1, 0)
        tensor([1, 3])
    """
    if not isinstance(input, Tensor):
        expect_tensors("select", input=input)
    return show(input, lambda a: _C.select(a, dim, index))


@method()
def narrow(input: Tensor, dim: int, start: int | Tensor, length: int) -> Tensor:
    """A view of positions ``start`` to ``start + length - 1`` of a dimension.

    Example:
        >>> lamina.tensor([1, 2, 3, 4]).narrow(0, 1, 2)
        tensor([2, 3])
    """
    if not isinstance(input, Tensor):
        expect_tensors("narrow", input=input)
    shape = input._array.shape
    if not shape:
        raise IndexError("[narrow] a 0-d tensor can't be narrowed")
    if isinstance(start, Tensor) and (start.dtype.is_floating_point or start._array.dtype == 0 or start.ndim):
        raise TypeError(
            f"[narrow] expected start to be one integer, got {start.dtype} of shape {tuple(start.shape)}"
        )
    d, begin = dim_of(dim, len(shape), "narrow"), int(start)
    begin += shape[d] if begin < 0 else 0
    if not 0 <= begin <= shape[d] or not 0 <= length <= shape[d] - begin:
        raise IndexError(
            f"[narrow] start {int(start)} and length {length} leave dimension {d} of size {shape[d]}"
        )
    return show(input, lambda a: _C.slice(a, d, begin, begin + length, 1))


@method()
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of the diagonals of two dimensions, appended as the last dimension.

    Args:
        input: a tensor of two or more dimensions.
        offset: which diagonal: 0 the main one, above it if positive.
        dim1, dim2: the two dimensions.

    Example:
        >>> lamina.tensor([[1, 2], [3, 4]]).diagonal()
        tensor([1, 4])
    """
    if not isinstance(input, Tensor):
        expect_tensors("diagonal", input=input)
    return show(input, lambda a: _C.diagonal(a, offset, dim1, dim2))


@method()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices in dimensions ``dim1`` and ``dim2`` whose diagonals are the last dimension of ``input``, else zero.

    Example:
        >>> lamina.diag_embed(lamina.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("diag_embed", input=input)
    shape = input._array.shape
    if not shape:
        raise ValueError("[diag_embed] expected at least 1 dimension, got a 0-d tensor")
    n = len(shape) + 1
    first, second = dim_of(dim1, n, "diag_embed"), dim_of(dim2, n, "diag_embed")
    if first == second:
        raise ValueError(f"[diag_embed] expected two different dimensions, got {dim1} and {dim2}")
    sizes = list(shape[:-1])
    for d in sorted((first, second)):
        sizes.insert(d, shape[-1] + abs(offset))
    return place(input, sizes, lambda a: _C.diagonal(a, offset, first, second))


@method()
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with a given diagonal, or the diagonal of a given matrix.

    Args:
        input: a vector or a matrix.
        diagonal: which diagonal: 0 the main one, above it if positive.
    """
    if not isinstance(input, Tensor):
        expect_tensors("diag", input=input)
    if input._array.ndim not in (1, 2):
        raise ValueError(f"[diag] expected 1 or 2 dimensions, got shape {tuple(input.shape)}")
    if input._array.ndim == 1:
        return diag_embed(input, diagonal)
    return show(input, lambda a: _C.diagonal(a, diagonal, 0, 1)).clone()


@method()
def expand(self: Tensor, *size: Any) -> Tensor:
    """A view in which dimensions of size 1 repeat, without a copy; -1 keeps a size.

    Example:
        >>> lamina.tensor([[1], [2]]).expand(-1, 3)
        tensor([[1, 1, 1],
                [2, 2, 2]])
    """
    return _expanded(self, shape_of(size, "expand"))


def _expanded(x: Tensor, shape: Sequence[int]) -> Tensor:
    y = x._view(_C.expand(x._array, shape))
    if tracks(x):
        record(y, _expand_backward, (x,))
    return y


def _expand_backward(node: Node, grad: Tensor) -> Tensor:
    return grad  # the engine sums it to the input's shape


@method()
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """As ``expand`` to the shape of ``other``."""
    return _expanded(self, other._array.shape)


@method()
def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """A view of ``input`` broadcast to ``size``."""
    if not isinstance(input, Tensor):
        expect_tensors("broadcast_to", input=input)
    return _expanded(input, shape_of((size,), "broadcast_to"))


def broadcast_shapes(*shapes: Sequence[int] | int) -> Any:
    """The shape that all of ``shapes`` broadcast to.

    Example:
        >>> lamina.broadcast_shapes((2, 1), (3,))
        lamina.Size([2, 3])
    """
    from lamina.size import Size

    result: tuple[int, ...] = ()
    for shape in shapes:
        result = _C.broadcast_shapes(result, shape_of((shape,), "broadcast_shapes"))
    return Size(result)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Views of all tensors in the shape that they broadcast to."""
    for t in tensors:
        if not isinstance(t, Tensor):
            expect_tensors("broadcast_tensors", tensors=t)
    shape = broadcast_shapes(*[t._array.shape for t in tensors])
    return tuple([_expanded(t, shape) for t in tensors])


@method()
def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view of the storage of ``input`` with any sizes and strides.

    Args:
        input: a tensor; only its storage matters.
        size: the sizes of the view.
        stride: elements between neighbours along each dimension.
        storage_offset: elements from the start of the storage; default: as ``input``.

    Raises:
        ValueError: if the view would leave the storage.
    """
    shape, strides = shape_of((size,), "as_strided"), shape_of((stride,), "as_strided")
    offset = input._array.offset if storage_offset is None else storage_offset
    y = input._view(_C.as_strided(input._array, shape, strides, offset))
    if tracks(input):
        mine = (input._array.shape, input._array.strides, input._array.offset)
        record(y, _as_strided_backward, (input,), (mine, (shape, strides, offset), _extent(input._array)))
    return y


def _extent(a: _C.Array) -> int:
    return int(a.storage_bytes // a.itemsize)


def _as_strided_backward(node: Node, grad: Tensor) -> Tensor:
    mine, shown, extent = node.saved
    # The gradient of the storage, to which overlapping elements add, seen as the input saw the storage.
    from lamina.ops.creation import zeros
    from lamina.ops.indexing import index_put
    from lamina.ops.ranges import arange

    positions = as_strided(arange(extent, device=grad.device), *shown)
    storage = index_put(
        zeros(extent, dtype=grad.dtype, device=grad.device), (positions,), grad, accumulate=True
    )
    return as_strided(storage, *mine)


@method()
def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of ``size`` along a dimension, ``step`` apart; their elements are a new last dimension.

    Example:
        >>> lamina.tensor([1, 2, 3, 4]).unfold(0, 2, 1)
        tensor([[1, 2],
                [2, 3],
                [3, 4]])
    """
    y = self._view(_C.unfold(self._array, dimension, size, step))
    if tracks(self):
        record(y, _unfold_backward, (self,), (self._array.shape, dimension, size, step))
    return y


def _unfold_backward(node: Node, grad: Tensor) -> Tensor:
    return _fold(grad, *node.saved)


def _fold(windows: Tensor, shape: Sequence[int], dimension: int, size: int, step: int) -> Tensor:
    """The adjoint of unfold: windows added up where they overlap."""
    y = Tensor(_C.fold(windows._array, shape, dimension, size, step))
    if tracks(windows):
        record(y, _fold_backward, (windows,), (dimension, size, step))
    return y


def _fold_backward(node: Node, grad: Tensor) -> Tensor:
    return unfold(grad, *node.saved)


def _at_least(n: int, tensors: tuple[Any, ...]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
        return tuple([_at_least(n, (t,)) for t in tensors])
    if len(tensors) != 1:
        return tuple([_at_least(n, (t,)) for t in tensors])
    x = tensors[0]
    if not isinstance(x, Tensor):
        expect_tensors(f"atleast_{n}d", input=x)
    missing = n - x._array.ndim
    if missing <= 0:
        return x
    # As NumPy and torch: to three dimensions a matrix gets a last one, a vector one on either side.
    after = 1 if n == 3 and missing < 3 else 0
    return reshape(x, (1,) * (missing - after) + tuple(x.shape) + (1,) * after)


def atleast_1d(*tensors: Any) -> Any:
    """Each tensor as a view of at least one dimension."""
    return _at_least(1, tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Each tensor as a view of at least two dimensions, new ones in front."""
    return _at_least(2, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Each tensor as a view of at least three dimensions."""
    return _at_least(3, tensors)
