"""Normalisation of each position over its last dimensions."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.dtypes import float64
from lamina.nn.functional._rederive import rederive
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["layer_norm", "rms_norm"]


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last dimensions (Ba et al., arXiv:1607.06450).

    Args:
        input: (..., normalized_shape), float32 or float64.
        normalized_shape: the sizes of the dimensions that are normalised together.
        weight: of that shape, or None for ones.
        bias: of that shape, or None for zeros.
        eps: added to the (biased) variance.

    Raises:
        ValueError: if the last dimensions are others, or a parameter has another shape.
        TypeError: for other dtypes.

    Example:
        >>> F.layer_norm(lamina.tensor([[1.0, 3.0], [0.0, 8.0]]), 2, eps=0.0)
        tensor([[-1.,  1.],
                [-1.,  1.]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("layer_norm", input=input)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("layer_norm", weight=weight)
    if bias is not None and not isinstance(bias, Tensor):
        expect_tensors("layer_norm", bias=bias)
    if casting.on:
        return in_autocast(layer_norm, input, normalized_shape, weight, bias, eps)
    shape = _shape("layer_norm", normalized_shape)
    w, b = (None if t is None else t._array for t in (weight, bias))
    y, mean, inv_std = _C.layer_norm(input._array, shape, w, b, float(eps), True)
    result = Tensor(y)
    if tracks(input, weight, bias):
        saved = (input, weight, bias, mean, inv_std, shape, float(eps))
        record(result, _layer_norm_backward, (input, weight, bias), saved)
    return result


def _layer_norm_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, bias, mean, inv_std, shape, eps = node.saved
    if mode.enabled:
        dims = list(range(-len(shape), 0))

        def composite(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
            centred = x - x.mean(dims, keepdim=True)
            y = centred * ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
            y = y if weight is None else y * weight
            return y if bias is None else y + bias

        return rederive(node, composite, (x, weight, bias), grad)
    return _gradients(node, grad, x, weight, mean, inv_std, shape)


def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """``x / sqrt(mean(x ** 2) + eps) * weight`` over the last dimensions (Zhang and Sennrich, arXiv:1910.07467).

    Args:
        input: (..., normalized_shape), float32 or float64.
        normalized_shape: the sizes of the dimensions that are normalised together.
        weight: of that shape, or None for ones.
        eps: added to the mean of the squares; None for the dtype's machine epsilon.

    Raises:
        ValueError: if the last dimensions are others, or the weight has another shape.
        TypeError: for other dtypes.

    Example:
        >>> F.rms_norm(lamina.tensor([[3.0, 4.0]]), 2, eps=0.0)
        tensor([[0.8485, 1.1314]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("rms_norm", input=input)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("rms_norm", weight=weight)
    if casting.on:
        return in_autocast(rms_norm, input, normalized_shape, weight, eps)
    shape = _shape("rms_norm", normalized_shape)
    if eps is None:
        eps = 2.0 ** (-52 if input.dtype == float64 else -23)
    w = None if weight is None else weight._array
    y, _, inv_rms = _C.layer_norm(input._array, shape, w, None, float(eps), False)
    result = Tensor(y)
    if tracks(input, weight):
        record(result, _rms_norm_backward, (input, weight), (input, weight, inv_rms, shape, float(eps)))
    return result


def _rms_norm_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, inv_rms, shape, eps = node.saved
    if mode.enabled:
        dims = list(range(-len(shape), 0))

        def composite(x: Tensor, weight: Tensor | None) -> Tensor:
            y = x * ((x * x).mean(dims, keepdim=True) + eps).rsqrt()
            return y if weight is None else y * weight

        return rederive(node, composite, (x, weight), grad)
    return _gradients(node, grad, x, weight, None, inv_rms, shape)[:2]


def _gradients(
    node: Node,
    grad: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: _C.Array | None,
    inv_std: _C.Array,
    shape: tuple[int, ...],
) -> tuple[Tensor | None, ...]:
    w = None if weight is None else weight._array
    parameters = any(node.needs(i) for i in range(1, len(node.edges)))
    found = _C.layer_norm_backward(x._array, grad._array, shape, w, mean, inv_std, node.needs(0), parameters)
    return tuple(None if array is None else Tensor(array) for array in found)


def _shape(op: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    try:
        if isinstance(normalized_shape, Sequence):
            return tuple([operator.index(n) for n in normalized_shape])
        return (operator.index(normalized_shape),)
    except TypeError:
        raise TypeError(f"[{op}] expected integers as normalized_shape, got {normalized_shape!r}") from None
