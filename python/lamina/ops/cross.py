"""The cross product."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor, method

__all__ = ["cross"]


@method()
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross product of vectors of 3 components; tensors broadcast in the other dimensions.

    Args:
        input: a tensor with 3 elements along ``dim``.
        other: a tensor of as many dimensions, with 3 elements along ``dim``.
        dim: where the components are; default: the first dimension of 3 elements.

    Raises:
        ValueError: if there is no such dimension, or the shapes don't broadcast.

    Example:
        >>> lamina.cross(lamina.tensor([1.0, 0.0, 0.0]), lamina.tensor([0.0, 1.0, 0.0]))
        tensor([0., 0., 1.])
    """
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        expect_tensors("cross", input=input, other=other)
    if casting.on:
        return in_autocast(cross, input, other, dim)
    if dim is None:
        dim = next((d for d, size in enumerate(input._array.shape) if size == 3), None)
        if dim is None:
            raise ValueError(f"[cross] expected a dimension of 3 elements, got shape {tuple(input.shape)}")
    y = Tensor(_C.cross(input._array, other._array, dim))
    if tracks(input, other):
        record(y, _cross_backward, (input, other), (input, other, dim))
    return y


def _cross_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b, dim = node.saved
    return cross(b, grad, dim) if node.needs(0) else None, cross(grad, a, dim) if node.needs(1) else None
