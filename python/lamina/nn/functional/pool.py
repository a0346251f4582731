"""Pooling: maxima and means of windows, of one to three spatial dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional.conv import sizes
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

Sizes = int | Sequence[int]


def _window(
    op: str,
    x: Tensor,
    rank: int,
    kernel: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil: bool,
) -> _C.PoolGeometry:
    extents = sizes(op, "kernel_size", kernel, rank)
    steps = extents if stride is None or stride == () else sizes(op, "stride", stride, rank)
    margins, spacing = sizes(op, "padding", padding, rank), sizes(op, "dilation", dilation, rank)
    return _C.pool_geometry(x._array, extents, steps, margins, spacing, ceil, op)


def _adaptive(op: str, x: Tensor, rank: int, output_size: Sizes | Sequence[int | None]) -> _C.PoolGeometry:
    given = [output_size] * rank if isinstance(output_size, int) or output_size is None else list(output_size)
    spatial = tuple(x.shape)[x.ndim - rank :]
    wanted = [have if size is None else size for size, have in zip(given, spatial)]
    return _C.adaptive_pool_geometry(x._array, sizes(op, "output_size", wanted, rank), op)


def _max_pool(x: Tensor, geometry: _C.PoolGeometry, return_indices: bool) -> Tensor | tuple[Tensor, Tensor]:
    recorded = tracks(x)
    array, taps = _C.max_pool(x._array, geometry, recorded or return_indices)
    y = Tensor(array)
    if recorded:
        record(y, _max_pool_backward, (x,), (taps, geometry))
    if return_indices:
        assert taps is not None
        return y, Tensor(_C.max_pool_indices(taps, geometry))
    return y


def _max_pool_backward(node: Node, grad: Tensor) -> Tensor:
    taps, geometry = node.saved
    dx = Tensor(_C.max_pool_backward(grad._array, taps, geometry))
    if tracks(grad):  # linear in the gradient: its own gradient picks the winners
        record(dx, _max_unpool_backward, (grad,), (taps, geometry))
    return dx


def _max_unpool_backward(node: Node, grad: Tensor) -> Tensor:
    taps, geometry = node.saved
    y = Tensor(_C.max_pool_gather(grad._array, taps, geometry))
    if tracks(grad):
        record(y, _max_pool_backward, (grad,), (taps, geometry))
    return y


def _avg_pool(x: Tensor, geometry: _C.PoolGeometry, count_include_pad: bool, divisor: int) -> Tensor:
    y = Tensor(_C.avg_pool(x._array, geometry, count_include_pad, divisor))
    if tracks(x):
        record(y, _avg_pool_backward, (x,), (geometry, count_include_pad, divisor))
    return y


def _avg_pool_backward(node: Node, grad: Tensor) -> Tensor:
    geometry, count_include_pad, divisor = node.saved
    dx = Tensor(_C.avg_pool_backward(grad._array, geometry, count_include_pad, divisor))
    if tracks(grad):
        record(dx, _avg_spread_backward, (grad,), (geometry, count_include_pad, divisor))
    return dx


def _avg_spread_backward(node: Node, grad: Tensor) -> Tensor:
    return _avg_pool(grad, *node.saved)


def _divisor(op: str, divisor_override: int | None) -> int:
    if divisor_override == 0:
        raise ValueError(f"[{op}] expected a divisor_override other than 0")
    return divisor_override or 0


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window of (N, C, L) or (C, L); arguments as :func:`max_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("max_pool1d", input=input)
    if casting.on:
        return in_autocast(
            max_pool1d, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
        )
    geometry = _window("max_pool1d", input, 1, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool(input, geometry, return_indices)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window; a NaN wins.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size: of the window, one number or (height, width).
        stride: between windows; default: the kernel size.
        padding: of minus infinity on each side, at most half the kernel size.
        dilation: between the elements of a window.
        ceil_mode: keep a last window that begins inside the input or its left padding but leaves it.
        return_indices: also give where each value is in its plane, int64.

    Raises:
        ValueError: if the sizes do not fit.

    Example:
        >>> lamina.nn.functional.max_pool2d(lamina.arange(4.0).reshape(1, 1, 2, 2), 2)
        tensor([[[[3.]]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("max_pool2d", input=input)
    if casting.on:
        return in_autocast(
            max_pool2d, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
        )
    geometry = _window("max_pool2d", input, 2, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool(input, geometry, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of each window of (N, C, D, H, W) or (C, D, H, W); arguments as :func:`max_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("max_pool3d", input=input)
    if casting.on:
        return in_autocast(
            max_pool3d, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices
        )
    geometry = _window("max_pool3d", input, 3, kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool(input, geometry, return_indices)


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, L) or (C, L); arguments as :func:`avg_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("avg_pool1d", input=input)
    if casting.on:
        return in_autocast(avg_pool1d, input, kernel_size, stride, padding, ceil_mode, count_include_pad)
    geometry = _window("avg_pool1d", input, 1, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(input, geometry, count_include_pad, 0)


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size: of the window, one number or (height, width).
        stride: between windows; default: the kernel size.
        padding: of zeros on each side, at most half the kernel size.
        ceil_mode: keep a last window that begins inside the input or its left padding but leaves it.
        count_include_pad: whether padding counts in the divisor.
        divisor_override: divide by this instead.

    Raises:
        ValueError: if the sizes do not fit.

    Example:
        >>> lamina.nn.functional.avg_pool2d(lamina.arange(4.0).reshape(1, 1, 2, 2), 2)
        tensor([[[[1.5000]]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("avg_pool2d", input=input)
    if casting.on:
        return in_autocast(
            avg_pool2d, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )
    geometry = _window("avg_pool2d", input, 2, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(input, geometry, count_include_pad, _divisor("avg_pool2d", divisor_override))


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W); arguments as :func:`avg_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("avg_pool3d", input=input)
    if casting.on:
        return in_autocast(
            avg_pool3d, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )
    geometry = _window("avg_pool3d", input, 3, kernel_size, stride, padding, 1, ceil_mode)
    return _avg_pool(input, geometry, count_include_pad, _divisor("avg_pool3d", divisor_override))


def adaptive_max_pool1d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Maxima over as many windows as ``output_size`` says; see :func:`adaptive_avg_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("adaptive_max_pool1d", input=input)
    if casting.on:
        return in_autocast(adaptive_max_pool1d, input, output_size, return_indices)
    return _max_pool(input, _adaptive("adaptive_max_pool1d", input, 1, output_size), return_indices)


def adaptive_max_pool2d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Maxima over as many windows as ``output_size`` says; see :func:`adaptive_avg_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("adaptive_max_pool2d", input=input)
    if casting.on:
        return in_autocast(adaptive_max_pool2d, input, output_size, return_indices)
    return _max_pool(input, _adaptive("adaptive_max_pool2d", input, 2, output_size), return_indices)


def adaptive_max_pool3d(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """Maxima over as many windows as ``output_size`` says; see :func:`adaptive_avg_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("adaptive_max_pool3d", input=input)
    if casting.on:
        return in_autocast(adaptive_max_pool3d, input, output_size, return_indices)
    return _max_pool(input, _adaptive("adaptive_max_pool3d", input, 3, output_size), return_indices)


def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """Means over as many windows as ``output_size`` says; see :func:`adaptive_avg_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("adaptive_avg_pool1d", input=input)
    if casting.on:
        return in_autocast(adaptive_avg_pool1d, input, output_size)
    return _avg_pool(input, _adaptive("adaptive_avg_pool1d", input, 1, output_size), True, 0)


def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """Means over as many windows as ``output_size`` says; 1 is global average pooling.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: one number or (height, width); None keeps a size.  Window i of n over a size s goes from
            floor(i s / n) to ceil((i + 1) s / n).

    Example:
        >>> lamina.nn.functional.adaptive_avg_pool2d(lamina.ones(1, 2, 5, 7), 1).shape
        lamina.Size([1, 2, 1, 1])
    """
    if not isinstance(input, Tensor):
        expect_tensors("adaptive_avg_pool2d", input=input)
    if casting.on:
        return in_autocast(adaptive_avg_pool2d, input, output_size)
    return _avg_pool(input, _adaptive("adaptive_avg_pool2d", input, 2, output_size), True, 0)


def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """Means over as many windows as ``output_size`` says; see :func:`adaptive_avg_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("adaptive_avg_pool3d", input=input)
    if casting.on:
        return in_autocast(adaptive_avg_pool3d, input, output_size)
    return _avg_pool(input, _adaptive("adaptive_avg_pool3d", input, 3, output_size), True, 0)
