"""Transposed convolution: the gradient of a convolution's input as a layer, for any number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional.conv import (
    Geometry,
    bias_grad,
    check_operands,
    chosen_algorithm,
    fprop,
    sizes,
    wgrad,
)
from lamina.ops.cast_policy import in_autocast
from lamina.tensor import Tensor

__all__ = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """Spreads sequences with kernels; see :func:`conv_transpose2d`, whose arguments these are with a dimension less.

    Example:
        >>> F.conv_transpose1d(lamina.tensor([[1.0, 2.0]]), lamina.tensor([[[1.0, 10.0]]]), stride=2)
        tensor([[ 1., 10.,  2., 20.]])
    """
    if casting.on:
        return in_autocast(
            conv_transpose1d, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """Adds a kernel, times the input's value, around ``stride`` times each input position.

    ``y[n, k, o] = bias[k] + sum of x[n, c, i] * w[c, k, t] over all c, i, t with o = i * stride + t * dilation -
    padding``: the transpose of the linear map that :func:`conv2d` with the same arguments is, also called
    fractionally strided convolution (Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016).

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        weight: (C, K / groups, kernel height, kernel width): inputs first.
        bias: (K,), or None.
        stride: output pixels from one input pixel to the next; one number, or one for each dimension.
        padding: output pixels to cut off on each side.
        output_padding: pixels to add behind, smaller than stride or dilation: which of the sizes that a convolution
            would map to the input's.
        groups: how many groups the channels fall into.
        dilation: output pixels from one tap of the kernel to the next.

    Returns:
        (N, K, (H - 1) * stride - 2 * padding + dilation * (kernel height - 1) + output_padding + 1, likewise for W).

    Raises:
        ValueError: where shapes don't fit together, naming what was expected.
        TypeError: for other dtypes, or operands of different ones.

    Example:
        >>> F.conv_transpose2d(lamina.ones(1, 1, 2, 2), lamina.ones(1, 1, 3, 3), stride=2, padding=1)[0, 0]
        tensor([[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]])
    """
    if casting.on:
        return in_autocast(
            conv_transpose2d, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """Spreads volumes with kernels; see :func:`conv_transpose2d`, whose arguments these are with a dimension more.

    Example:
        >>> F.conv_transpose3d(lamina.ones(1, 2, 4, 4, 4), lamina.ones(2, 3, 2, 2, 2), stride=2).shape
        lamina.Size([1, 3, 8, 8, 8])
    """
    if casting.on:
        return in_autocast(
            conv_transpose3d, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _conv_transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _conv_transpose(
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    output_padding: int | Sequence[int],
    groups: int,
    dilation: int | Sequence[int],
) -> Tensor:
    op = f"conv_transpose{rank}d"
    check_operands(op, input, weight, bias, groups)
    geometry = transposed_geometry(op, rank, stride, padding, output_padding, groups, dilation)
    if input.ndim == rank + 1:
        y = transposed(input.reshape((1, *input.shape)), weight, bias, geometry)
        return y.reshape(y.shape[1:])
    return transposed(input, weight, bias, geometry)


def transposed_geometry(
    op: str,
    rank: int,
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    output_padding: int | Sequence[int],
    groups: int,
    dilation: int | Sequence[int],
) -> Geometry:
    """The arguments as the bindings take them: those of the convolution whose transpose this is."""
    before = sizes(op, "padding", padding, rank)
    extra = sizes(op, "output_padding", output_padding, rank)
    after = tuple(p - e for p, e in zip(before, extra))
    strides, dilations = sizes(op, "stride", stride, rank), sizes(op, "dilation", dilation, rank)
    return strides, before, after, dilations, groups, chosen_algorithm()


def transposed(x: Tensor, w: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The transposed convolution of (N, K, spatial...) with (K, C / groups, kernel...)."""
    y = Tensor(_C.conv_transpose(x._array, w._array, None if bias is None else bias._array, *geometry))
    if tracks(x, w, bias):
        saved = (x if tracks(w) else None, w if tracks(x) else None, w.shape, geometry)
        record(y, _conv_transpose_backward, (x, w, bias), saved)
    return y


def _conv_transpose_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, w, w_shape, geometry = node.saved
    return (
        fprop(grad, w, None, geometry) if node.needs(0) else None,
        wgrad(grad, x, w_shape, geometry) if node.needs(1) else None,
        bias_grad(grad) if node.needs(2) else None,
    )
