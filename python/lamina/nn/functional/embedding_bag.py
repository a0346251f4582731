"""Sums, means and maxima of bags of a table's rows."""

from __future__ import annotations

import math

from lamina import dtypes
from lamina.nn.functional.embedding import embedding
from lamina.ops.creation import full
from lamina.ops.gather import index_add, index_copy
from lamina.ops.join import cat
from lamina.ops.ranges import arange
from lamina.ops.rearrange import repeat_interleave
from lamina.ops.select import where
from lamina.tensor import Tensor

__all__ = ["embedding_bag"]


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
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"[embedding_bag] expected mode 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("[embedding_bag] scale_grad_by_freq does not go with mode 'max'")
    if per_sample_weights is not None and (mode != "sum" or per_sample_weights.shape != input.shape):
        raise ValueError(
            f"[embedding_bag] expected mode 'sum' and weights in the input's shape {tuple(input.shape)}, "
            f"got mode {mode!r} and shape {tuple(per_sample_weights.shape)}"
        )
    sizes = _bag_sizes(input, offsets, include_last_offset)
    index, bags = input.reshape(-1), sizes.shape[0]
    bag = repeat_interleave(arange(bags, device=input.device), sizes)
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)
    rows = embedding(index, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    if padding_idx is not None:
        kept = (index != padding_idx % weight.shape[0]).nonzero().flatten()
        rows, bag = rows[kept], bag[kept]
        factors = None if factors is None else factors[kept]
        sizes = index_add(sizes.new_zeros(bags), 0, bag, sizes.new_ones(len(bag)))
    if mode == "max":
        return _maxima(rows, bag, sizes)
    if factors is not None:
        rows = rows * factors.unsqueeze(1)
    sums = index_add(rows.new_zeros(bags, weight.shape[1]), 0, bag, rows)
    return sums if mode == "sum" else sums / sizes.clamp(min=1).unsqueeze(1).to(sums.dtype)


def _bag_sizes(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> Tensor:
    """How many positions each bag has, as int64."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError("[embedding_bag] a 2-d input has bags of one size and takes no offsets")
        return full((input.shape[0],), input.shape[1], dtype=dtypes.int64, device=input.device)
    if input.ndim != 1 or offsets is None or offsets.ndim != 1:
        raise ValueError(
            f"[embedding_bag] expected a 2-d input, or a 1-d one with 1-d offsets, got shape {tuple(input.shape)}"
        )
    n, begins = input.shape[0], offsets.to(dtypes.int64)
    if include_last_offset and len(begins) == 0:
        raise ValueError("[embedding_bag] expected offsets that end with the length of the input, got none")
    ends = begins if include_last_offset else cat([begins, begins.new_full((1,), n)])
    sizes = ends[1:] - ends[:-1]
    if len(sizes) and (ends[0].item() != 0 or ends[-1].item() > n or bool((sizes < 0).any())):
        raise ValueError(
            f"[embedding_bag] expected offsets that rise from 0 to at most {n}, got {offsets.tolist()}"
        )
    if len(sizes) and ends[-1].item() < n:
        raise ValueError(
            f"[embedding_bag] expected a last offset of {n}, the length of the input, got {ends[-1].item()}"
        )
    return sizes


def _maxima(rows: Tensor, bag: Tensor, sizes: Tensor) -> Tensor:
    """The maxima of bags, laid out side by side as (bags, the largest size, features)."""
    bags, features = len(sizes), rows.shape[1]
    if len(bag) == 0:
        return index_add(rows.new_zeros(bags, features), 0, bag, rows)
    longest = int(sizes.max().item())
    place = arange(len(bag), device=bag.device) - (sizes.cumsum(0) - sizes)[bag]
    side_by_side = rows.new_full((bags * longest, features), -math.inf)
    shown = index_copy(side_by_side, 0, bag * longest + place, rows).reshape(bags, longest, features)
    return where((sizes > 0).unsqueeze(1), shown.max(1).values, 0.0)
