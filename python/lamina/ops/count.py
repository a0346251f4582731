"""How often values come, and where they belong: bincount, searchsorted."""

from __future__ import annotations

from typing import Any

from lamina import _C, dtypes
from lamina.devices import device
from lamina.ops.creation import tensor, zeros
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor, method

__all__ = ["bincount", "bucketize", "searchsorted"]


def counts_of(index: _C.Array, n: int, weights: Any, dtype: Any) -> Tensor:
    """For each of 0 to n - 1 the weights, an array or a number, at which the index has it, added up."""
    counts = zeros(n, dtype=dtype, device=device.from_code(index.device))
    _C.index_write(counts._array, 0, index, weights, _C.Combine.add, "bincount")
    return counts


@method()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each integer comes.

    Args:
        input: (n,) integers of at least 0.
        weights: (n,) what each counts; default: 1.
        minlength: the least length of the result.

    Raises:
        ValueError: for negative integers and other shapes.

    Example:
        >>> lamina.bincount(lamina.tensor([1, 0, 1]))
        tensor([1, 2])
    """
    if not isinstance(input, Tensor):
        expect_tensors("bincount", input=input)
    if weights is not None and not isinstance(weights, Tensor):
        expect_tensors("bincount", weights=weights)
    if input._array.ndim != 1 or input.dtype.is_floating_point or input.dtype is dtypes.bool:
        raise ValueError(
            f"[bincount] expected a vector of integers, got {input.dtype} of shape {tuple(input.shape)}"
        )
    if minlength < 0:
        raise ValueError(f"[bincount] expected a minlength of at least 0, got {minlength}")
    if weights is not None and weights._array.shape != input._array.shape:
        raise ValueError(
            f"[bincount] expected weights of shape {tuple(input.shape)}, got {tuple(weights.shape)}"
        )
    index = _C.cast(input._array, dtypes.int64.code)
    low, high = _C.extent(index) if index.numel else (0, -1)
    if low < 0:
        raise ValueError(f"[bincount] expected integers of at least 0, got {low}")
    n = max(high + 1, minlength)
    if weights is None:
        return counts_of(index, n, 1, dtypes.int64)
    dtype = weights.dtype if weights.dtype in (dtypes.float32, dtypes.float64) else dtypes.float64
    return counts_of(index, n, _C.cast(weights._array, dtype.code), dtype)


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where values belong in sorted rows, so that the rows stay sorted.

    Args:
        sorted_sequence: (..., n) rows in order; one row serves values of any shape.
        input: (..., m) values, or a number.
        out_int32: give int32 positions instead of int64.
        right: after the elements that are equal, instead of before them.
        side: ``"right"`` or ``"left"``, in words.
        sorter: int64 positions that put the rows in order, as ``argsort`` gives; default: they are in order.

    Example:
        >>> lamina.searchsorted(lamina.tensor([1, 3, 5]), lamina.tensor([3, 6]))
        tensor([1, 3])
    """
    if not isinstance(sorted_sequence, Tensor):
        expect_tensors("searchsorted", sorted_sequence=sorted_sequence)
    if sorter is not None and not isinstance(sorter, Tensor):
        expect_tensors("searchsorted", sorter=sorter)
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ValueError(
            f"[searchsorted] expected side to be 'left' or 'right' and to agree with right, got {side!r}"
        )
    rows = sorted_sequence
    if sorter is not None:
        if sorter.dtype is not dtypes.int64:
            raise TypeError(f"[searchsorted] expected a sorter of int64, got {sorter.dtype}")
        if sorter._array.shape != rows._array.shape:
            raise ValueError(
                f"[searchsorted] expected a sorter of shape {tuple(rows.shape)}, got {tuple(sorter.shape)}"
            )
        rows = Tensor(_C.gather(rows._array, -1, sorter._array))
    return _searched(rows, input, right or side == "right", out_int32, "searchsorted")


def bucketize(
    input: Tensor | float, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Between which boundaries values lie.

    Args:
        input: values of any shape, or a number.
        boundaries: (n,) in order.
        out_int32: give int32 positions instead of int64.
        right: bucket i is ``boundaries[i-1] <= x < boundaries[i]``, instead of ``< x <=``.

    Example:
        >>> lamina.bucketize(lamina.tensor([3, 6]), lamina.tensor([1, 3, 5]))
        tensor([1, 3])
    """
    if not isinstance(boundaries, Tensor):
        expect_tensors("bucketize", boundaries=boundaries)
    if boundaries._array.ndim != 1:
        raise ValueError(
            f"[bucketize] expected boundaries of 1 dimension, got shape {tuple(boundaries.shape)}"
        )
    return _searched(boundaries, input, right, out_int32, "bucketize")


def _searched(rows: Tensor, values: Tensor | float, right: bool, out_int32: bool, op: str) -> Tensor:
    if not isinstance(values, Tensor):
        exact = rows.dtype if rows.dtype.is_floating_point else None
        wanted = exact or (dtypes.float64 if isinstance(values, float) else None)
        values = tensor(values, dtype=wanted, device=rows.device)
    common = _C.promote(rows._array.dtype, values._array.dtype)
    found = Tensor(_C.searchsorted(_C.cast(rows._array, common), _C.cast(values._array, common), right, op))
    return found.to(dtypes.int32) if out_int32 else found
