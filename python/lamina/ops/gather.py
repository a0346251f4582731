"""Positions along one dimension: an index of the whole shape (gather, scatter) or one for all rows (index_select)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.autograd.inplace import take_place
from lamina.dtypes import int64
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import deliver, expect_tensors, mul
from lamina.ops.indexing import placed
from lamina.ops.select import where
from lamina.ops.shape import dim_of, reshape
from lamina.ops.strided import broadcast_shapes, expand
from lamina.tensor import Tensor, method

__all__ = [
    "gather",
    "index_add",
    "index_copy",
    "index_fill",
    "index_select",
    "scatter",
    "scatter_add",
    "take_along_dim",
]

Number = bool | int | float
_REDUCTIONS = {None: _C.Combine.assign, "add": _C.Combine.add, "multiply": _C.Combine.multiply}


def _index(index: Any, op: str) -> _C.Array:
    if not isinstance(index, Tensor):
        raise TypeError(f"[{op}] expected an index tensor of integers, got {type(index).__name__}")
    if index._array.numel == 0 and not index.dtype.is_floating_point:
        return _C.cast(index._array, int64.code)  # where nothing is named, torch takes any integers
    return index._array


def _zeros(like: Tensor, shape: Sequence[int]) -> Tensor:
    return Tensor(_C.new_zeros(like._array, shape))


def _target(x: Tensor, source: Any, op: str, in_place: bool) -> tuple[Tensor, bool]:
    """Where to write, and whether to record."""
    if in_place:
        return Tensor(x._array), x._check_inplace(f"{op}_", source)
    return Tensor(_C.clone(x._array)), tracks(x, source)


def _finish(x: Tensor, y: Tensor, recorded: bool, in_place: bool) -> Tensor:
    """Gives ``x`` itself after a write in place, with the place in the graph of the result ``y``."""
    if in_place and recorded:
        take_place(x, y)
    return x if in_place else y


@method()
def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None
) -> Tensor:
    """Elements at the positions that ``index`` gives along a dimension: ``out[i][j] = input[i][index[i][j]]`` for 1.

    Args:
        input: any tensor.
        dim: the dimension that the positions belong to.
        index: int64 positions, with as many dimensions as ``input``, nowhere larger except along ``dim``.
        sparse_grad: accepted for torch's sake; gradients are dense.
        out: where to write the result.

    Raises:
        IndexError: if a position is out of range.

    Example:
        >>> lamina.gather(lamina.tensor([[1, 2], [3, 4]]), 1, lamina.tensor([[1], [0]]))
        tensor([[2],
                [3]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("gather", input=input)
    y = Tensor(_C.gather(input._array, dim, _index(index, "gather")))
    if tracks(input):
        record(y, _gather_backward, (input,), (dim, input._array.shape, index))
    return y if out is None else deliver(y, out)


def _gather_backward(node: Node, grad: Tensor) -> Tensor:
    dim, shape, index = node.saved
    return scatter_add_(_zeros(grad, shape), dim, index, grad)


@method()
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Number | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
) -> Tensor:
    """A copy with elements written along a dimension: ``out[i][index[i][j]] = src[i][j]`` for dimension 1.

    Args:
        input: any tensor.
        dim: the dimension that the positions belong to.
        index: int64 positions, with as many dimensions as ``input``, nowhere larger except along ``dim``.
        src: a tensor at least as large as ``index``, or a number.
        value: a number, instead of ``src``.
        reduce: ``"add"`` or ``"multiply"`` to combine with what is there; default: replace it. Where positions repeat,
            elements are combined in their order; without ``reduce`` the last one stays.

    Raises:
        IndexError: if a position is out of range.

    Example:
        >>> lamina.scatter(lamina.zeros(2, 3), 1, lamina.tensor([[2], [0]]), 1.0)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("scatter", input=input)
    return _scattered(input, dim, index, *_scatter_arguments(input, src, value, reduce), "scatter")


@method()
def scatter_(
    self: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor | Number | None = None,
    *,
    value: Number | None = None,
    reduce: str | None = None,
) -> Tensor:
    """As :func:`lamina.scatter`, in place."""
    return _scattered(self, dim, index, *_scatter_arguments(self, src, value, reduce), "scatter", True)


def _scatter_arguments(
    x: Tensor, src: Any, value: Number | None, reduce: str | None
) -> tuple[Any, _C.Combine]:
    source = value if src is None else src
    if source is None or (src is not None and value is not None):
        raise TypeError("[scatter] expected either src or value")
    if reduce not in _REDUCTIONS:
        raise ValueError(f"[scatter] expected reduce to be 'add' or 'multiply', got {reduce!r}")
    if reduce == "multiply" and tracks(x, source):
        raise RuntimeError("[scatter] reduce='multiply' has no gradient; detach() the tensors")
    return source, _REDUCTIONS[reduce]


def _scattered(
    x: Tensor, dim: int, index: Tensor, source: Any, combine: _C.Combine, op: str, in_place: bool = False
) -> Tensor:
    y, recorded = _target(x, source, op, in_place)
    is_tensor = isinstance(source, Tensor)
    _C.scatter(y._array, dim, _index(index, op), source._array if is_tensor else source, combine, op)
    if recorded:
        saved = (dim, combine, source._array.shape if is_tensor else None, index)
        record(y, _scatter_backward, (x, source if is_tensor else None), saved)
    return _finish(x, y, recorded, in_place)


def _scatter_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    dim, combine, shape, index = node.saved
    into = values = None
    if node.needs(0):
        into = (
            grad
            if combine == _C.Combine.add
            else _scattered(grad, dim, index, 0, _C.Combine.assign, "scatter")
        )
    if node.needs(1):
        values = gather(grad, dim, index)
        if values._array.shape != shape:  # what lies beyond the index was not used
            values = placed(values, shape, tuple([slice(0, n) for n in values._array.shape]))
    return into, values


@method()
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with the elements of ``src`` added along a dimension; arguments as :func:`lamina.scatter`.

    Elements that meet are added in their order, so that the result has the same bits every time.

    Example:
        >>> lamina.scatter_add(lamina.zeros(3), 0, lamina.tensor([0, 2, 0]), lamina.ones(3))
        tensor([2., 0., 1.])
    """
    if not (isinstance(input, Tensor) and isinstance(index, Tensor) and isinstance(src, Tensor)):
        expect_tensors("scatter_add", input=input, index=index, src=src)
    if casting.on:
        return in_autocast(scatter_add, input, dim, index, src)
    return _scattered(input, dim, index, src, _C.Combine.add, "scatter_add")


@method()
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """As :func:`lamina.scatter_add`, in place."""
    return _scattered(self, dim, index, src, _C.Combine.add, "scatter_add", True)


@method()
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices at positions of a dimension.

    Args:
        input: any tensor.
        dim: the dimension.
        index: int64 or int32 positions, of one dimension.

    Raises:
        IndexError: if a position is out of range.

    Example:
        >>> lamina.index_select(lamina.tensor([[1, 2], [3, 4]]), 1, lamina.tensor([1]))
        tensor([[2],
                [4]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("index_select", input=input)
    y = Tensor(_C.index_select(input._array, dim, _index(index, "index_select")))
    if tracks(input):
        record(y, _index_select_backward, (input,), (dim, input._array.shape, index))
    return y


def _index_select_backward(node: Node, grad: Tensor) -> Tensor:
    dim, shape, index = node.saved
    return index_add_(_zeros(grad, shape), dim, index, grad)


def _index_written(
    x: Tensor, dim: int, index: Tensor, source: Any, combine: _C.Combine, op: str, in_place: bool = False
) -> Tensor:
    y, recorded = _target(x, source, op, in_place)
    is_tensor = isinstance(source, Tensor)
    _C.index_write(y._array, dim, _index(index, op), source._array if is_tensor else source, combine, op)
    if recorded:
        shape = source._array.shape if is_tensor else None
        record(y, _index_write_backward, (x, source if is_tensor else None), (dim, combine, shape, index))
    return _finish(x, y, recorded, in_place)


def _index_write_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    dim, combine, shape, index = node.saved
    into = values = None
    if node.needs(0):
        into = grad if combine == _C.Combine.add else index_fill(grad, dim, index, 0)
    if node.needs(1):
        values = index_select(grad, dim, index)
        if shape == ():  # one value for all: a slice counts once, however often the index names it
            values = mul(grad, index_fill(_zeros(grad, grad._array.shape), dim, index, 1)).sum()
    return into, values


@method()
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """A copy with ``alpha`` times the slices of ``source`` added at positions of a dimension, in their order.

    Args:
        input: any tensor.
        dim: the dimension.
        index: int64 or int32 positions, of one dimension.
        source: as ``input``, with as many slices along ``dim`` as there are positions.
        alpha: a factor of ``source``.

    Example:
        >>> lamina.index_add(lamina.zeros(2, 2), 0, lamina.tensor([1, 1]), lamina.ones(2, 2))
        tensor([[0., 0.],
                [2., 2.]])
    """
    if not (isinstance(input, Tensor) and isinstance(index, Tensor) and isinstance(source, Tensor)):
        expect_tensors("index_add", input=input, index=index, source=source)
    return _index_written(input, dim, index, _scaled(source, alpha), _C.Combine.add, "index_add")


@method()
def index_add_(self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Number = 1) -> Tensor:
    """As :func:`lamina.index_add`, in place."""
    return _index_written(self, dim, index, _scaled(source, alpha), _C.Combine.add, "index_add", True)


def _scaled(source: Tensor, alpha: Number) -> Tensor:
    return source if alpha == 1 else source * alpha


@method()
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with the slices of ``source`` at positions of a dimension; arguments as :func:`lamina.index_add`."""
    if not (isinstance(input, Tensor) and isinstance(index, Tensor) and isinstance(source, Tensor)):
        expect_tensors("index_copy", input=input, index=index, source=source)
    if casting.on:
        return in_autocast(index_copy, input, dim, index, source)
    return _index_written(input, dim, index, source, _C.Combine.assign, "index_copy")


@method()
def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """As :func:`lamina.index_copy`, in place."""
    return _index_written(self, dim, index, source, _C.Combine.assign, "index_copy", True)


@method()
def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """A copy with ``value``, a number or a 0-d tensor, in the slices at positions of a dimension.

    Example:
        >>> lamina.index_fill(lamina.zeros(3), 0, lamina.tensor([0, 2]), 1)
        tensor([1., 0., 1.])
    """
    if not isinstance(input, Tensor):
        expect_tensors("index_fill", input=input)
    return _index_written(input, dim, index, _single(value), _C.Combine.assign, "index_fill")


@method()
def index_fill_(self: Tensor, dim: int, index: Tensor, value: Tensor | Number) -> Tensor:
    """As :func:`lamina.index_fill`, in place."""
    return _index_written(self, dim, index, _single(value), _C.Combine.assign, "index_fill", True)


def _single(value: Tensor | Number) -> Tensor | Number:
    if isinstance(value, Tensor) and value._array.ndim:
        raise ValueError(f"[index_fill] expected a number or a 0-d tensor, got shape {tuple(value.shape)}")
    return value


@method()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As :func:`lamina.gather`, with shapes that broadcast except in ``dim``.

    Args:
        input: any tensor.
        indices: int64 positions, negative ones counted from the end.
        dim: the dimension; default: both tensors are flattened.

    Example:
        >>> x = lamina.tensor([[3, 1], [2, 4]])
        >>> lamina.take_along_dim(x, x.argsort(1), 1)
        tensor([[1, 3],
                [2, 4]])
    """
    if not (isinstance(input, Tensor) and isinstance(indices, Tensor)):
        expect_tensors("take_along_dim", input=input, indices=indices)
    if dim is None:
        return take_along_dim(reshape(input, (-1,)), reshape(indices, (-1,)), 0)
    n = input._array.ndim
    if indices._array.ndim != n:
        raise ValueError(
            f"[take_along_dim] expected {n} dimensions, got indices of shape {tuple(indices.shape)}"
        )
    d = dim_of(dim, n, "take_along_dim")
    mine, theirs = list(input._array.shape), list(indices._array.shape)
    length, count = mine[d], theirs[d]
    mine[d] = theirs[d] = 1
    shape = list(broadcast_shapes(mine, theirs))
    wide = [*shape[:d], length, *shape[d + 1 :]], [*shape[:d], count, *shape[d + 1 :]]
    positions = where(indices < 0, indices + length, indices)  # gather takes no negative ones
    return gather(expand(input, wide[0]), d, expand(positions, wide[1]))
