"""Reductions: sums, extrema, norms and moments over some or all dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.dtypes import dtype
from lamina.tensor import Tensor, method

__all__ = ["sum"]

Dim = int | Sequence[int] | None


def dims_of(dim: Dim) -> Sequence[int] | None:
    """``dim`` as the compiled module takes it: a tuple, or None for all."""
    if dim is None:
        return None
    return (dim,) if isinstance(dim, int) else tuple(dim)


@method()
def sum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """The sum over ``dim``, or over all elements; integers and bools are summed as int64.

    Args:
        input: any tensor.
        dim: the dimensions to sum over; default: all.
        keepdim: keep them, with size 1.
        dtype: what elements are converted to before they are summed.

    Example:
        >>> lamina.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=0)
        tensor([4., 6.])
    """
    dims = dims_of(dim)
    y = Tensor(_C.sum(input._array, dims, keepdim, None if dtype is None else dtype.code))
    if tracks(input):
        record(y, _sum_backward, (input,), (input._array.shape, dims, keepdim))
    return y


def _sum_backward(node: Node, grad: Tensor) -> Tensor:
    shape, dims, keepdim = node.saved
    return spread(grad, shape, dims, keepdim)


def spread(x: Tensor, shape: tuple[int, ...], dims: Sequence[int] | None, keepdim: bool) -> Tensor:
    """What a reduction of ``shape`` gave, expanded to ``shape`` again."""
    if dims and not keepdim:
        kept = list(shape)
        for d in dims:
            kept[d] = 1
        x = x.reshape(kept)
    return x.expand(shape)


@method()
def sum_to_size(self: Tensor, *size: int | Sequence[int]) -> Tensor:
    """The sum over the dimensions that broadcasting ``size`` to this tensor's shape would add or stretch.

    Args:
        size: sizes, or one sequence of sizes.

    Raises:
        ValueError: if ``size`` does not broadcast to this tensor's shape.

    Example:
        >>> lamina.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    from lamina.ops.creation import shape_of

    target, shape = shape_of(size, "sum_to_size"), self._array.shape
    if target == shape:
        return self
    lead = len(shape) - len(target)
    if lead < 0 or any(t not in (s, 1) for t, s in zip(target, shape[lead:])):
        raise ValueError(f"[sum_to_size] expected sizes that broadcast to shape {shape}, got {target}")
    dims = [d for d in range(len(shape)) if d < lead or shape[d] != target[d - lead]]
    result = sum(self, dims, True)
    return result.reshape(target) if lead else result
