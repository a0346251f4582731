"""Rows of a table: embeddings, and one-hot vectors."""

from __future__ import annotations

from lamina import _C, dtypes
from lamina.autograd.grad_mode import no_grad
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.count import bincount
from lamina.ops.creation import tensor, zeros
from lamina.ops.elementwise import expect_tensors
from lamina.ops.gather import index_add_, index_select, scatter
from lamina.ops.shape import reshape, unsqueeze
from lamina.ops.unique import unique
from lamina.tensor import Tensor

__all__ = ["embedding", "one_hot"]


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of ``weight`` that ``input`` names.

    Args:
        input: int64 or int32 positions of any shape.
        weight: (rows, features).
        padding_idx: a row that gets no gradient; negative ones count from the end.
        max_norm: rows that are looked up and have a greater norm are scaled down to it first, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it was looked up.
        sparse: must be False: gradients are dense.

    Returns:
        (*input.shape, features).

    Raises:
        IndexError: if there is no such row.

    Example:
        >>> table = lamina.tensor([[0.0, 1.0], [2.0, 3.0]])
        >>> lamina.nn.functional.embedding(lamina.tensor([1, 0, 1]), table)
        tensor([[2., 3.],
                [0., 1.],
                [2., 3.]])
    """
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor)):
        expect_tensors("embedding", input=input, weight=weight)
    if weight._array.ndim != 2:
        raise ValueError(f"[embedding] expected a weight of 2 dimensions, got shape {tuple(weight.shape)}")
    if sparse:
        raise ValueError("[embedding] sparse gradients are not supported; their sums are dense here")
    rows, features = weight._array.shape
    padding = None if padding_idx is None else row_of(padding_idx, rows)
    index = reshape(input, (-1,))
    if max_norm is not None:
        limit_norms(weight, index, max_norm, norm_type)
    y = Tensor(_C.reshape(_C.index_select(weight._array, 0, index._array), (*input._array.shape, features)))
    if tracks(weight):
        record(y, _embedding_backward, (weight,), (rows, padding, scale_grad_by_freq, index))
    return y


def row_of(padding_idx: int, rows: int) -> int:
    if not -rows <= padding_idx < rows:
        raise ValueError(f"[embedding] expected padding_idx within {rows} rows, got {padding_idx}")
    return padding_idx % rows


def _embedding_backward(node: Node, grad: Tensor) -> Tensor:
    rows, padding, scale_grad_by_freq, index = node.saved
    flat = reshape(grad, (index._array.shape[0], grad._array.shape[-1]))
    if scale_grad_by_freq:
        often = bincount(index, minlength=rows)
        flat = flat / unsqueeze(index_select(often, 0, index).to(flat.dtype), 1)
    table = index_add_(flat.new_zeros(rows, flat._array.shape[1]), 0, index, flat)
    return table if padding is None else table.index_fill_(0, tensor([padding], device=table.device), 0)


def limit_norms(weight: Tensor, index: Tensor, max_norm: float, norm_type: float) -> None:
    with no_grad():
        used = unique(index)
        rows = index_select(weight, 0, used)
        scale = (max_norm / (rows.norm(norm_type, 1, True) + 1e-7)).clamp(max=1)
        weight.index_copy_(0, used, rows * scale)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Vectors with a 1 at the class and 0 elsewhere.

    Args:
        tensor: int64 classes of any shape, from 0.
        num_classes: how many there are; default: one more than the greatest.

    Returns:
        int64, (*tensor.shape, num_classes).

    Raises:
        IndexError: if a class is out of range.

    Example:
        >>> lamina.nn.functional.one_hot(lamina.tensor([1, 0]), 3)
        tensor([[0, 1, 0],
                [1, 0, 0]])
    """
    if not isinstance(tensor, Tensor):
        expect_tensors("one_hot", tensor=tensor)
    if tensor.dtype is not dtypes.int64:
        raise TypeError(f"[one_hot] expected classes of int64, got {tensor.dtype}")
    if num_classes == -1:
        if tensor._array.numel == 0:
            raise ValueError("[one_hot] expected num_classes where there is no class to infer it from")
        num_classes = _C.extent(tensor._array)[1] + 1
    if num_classes < 1:
        raise ValueError(f"[one_hot] expected at least 1 class, got {num_classes}")
    empty = zeros((*tensor._array.shape, num_classes), dtype=dtypes.int64, device=tensor.device)
    return scatter(empty, -1, unsqueeze(tensor, -1), 1)
