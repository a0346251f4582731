"""The linear and the bilinear map of a layer."""

from __future__ import annotations

import math

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.ops.matmul import matmul, product
from lamina.tensor import Tensor

__all__ = ["bilinear", "linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``, in one pass.

    Args:
        input: (..., in_features).
        weight: (out_features, in_features); or (in_features,), which gives a result without the last dimension.
        bias: (out_features,), or none.

    Raises:
        ValueError: if the shapes don't fit.
        TypeError: if the dtypes differ.

    Example:
        >>> F.linear(lamina.ones(5, 3), lamina.ones(2, 3), lamina.ones(2)).shape
        lamina.Size([5, 2])
    """
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor)):
        expect_tensors("linear", input=input, weight=weight)
    if bias is not None and not isinstance(bias, Tensor):
        expect_tensors("linear", bias=bias)
    if casting.on:
        return in_autocast(linear, input, weight, bias)
    if weight._array.ndim == 1:
        y = matmul(input, weight)
        return y if bias is None else y + bias
    y = Tensor(_C.linear(input._array, weight._array, None if bias is None else bias._array))
    if tracks(input, weight, bias):
        # Each is saved only for the other's gradient.
        kept = (input if tracks(weight) else None, weight if tracks(input) else None)
        record(y, _linear_backward, (input, weight, bias), kept)
    return y


def _linear_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor]:
    if not mode.enabled and grad._array.ndim == 2:  # by far the most, without handles in between
        x_array, weight_array = node.arrays
        to_x, to_weight, _ = node.edges
        return (
            Tensor(_C.matmul(grad._array, weight_array, False, False)) if to_x is not None else None,
            Tensor(_C.matmul(grad._array, x_array, True, False)) if to_weight is not None else None,
            grad,
        )
    x, weight = node.saved
    grad_x = product(grad, weight) if node.needs(0) else None
    grad_weight = None
    if node.needs(1):
        rows, inputs = _rows(grad), _rows(x)
        grad_weight = product(rows, inputs, True, False)  # (out, in), a sum over all leading dimensions
    return grad_x, grad_weight, grad


def _rows(x: Tensor) -> Tensor:
    ndim = x._array.ndim
    return x if ndim == 2 else x.unsqueeze(0) if ndim == 1 else x.flatten(0, -2)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``y[..., k] = input1 @ weight[k] @ input2 + bias[k]``.

    Args:
        input1: (..., I).
        input2: (..., J), the same leading dimensions.
        weight: (K, I, J).
        bias: (K,), or none.

    Returns:
        (..., K).

    Raises:
        ValueError: if the shapes don't fit.

    Example:
        >>> F.bilinear(lamina.ones(5, 3), lamina.ones(5, 2), lamina.ones(4, 3, 2)).shape
        lamina.Size([5, 4])
    """
    if not (isinstance(input1, Tensor) and isinstance(input2, Tensor) and isinstance(weight, Tensor)):
        expect_tensors("bilinear", input1=input1, input2=input2, weight=weight)
    if bias is not None and not isinstance(bias, Tensor):
        expect_tensors("bilinear", bias=bias)
    if casting.on:
        return in_autocast(bilinear, input1, input2, weight, bias)
    if weight.ndim != 3 or input1.ndim < 1 or input1.shape[:-1] != input2.shape[:-1]:
        raise ValueError(
            "[bilinear] expected inputs of equal leading dimensions and a weight of 3 dimensions, got shapes "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(weight.shape)}"
        )
    outputs, left, right = weight.shape
    if (input1.shape[-1], input2.shape[-1]) != (left, right):
        raise ValueError(
            f"[bilinear] expected inputs of {left} and {right} features, "
            f"got shapes {tuple(input1.shape)} and {tuple(input2.shape)}"
        )
    leading = tuple(input1.shape[:-1])
    n = math.prod(leading)
    rows = input1.reshape(n, left) @ weight.transpose(0, 1).reshape(left, outputs * right)
    y = matmul(rows.reshape(n, outputs, right), input2.reshape(n, right, 1)).reshape(*leading, outputs)
    return y if bias is None else y + bias
