"""``x[key]`` and ``x[key] = value`` with NumPy's keys, and the functions that do the same with tensors of positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _C, dtypes
from lamina.autograd.graph import Node, record, tracks
from lamina.autograd.inplace import take_place
from lamina.ops.elementwise import expect_tensors, raw
from lamina.ops.keys import Advanced, normalise
from lamina.ops.shape import reshape
from lamina.ops.strided import broadcast_tensors
from lamina.tensor import Tensor, method

__all__ = [
    "argwhere",
    "index_put",
    "masked_scatter",
    "masked_select",
    "nonzero",
    "take",
]


@method("__getitem__")
def _getitem(self: Tensor, key: Any) -> Tensor:
    """The elements at ``key``.

    Integers, slices, ``None`` and ``...`` give a view; tensors, arrays and lists of positions and masks give a copy.
    """
    array = _C.basic_index(self._array, key)
    if array is None:
        key = normalise(key, self._array)
        if type(key) is Advanced:
            return _taken(self, key)
        array = _C.basic_index(self._array, key)
    y = self._view(array)
    if self._requires_grad and tracks(self):
        record(y, _getitem_backward, (self,), (self._array.shape, key))
    return y


def _getitem_backward(node: Node, grad: Tensor) -> Tensor:
    shape, key = node.saved
    return placed(grad, shape, key)


def placed(x: Tensor, shape: Sequence[int], key: Any) -> Tensor:
    """Zeros of ``shape`` with ``x`` at a basic key."""
    array = _C.new_zeros(x._array, shape)
    _C.basic_assign(array, key, x._array)
    y = Tensor(array)
    if tracks(x):
        record(y, _placed_backward, (x,), (key,))
    return y


def _placed_backward(node: Node, grad: Tensor) -> Tensor:
    (key,) = node.saved
    return _getitem(grad, key)


def _taken(x: Tensor, key: Advanced) -> Tensor:
    """The elements at an advanced key."""
    if key.basic is not None:
        x = _getitem(x, key.basic)
    y = Tensor(_C.index(x._array, key.arrays()))
    if tracks(x):
        record(y, _taken_backward, (x,), (x._array.shape, key, *key.indices))
    return y


def _taken_backward(node: Node, grad: Tensor) -> Tensor:
    shape, key, *_ = node.saved
    return _added_at(grad, shape, key.without_basic())


def _added_at(x: Tensor, shape: Sequence[int], key: Advanced) -> Tensor:
    """Zeros of ``shape`` to which ``x`` is added at a key, in the key's order where places repeat."""
    array = _C.new_zeros(x._array, shape)
    _C.index_put(array, key.arrays(), x._array, _C.Combine.add)
    y = Tensor(array)
    if tracks(x):
        record(y, _added_at_backward, (x,), (key, *key.indices))
    return y


def _added_at_backward(node: Node, grad: Tensor) -> Tensor:
    key, *_ = node.saved
    return _taken(grad, key)


@method("__setitem__")
def _setitem(self: Tensor, key: Any, value: Any) -> None:
    """Writes ``value``, a number or what broadcasts to the shape of ``self[key]``, to the elements at ``key``."""
    recorded = self._check_inplace("__setitem__", value)
    values = raw(value, "__setitem__")
    if not _C.basic_assign(self._array, key, values):
        key = normalise(key, self._array)
        _write(self._array, key, values)
    if recorded:
        _record_write(self, key, value)


def _write(array: _C.Array, key: Any, values: Any, combine: _C.Combine = _C.Combine.assign) -> None:
    if type(key) is not Advanced:
        _C.basic_assign(array, key, values)
        return
    if key.basic is not None:
        array = _C.basic_index(array, key.basic)
    _C.index_put(array, key.arrays(), values, combine)


def _record_write(x: Tensor, key: Any, value: Any, accumulate: bool = False) -> None:
    """Makes ``x``, already written to, the result of the write: of what it was before and of the values."""
    source = value if isinstance(value, Tensor) else None
    indices = key.indices if type(key) is Advanced else ()
    shape = None if source is None else source._array.shape
    result = record(Tensor(x._array), _setitem_backward, (x, source), (key, accumulate, shape, *indices))
    take_place(x, result)


def _setitem_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    key, accumulate, shape, *_ = node.saved
    into = None
    if node.needs(0):
        into = grad if accumulate else _cleared(grad, key)
    values = None
    if node.needs(1):
        values = _taken(grad, key) if type(key) is Advanced else _getitem(grad, key)
        if len(shape) > values._array.ndim:  # leading dimensions of size 1 that the write dropped
            values = reshape(values.sum_to_size(shape[len(shape) - values._array.ndim :]), shape)
    return into, values


def _cleared(x: Tensor, key: Any) -> Tensor:
    """A copy with zeros at a key; its own adjoint."""
    array = _C.clone(x._array)
    _write(array, key, 0)
    y = Tensor(array)
    if tracks(x):
        record(y, _cleared_backward, (x,), (key, *(key.indices if type(key) is Advanced else ())))
    return y


def _cleared_backward(node: Node, grad: Tensor) -> Tensor:
    key, *_ = node.saved
    return _cleared(grad, key)


def _indices_key(x: Tensor, indices: Sequence[Tensor | None], op: str) -> Advanced:
    if not isinstance(indices, (tuple, list)) or not all(i is None or isinstance(i, Tensor) for i in indices):
        raise TypeError(f"[{op}] expected a tuple of tensors, got {type(indices).__name__}")
    key = normalise(tuple([slice(None) if i is None else _one_d(i) for i in indices]), x._array)
    if type(key) is not Advanced:
        raise ValueError(f"[{op}] expected at least one index")
    return key


def _one_d(index: Tensor) -> Tensor:
    """A 0-d tensor of positions stays an index instead of counting as an integer."""
    return index.reshape(1) if index._array.ndim == 0 and index.dtype is not dtypes.bool else index


@method()
def index_put_(
    self: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False
) -> Tensor:
    """As :func:`lamina.index_put`, in place."""
    recorded = self._check_inplace("index_put_", values)
    key = _indices_key(self, indices, "index_put_")
    _write(self._array, key, raw(values, "index_put_"), _C.Combine.add if accumulate else _C.Combine.assign)
    if recorded:
        _record_write(self, key, values, accumulate)
    return self


@method()
def index_put(
    input: Tensor, indices: Sequence[Tensor | None], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy with ``values`` written, or added, at ``input[indices]``.

    Args:
        input: any tensor.
        indices: tensors of positions, or masks, that broadcast with each other.
        values: what broadcasts to the shape of ``input[indices]``.
        accumulate: add, also several times where positions repeat, in their order; else the last one stays.

    Raises:
        IndexError: if a position is out of range.

    Example:
        >>> i = lamina.tensor([0, 2, 0])
        >>> lamina.index_put(lamina.zeros(3), (i,), lamina.ones(3), accumulate=True)
        tensor([2., 0., 1.])
    """
    if not (isinstance(input, Tensor) and isinstance(values, Tensor)):
        expect_tensors("index_put", input=input, values=values)
    return input.clone().index_put_(indices, values, accumulate)


@method()
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at positions of the flattened tensor, in the shape of ``index``.

    Example:
        >>> lamina.tensor([[1, 2], [3, 4]]).take(lamina.tensor([0, -1]))
        tensor([1, 4])
    """
    if not isinstance(input, Tensor):
        expect_tensors("take", input=input)
    if not isinstance(index, Tensor) or index.dtype is not dtypes.int64:
        raise TypeError("[take] expected an index tensor of int64")
    return _taken(reshape(input, (-1,)), Advanced(None, [0], [index]))


def _as_mask(mask: Tensor, op: str) -> Tensor:
    if not isinstance(mask, Tensor) or mask.dtype is not dtypes.bool:
        kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"[{op}] expected a bool tensor as mask, got {kind}")
    return mask


@method()
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where ``mask`` is set, in one dimension; the shapes broadcast.

    Example:
        >>> x = lamina.tensor([1, 2, 3])
        >>> x.masked_select(lamina.tensor([True, False, True]))
        tensor([1, 3])
    """
    if not (isinstance(input, Tensor) and isinstance(mask, Tensor)):
        expect_tensors("masked_select", input=input, mask=mask)
    x, where = broadcast_tensors(input, _as_mask(mask, "masked_select"))
    return _getitem(x, where)


@method()
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """A copy in which the elements where ``mask`` is set are, in order, those of ``source``.

    Args:
        input: any tensor.
        mask: a bool tensor that broadcasts with ``input``.
        source: at least as many elements as are set.
    """
    if not (isinstance(input, Tensor) and isinstance(mask, Tensor) and isinstance(source, Tensor)):
        expect_tensors("masked_scatter", input=input, mask=mask, source=source)
    x, where = broadcast_tensors(input, _as_mask(mask, "masked_scatter"))
    return x.clone().masked_scatter_(where, source)


@method()
def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """As :func:`lamina.masked_scatter`, in place."""
    where = _as_mask(mask, "masked_scatter_").expand(self._array.shape)
    if source.dtype is not self.dtype:
        raise TypeError(f"[masked_scatter] expected a source of {self.dtype}, got {source.dtype}")
    count = _C.nonzero(where._array).shape[0]
    if source._array.numel < count:
        raise ValueError(f"[masked_scatter] expected at least {count} elements, got {source._array.numel}")
    self[where] = reshape(source, (-1,))[:count]
    return self


@method()
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where elements are not zero.

    Args:
        input: any tensor.
        as_tuple: give one tensor of positions a dimension, as ``input[...]`` takes them, instead of rows.

    Returns:
        (n, dimensions) positions in row-major order; or a tuple of (n,).

    Example:
        >>> lamina.nonzero(lamina.tensor([[0, 1], [2, 0]]))
        tensor([[0, 1],
                [1, 0]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("nonzero", input=input)
    if as_tuple:
        return tuple([Tensor(a) for a in _C.nonzero_tuple(input._array)])
    return Tensor(_C.nonzero(input._array))


@method()
def argwhere(input: Tensor) -> Tensor:
    """As :func:`lamina.nonzero`."""
    return Tensor(_C.nonzero(input._array))
