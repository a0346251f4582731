"""Power-average pooling, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from lamina.autograd.cast_mode import casting
from lamina.nn.functional.conv import sizes
from lamina.nn.functional.pool import avg_pool1d, avg_pool2d, avg_pool3d
from lamina.nn.functional.rectifier import relu
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["lp_pool1d", "lp_pool2d", "lp_pool3d"]

Sizes = int | Sequence[int]


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, L) or (C, L); arguments as :func:`lp_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("lp_pool1d", input=input)
    if casting.on:
        return in_autocast(lp_pool1d, input, norm_type, kernel_size, stride, ceil_mode)
    return _lp_pool(1, avg_pool1d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window: ``(sum of x^p) ^ (1 / p)``, without absolute values, as torch has it.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        norm_type: the power p; 1 sums, large ones near the maximum.
        kernel_size: of the window, one number or (height, width).
        stride: between windows; default: the kernel size.
        ceil_mode: keep a last window that leaves the input; its mean counts for the whole window.

    Raises:
        ValueError: if the sizes do not fit.

    Example:
        >>> lamina.nn.functional.lp_pool2d(lamina.tensor([[[[3.0, 4.0]]]]), 2, (1, 2))
        tensor([[[[5.]]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("lp_pool2d", input=input)
    if casting.on:
        return in_autocast(lp_pool2d, input, norm_type, kernel_size, stride, ceil_mode)
    return _lp_pool(2, avg_pool2d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, D, H, W) or (C, D, H, W); arguments as :func:`lp_pool2d`."""
    if not isinstance(input, Tensor):
        expect_tensors("lp_pool3d", input=input)
    if casting.on:
        return in_autocast(lp_pool3d, input, norm_type, kernel_size, stride, ceil_mode)
    return _lp_pool(3, avg_pool3d, input, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    rank: int,
    mean: Callable[..., Any],
    x: Tensor,
    p: float,
    kernel_size: Sizes,
    stride: Sizes | None,
    ceil_mode: bool,
) -> Tensor:
    if p == 0:
        raise ValueError(f"[lp_pool{rank}d] expected a norm_type other than 0")
    window = prod(sizes(f"lp_pool{rank}d", "kernel_size", kernel_size, rank))
    y = mean(x.pow(p), kernel_size, stride, 0, ceil_mode)
    # sign * relu(abs) is the identity, but passes no gradient to windows of zeros, where the root has none.
    return (y.sign() * relu(y.abs()) * window).pow(1.0 / p)
