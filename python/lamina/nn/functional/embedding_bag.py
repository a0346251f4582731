"""Sums, means and maxima of bags of a table's rows."""

from __future__ import annotations

from typing import Any

from lamina import _C, dtypes
from lamina.autograd.grad_mode import mode as grad_mode
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional.embedding import limit_norms, row_of
from lamina.ops.count import bincount
from lamina.ops.elementwise import expect_tensors
from lamina.ops.gather import index_add, index_select, scatter_add
from lamina.ops.join import cat
from lamina.ops.ranges import arange
from lamina.ops.rearrange import repeat_interleave
from lamina.ops.select import where
from lamina.tensor import Tensor

__all__ = ["embedding_bag"]

_MODES = {"sum": _C.BagMode.sum, "mean": _C.BagMode.mean, "max": _C.BagMode.max}


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """One vector a bag: the sum, mean or maximum of the rows of ``weight`` that the bag names.

    Args:
        input: positions: (bags, size), or (n,) cut into bags by ``offsets``.
        weight: (rows, features).
        offsets: (bags,) where each bag begins in a 1-d input; the first at 0.
        max_norm, norm_type, scale_grad_by_freq: as :func:`lamina.nn.functional.embedding`.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        sparse: must be False: gradients are dense.
        per_sample_weights: factors of the rows, in the input's shape; for sums only.
        include_last_offset: whether ``offsets`` ends with the length of the input.
        padding_idx: a row that bags pass over.

    Returns:
        (bags, features); an empty bag gives zeros.

    Raises:
        ValueError: if the offsets don't fit the input, or the mode does not allow an argument.
        IndexError: if there is no such row.

    Example:
        >>> table = lamina.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> lamina.nn.functional.embedding_bag(lamina.tensor([[0, 1], [1, 1]]), table)
        tensor([[1., 2.],
                [2., 3.]])
    """
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor)):
        expect_tensors("embedding_bag", input=input, weight=weight)
    if offsets is not None and not isinstance(offsets, Tensor):
        expect_tensors("embedding_bag", offsets=offsets)
    if per_sample_weights is not None and not isinstance(per_sample_weights, Tensor):
        expect_tensors("embedding_bag", per_sample_weights=per_sample_weights)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"[embedding_bag] expected mode 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("[embedding_bag] scale_grad_by_freq does not go with mode 'max'")
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ValueError(
            f"[embedding_bag] expected mode 'sum' and weights in the input's shape {tuple(input.shape)}, "
            f"got mode {mode!r} and shape {tuple(per_sample_weights.shape)}"
        )
    if sparse:
        raise ValueError("[embedding_bag] sparse gradients are not supported; their sums are dense here")
    bounds, index, rows = _bounds(input, offsets, include_last_offset), input.reshape(-1), weight.shape[0]
    padding = -1 if padding_idx is None else row_of(padding_idx, rows)
    if max_norm is not None:
        limit_norms(weight, index, max_norm, norm_type)
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    y, winners = _C.embedding_bag(
        weight._array, index._array, bounds._array, _array(factors), _MODES[mode], padding
    )
    result, held = Tensor(y), (Tensor(winners), index, bounds, padding, mode, scale_grad_by_freq)
    if factors is None and tracks(weight):
        record(result, _backward, (weight,), (rows, None, None, *held))
    elif factors is not None and tracks(weight, factors):
        record(result, _backward, (weight, factors), (rows, weight, factors, *held))
    return result


def _array(x: Tensor | None) -> _C.Array | None:
    return None if x is None else x._array


def _bounds(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> Tensor:
    """Where each bag begins and the last one ends, as int64 (bags + 1,)."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError("[embedding_bag] a 2-d input has bags of one size and takes no offsets")
        bags, size = input.shape
        return arange(bags + 1, device=input.device) * size
    if input.ndim != 1 or offsets is None or offsets.ndim != 1:
        raise ValueError(
            f"[embedding_bag] expected a 2-d input, or a 1-d one with 1-d offsets, got shape {tuple(input.shape)}"
        )
    begins = offsets.to(dtypes.int64)
    if not include_last_offset:
        begins = cat([begins, begins.new_full((1,), input.shape[0])])
    if len(begins) == 0:
        raise ValueError("[embedding_bag] expected offsets that end with the length of the input, got none")
    if begins.is_cuda:  # kernels follow them, and see one at a time; on the CPU the op looks at all
        ends = begins.tolist()
        if ends[0] != 0 or ends[-1] != len(input) or ends != sorted(ends):
            raise ValueError(
                f"[embedding_bag] expected offsets that rise from 0 to {len(input)}, the length of the input"
            )
    return begins


def _backward(node: Node, grad: Tensor) -> Any:
    rows, weight, factors, winners, index, bounds, padding, mode, scale_grad_by_freq = node.saved
    if grad_mode.enabled or scale_grad_by_freq:
        return _differentiable_backward(node, grad)
    bags = index._array, bounds._array
    table = factor = None
    if node.needs(0):
        table = Tensor(
            _C.embedding_bag_backward(
                grad._array, winners._array, rows, *bags, _array(factors), _MODES[mode], padding
            )
        )
    if factors is None:
        return table
    if node.needs(1):
        factor = Tensor(
            _C.embedding_bag_backward_factors(grad._array, weight._array, *bags, _MODES[mode], padding)
        )
    return table, factor


def _differentiable_backward(node: Node, grad: Tensor) -> Any:
    """The same with functions that have derivatives, through the gradient of each entry."""
    rows, weight, factors, winners, index, bounds, padding, mode, scale_grad_by_freq = node.saved
    empty = grad.new_zeros(rows, grad.shape[1])
    if mode == "max":
        return scatter_add(empty, 0, winners.clamp(min=0), where(winners < 0, 0.0, grad))
    bag, sizes = _bag_of_entries(bounds)
    shown = (index != padding).to(grad.dtype)
    if mode == "mean":
        often = index_add(grad.new_zeros(len(sizes)), 0, bag, shown)
        grad = grad / often.clamp(min=1).unsqueeze(1)
    entries = index_select(grad, 0, bag) * shown.unsqueeze(1)
    weighted = entries if factors is None else entries * factors.unsqueeze(1)
    if scale_grad_by_freq:
        often = bincount(index, minlength=rows)
        weighted = weighted / index_select(often, 0, index).to(grad.dtype).unsqueeze(1)
    table = index_add(empty, 0, index, weighted)
    return table if factors is None else (table, (entries * index_select(weight, 0, index)).sum(1))


def _bag_of_entries(bounds: Tensor) -> tuple[Tensor, Tensor]:
    """The bag of each entry, and how many entries each bag has."""
    sizes = bounds[1:] - bounds[:-1]
    return repeat_interleave(arange(len(sizes), device=sizes.device), sizes), sizes
