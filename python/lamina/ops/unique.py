"""The different elements, or slices, of a tensor."""

from __future__ import annotations

from typing import Any

from lamina import _C, dtypes
from lamina.ops.count import counts_of
from lamina.ops.creation import zeros
from lamina.ops.elementwise import expect_tensors
from lamina.ops.join import cat
from lamina.ops.ranges import arange
from lamina.ops.shape import dim_of, reshape
from lamina.ops.sort import argsort
from lamina.tensor import Tensor, method

__all__ = ["unique", "unique_consecutive"]


@method()
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements, or slices along a dimension, in order.

    Args:
        input: any tensor.
        sorted: accepted for torch's sake: the result is always in order.
        return_inverse: also give where in the result each element is, in the shape of ``input``, or each slice.
        return_counts: also give how often each comes.
        dim: the dimension whose slices are told apart; default: the tensor is flattened.

    Raises:
        ValueError: if slices along ``dim`` are empty and there is one.

    Example:
        >>> lamina.unique(lamina.tensor([3, 1, 3]), return_counts=True)
        (tensor([1, 3]), tensor([1, 2]))
        >>> lamina.unique(lamina.tensor([[2, 0], [1, 5], [2, 0]]), dim=0)
        tensor([[1, 5],
                [2, 0]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("unique", input=input)
    if dim is not None:
        return _unique_slices(input, dim, True, return_inverse, return_counts, "unique")
    ordered, positions = _C.sort(_flat(input), 0, -1, False, "unique")
    run, count = _C.runs(ordered)
    values = Tensor(_firsts(ordered, run, count))
    return _results(values, run, count, positions, input._array.shape, return_inverse, return_counts)


@method()
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements, or slices, without those equal to the one before; arguments as :func:`lamina.unique`.

    Example:
        >>> lamina.unique_consecutive(lamina.tensor([1, 1, 2, 1]))
        tensor([1, 2, 1])
    """
    if not isinstance(input, Tensor):
        expect_tensors("unique_consecutive", input=input)
    if dim is not None:
        return _unique_slices(input, dim, False, return_inverse, return_counts, "unique_consecutive")
    flat = _flat(input)
    run, count = _C.runs(flat)
    values = Tensor(_firsts(flat, run, count))
    return _results(values, run, count, None, input._array.shape, return_inverse, return_counts)


def _flat(x: Tensor) -> _C.Array:
    return reshape(x.detach(), (-1,))._array


def _unique_slices(
    x: Tensor, dim: int, ordered: bool, return_inverse: bool, return_counts: bool, op: str
) -> Any:
    """Slices as rows: sorted by each column, the last first, then cut where a row differs from the one before."""
    x = x.detach() if x.ndim else reshape(x.detach(), (1,))
    d = dim_of(dim, x.ndim, op)
    n = x._array.shape[d]
    if x.numel() == 0 and n > 0:
        raise ValueError(f"[{op}] expected slices with elements, got shape {tuple(x.shape)} and dim {dim}")
    rows = reshape(x.movedim(d, 0), (n, x.numel() // max(n, 1)))
    positions = arange(n, device=x.device)
    if ordered:
        for column in reversed(rows.unbind(1)):
            positions = positions[argsort(column[positions])]
    rows = rows[positions]
    starts = (rows[1:] != rows[:-1]).any(1)
    run = cat([zeros(min(n, 1), dtype=dtypes.int64, device=x.device), starts.cumsum(0)])._array
    count = int(starts.sum().item()) + 1 if n else 0
    values = x.index_select(d, Tensor(_firsts(positions._array, run, count)))
    return _results(values, run, count, positions._array, (n,), return_inverse, return_counts)


def _firsts(elements: _C.Array, run: _C.Array, count: int) -> _C.Array:
    """The first element of each run of equals."""
    values = _C.empty((count,), elements.dtype, elements.device)
    # Written last, since writes keep the order of their positions.
    _C.index_write(values, 0, _C.flip(run, (0,)), _C.flip(elements, (0,)), _C.Combine.assign, "unique")
    return values


def _results(
    values: Tensor,
    run: _C.Array,
    count: int,
    positions: _C.Array | None,
    shape: tuple[int, ...],
    return_inverse: bool,
    return_counts: bool,
) -> Any:
    """What was asked for; of elements in order, the number of each one's run, and where they came from."""
    results = [values]
    if return_inverse:
        inverse = run
        if positions is not None:
            inverse = _C.empty_like(run, run.dtype)
            _C.index_write(inverse, 0, positions, run, _C.Combine.assign, "unique")
        results.append(reshape(Tensor(inverse), shape))
    if return_counts:
        results.append(counts_of(run, count, 1, dtypes.int64))
    return results[0] if len(results) == 1 else tuple(results)
