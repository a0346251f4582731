"""What may stand between the brackets of ``x[...]``, brought to one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _C, dtypes
from lamina.ops.creation import tensor
from lamina.tensor import Tensor


class Advanced:
    """A key with tensors in it: a basic key first, then tensors at dimensions of what it shows.

    Attributes:
        basic: the key to apply first, or None where it would change nothing.
        dims: for each tensor the first dimension that it indexes.
        indices: int64 or int32 positions, or bool masks, which cover as many dimensions as they have.
    """

    __slots__ = ("basic", "dims", "indices")

    def __init__(self, basic: tuple[Any, ...] | None, dims: list[int], indices: list[Tensor]) -> None:
        self.basic = basic
        self.dims = dims
        self.indices = indices

    def arrays(self) -> list[tuple[int, _C.Array]]:
        return [(d, i._array) for d, i in zip(self.dims, self.indices, strict=True)]

    def without_basic(self) -> Advanced:
        return self if self.basic is None else Advanced(None, self.dims, self.indices)


def normalise(key: Any, array: _C.Array) -> tuple[Any, ...] | Advanced:
    """A key of ``array`` that is not basic at first sight, as a basic tuple or as Advanced.

    As in torch, integers are taken first; what counts as separated by slices is what is left.
    """
    shape = array.shape
    items = [_item(k, array) for k in (key if isinstance(key, tuple) else (key,))]
    indices = [k for k in items if isinstance(k, Tensor)]
    if not indices:
        return tuple(items)
    missing = len(shape) - sum(map(_covers, items))
    if missing < 0:
        raise IndexError(f"[index] too many indices: got {len(shape) - missing} for shape {tuple(shape)}")
    basic: list[Any] = []
    dims: list[int] = []
    d = 0  # the dimension of what `basic` shows
    for k in items:
        if k is Ellipsis:
            d += missing
        elif isinstance(k, Tensor):
            dims.append(d)
            d += max(k._array.ndim, 1) if k.dtype is dtypes.bool else 1
            # A bool, or a 0-d mask, chooses from a new dimension of size 1.
            is_flag = k.dtype is dtypes.bool and k._array.ndim == 0
            basic.extend([None] if is_flag else [slice(None)] * _covers(k))
            continue
        elif not isinstance(k, int):
            d += 1
        basic.append(k)
    if items.count(Ellipsis) > 1:
        raise IndexError("[index] expected at most one ellipsis")
    ready = [i.reshape(1) if i._array.ndim == 0 and i.dtype is dtypes.bool else i for i in indices]
    trivial = all(isinstance(k, slice) and k == slice(None) for k in basic)
    return Advanced(None if trivial else tuple(basic), dims, ready)


def _covers(item: Any) -> int:
    """How many dimensions of the tensor an item takes."""
    if isinstance(item, Tensor) and item.dtype is dtypes.bool:
        return item._array.ndim
    return 0 if item is None or item is Ellipsis else 1


def _item(item: Any, array: _C.Array) -> Any:
    """An int, a slice, None, an ellipsis, or a tensor of positions or bools: on the array's device if it was none."""
    if item is None or item is Ellipsis or isinstance(item, slice) or type(item) is int:
        return item
    if isinstance(item, Tensor):
        return _index_tensor(item)
    if isinstance(item, bool):
        return _placed(tensor(item), array)
    if hasattr(item, "__array__"):
        return _placed(_from_numpy(item), array)
    if hasattr(item, "__index__"):
        return item.__index__()
    if isinstance(item, Sequence) and not isinstance(item, (str, bytes)):
        index = tensor(list(item))
        return _placed(index.to(dtypes.int64) if index._array.numel == 0 else _index_tensor(index), array)
    raise TypeError(
        "[index] expected integers, slices, None, ..., masks or tensors of positions, "
        f"got {type(item).__name__}"
    )


def _placed(index: Any, array: _C.Array) -> Any:
    return Tensor(_C.to_device(index._array, array.device, True)) if isinstance(index, Tensor) else index


def _index_tensor(index: Tensor) -> Any:
    if index.dtype not in (dtypes.int64, dtypes.int32, dtypes.bool):
        raise TypeError(
            f"[index] expected positions of int64 or int32, or a bool mask, got {index.dtype}; "
            "convert with .long() or .bool()"
        )
    if index._array.ndim == 0 and index.dtype is not dtypes.bool:
        return int(index._array.item())
    return index


def _from_numpy(array: Any) -> Any:
    import numpy as np

    values = np.asarray(array)
    if values.dtype.kind in "iu":
        values = values.astype(np.int64)
    return _index_tensor(Tensor(_C.from_numpy(values)))
