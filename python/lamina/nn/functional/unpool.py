"""Max unpooling: values put back where max pooling took them from."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from lamina.autograd.cast_mode import casting
from lamina.nn.functional.conv import sizes
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import zeros
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

Sizes = int | Sequence[int]


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The partial inverse of :func:`max_pool1d`; arguments as :func:`max_unpool2d`."""
    if not (isinstance(input, Tensor) and isinstance(indices, Tensor)):
        expect_tensors("max_unpool1d", input=input, indices=indices)
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The partial inverse of :func:`max_pool2d`: zeros, and each value at its index (Badrinarayanan et al., SegNet).

    Args:
        input: (N, C, H, W) or (C, H, W): what max pooling gave.
        indices: of the input's shape, int64: what it gave with ``return_indices=True``.  Where two values have one
            index, the last one stays.
        kernel_size: of the pooling, like stride and padding; they give the default output size.
        stride: default: the kernel size.
        padding: of the pooling.
        output_size: (height, width), or the whole shape; differs from (H - 1) * stride + kernel_size - 2 * padding by
            less than the stride.

    Raises:
        ValueError: if shapes do not fit, or no such pooling has this output size.
        IndexError: for an index outside the output.

    Example:
        >>> x = lamina.arange(16.0).reshape(1, 4, 4)
        >>> y, indices = lamina.nn.functional.max_pool2d(x, 2, return_indices=True)
        >>> lamina.nn.functional.max_unpool2d(y, indices, 2)
        tensor([[[ 0.,  0.,  0.,  0.],
                 [ 0.,  5.,  0.,  7.],
                 [ 0.,  0.,  0.,  0.],
                 [ 0., 13.,  0., 15.]]])
    """
    if not (isinstance(input, Tensor) and isinstance(indices, Tensor)):
        expect_tensors("max_unpool2d", input=input, indices=indices)
    if casting.on:
        return in_autocast(max_unpool2d, input, indices, kernel_size, stride, padding, output_size)
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The partial inverse of :func:`max_pool3d`; arguments as :func:`max_unpool2d`."""
    if not (isinstance(input, Tensor) and isinstance(indices, Tensor)):
        expect_tensors("max_unpool3d", input=input, indices=indices)
    if casting.on:
        return in_autocast(max_unpool3d, input, indices, kernel_size, stride, padding, output_size)
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def _max_unpool(
    rank: int,
    x: Tensor,
    indices: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
) -> Tensor:
    op = f"max_unpool{rank}d"
    if x.ndim not in (rank + 1, rank + 2) or 0 in x.shape[1:]:
        raise ValueError(
            f"[{op}] expected an input of {rank + 1} or {rank + 2} dimensions, none but the first empty, got shape "
            f"{tuple(x.shape)}"
        )
    if indices.shape != x.shape:
        raise ValueError(
            f"[{op}] expected indices of the input's shape {tuple(x.shape)}, got {tuple(indices.shape)}"
        )
    size = _unpooled_size(op, x, kernel_size, stride, padding, output_size, rank)
    outer = tuple(x.shape[:-rank])
    plane = prod(size)
    if x.ndim == rank + 2 and x.stride(1) == 1 and not x.is_contiguous():  # channels-last stays so
        y = zeros(outer[0], plane, outer[1], dtype=x.dtype, device=x.device).transpose(1, 2)
    else:
        y = zeros(*outer, plane, dtype=x.dtype, device=x.device)
    return y.scatter_(-1, indices.flatten(-rank), x.flatten(-rank)).unflatten(-1, size)


def _unpooled_size(
    op: str,
    x: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    output_size: Sequence[int] | None,
    rank: int,
) -> tuple[int, ...]:
    kernel = sizes(op, "kernel_size", kernel_size, rank)
    step = kernel if stride is None else sizes(op, "stride", stride, rank)
    margin = sizes(op, "padding", padding, rank)
    default = tuple((n - 1) * s + k - 2 * p for n, s, k, p in zip(x.shape[-rank:], step, kernel, margin))
    if output_size is None:
        wanted = default
    else:
        wanted = tuple(output_size)[-rank:]
        if len(output_size) not in (rank, x.ndim):
            raise ValueError(f"[{op}] expected {rank} or {x.ndim} numbers as output_size, got {output_size}")
    for w, d, s in zip(wanted, default, step):
        if not d - s < w < d + s or w < 1:
            raise ValueError(
                f"[{op}] expected an output_size that differs from {default} by less than the stride {step}, and is "
                f"at least 1, got {wanted}"
            )
    return wanted
