"""Which values there are, how often, and where they belong: unique, bincount, searchsorted."""

from __future__ import annotations

from typing import Any

from lamina import _C, dtypes
from lamina.devices import device
from lamina.ops.creation import tensor, zeros
from lamina.ops.shape import reshape
from lamina.tensor import Tensor, method

__all__ = ["bincount", "bucketize", "searchsorted", "unique", "unique_consecutive"]


@method()
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False
) -> Any:
    """The different elements, in order.

    Args:
        input: any tensor; it is flattened.
        sorted: accepted for torch's sake: the result is always in order.
        return_inverse: also give, in the shape of ``input``, where in the result each element is.
        return_counts: also give how often each comes.

    Example:
        >>> lamina.unique(lamina.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
    """
    ordered, positions = _C.sort(_flat(input)._array, 0, -1, False, "unique")
    run, count = _C.runs(ordered)
    return _unique(input, ordered, run, count, positions, return_inverse, return_counts)


@method()
def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The elements without those equal to the one before; arguments as :func:`lamina.unique`.

    Example:
        >>> lamina.unique_consecutive(lamina.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    flat = _flat(input)._array
    run, count = _C.runs(flat)
    return _unique(input, flat, run, count, None, return_inverse, return_counts)


def _flat(x: Tensor) -> Tensor:
    return reshape(x.detach(), (-1,))


def _unique(
    x: Tensor,
    elements: _C.Array,
    run: _C.Array,
    count: int,
    positions: _C.Array | None,
    return_inverse: bool,
    return_counts: bool,
) -> Any:
    """From elements whose equals are neighbours, the number of each one's run, and where they came from."""
    values = _C.empty((count,), elements.dtype, elements.device)
    # The first of a run stays: written last, since a scatter keeps the order.
    _C.index_write(values, 0, _C.flip(run, (0,)), _C.flip(elements, (0,)), _C.Combine.assign, "unique")
    results = [Tensor(values)]
    if return_inverse:
        inverse = run
        if positions is not None:
            inverse = _C.empty_like(run, run.dtype)
            _C.index_write(inverse, 0, positions, run, _C.Combine.assign, "unique")
        results.append(reshape(Tensor(inverse), x._array.shape))
    if return_counts:
        results.append(_counts(run, count, 1, dtypes.int64))
    return results[0] if len(results) == 1 else tuple(results)


def _counts(index: _C.Array, n: int, weights: Any, dtype: Any) -> Tensor:
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
        return _counts(index, n, 1, dtypes.int64)
    dtype = weights.dtype if weights.dtype in (dtypes.float32, dtypes.float64) else dtypes.float64
    return _counts(index, n, _C.cast(weights._array, dtype.code), dtype)


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
) -> Tensor:
    """Where values belong in sorted rows, so that the rows stay sorted.

    Args:
        sorted_sequence: (..., n) rows in order; one row serves values of any shape.
        input: (..., m) values, or a number.
        out_int32: give int32 positions instead of int64.
        right: after the elements that are equal, instead of before them.
        side: ``"right"`` or ``"left"``, in words.

    Example:
        >>> lamina.searchsorted(lamina.tensor([1, 3, 5]), lamina.tensor([3, 6]))
        tensor([1, 3])
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ValueError(
            f"[searchsorted] expected side to be 'left' or 'right' and to agree with right, got {side!r}"
        )
    return _searched(sorted_sequence, input, right or side == "right", out_int32, "searchsorted")


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
