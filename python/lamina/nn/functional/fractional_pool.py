"""Fractional max pooling: windows at drawn distances, so that a size may shrink by any factor."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.nn.functional.conv import sizes
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.ops.random import rand
from lamina.tensor import Tensor

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d"]

Sizes = int | Sequence[int]
Ratios = float | Sequence[float]


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The largest value of windows whose distances are drawn, so that they come to the size asked for.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size: of the window, one number or (height, width).
        output_size: one number or (height, width); output_size + kernel_size - 1 is at most the input's size.
        output_ratio: instead of it, its ratio to the input's size, between 0 and 1.
        return_indices: also give where each value is in its plane, int64.
        _random_samples: (N, C, 2) in [0, 1), for (width, height): the draws that place the windows of a plane.

    Raises:
        ValueError: if the sizes do not fit, or not exactly one of size and ratio is given.

    Source: Graham, Fractional Max-Pooling, 2014.

    Example:
        >>> lamina.nn.functional.fractional_max_pool2d(lamina.ones(1, 3, 9, 9), 2, output_ratio=0.7).shape
        lamina.Size([1, 3, 6, 6])
    """
    if not isinstance(input, Tensor):
        expect_tensors("fractional_max_pool2d", input=input)
    if _random_samples is not None and not isinstance(_random_samples, Tensor):
        expect_tensors("fractional_max_pool2d", _random_samples=_random_samples)
    if casting.on:
        return in_autocast(
            fractional_max_pool2d,
            input,
            kernel_size,
            output_size,
            output_ratio,
            return_indices,
            _random_samples,
        )
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """As :func:`fractional_max_pool2d`, for (N, C, D, H, W) or (C, D, H, W).

    Args:
        _random_samples: (N, C, 3), for (depth, height, width).
    """
    if not isinstance(input, Tensor):
        expect_tensors("fractional_max_pool3d", input=input)
    if _random_samples is not None and not isinstance(_random_samples, Tensor):
        expect_tensors("fractional_max_pool3d", _random_samples=_random_samples)
    if casting.on:
        return in_autocast(
            fractional_max_pool3d,
            input,
            kernel_size,
            output_size,
            output_ratio,
            return_indices,
            _random_samples,
        )
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def _fractional(
    rank: int,
    x: Tensor,
    kernel_size: Sizes,
    output_size: Sizes | None,
    output_ratio: Ratios | None,
    return_indices: bool,
    samples: Tensor | None,
) -> Tensor | tuple[Tensor, Tensor]:
    op = f"fractional_max_pool{rank}d"
    kernel = sizes(op, "kernel_size", kernel_size, rank)
    out = fractional_output(op, x, output_size, output_ratio, rank)
    batched = x.reshape((1, *x.shape)) if x.ndim == rank + 1 else x
    if samples is None:
        samples = rand(*batched.shape[:2], rank, dtype=x.dtype, device=x.device)
    draws = (
        samples.flip(-1) if rank == 2 else samples
    )  # torch draws (width, height), but (depth, height, width)
    index = Tensor(_C.fractional_max_pool_indices(batched.detach()._array, draws._array, kernel, out))
    index = index.reshape((*x.shape[:-rank], *out))
    y = x.flatten(-rank).gather(-1, index.flatten(-rank)).unflatten(-1, out)
    return (y, index) if return_indices else y


def fractional_output(
    op: str, x: Tensor | None, output_size: Sizes | None, output_ratio: Ratios | None, rank: int
) -> tuple[int, ...]:
    """The output's size; without ``x`` only the arguments are checked."""
    if (output_size is None) == (output_ratio is None):
        raise ValueError(
            f"[{op}] expected one of output_size and output_ratio, got {output_size} and {output_ratio}"
        )
    if output_size is not None:
        return sizes(op, "output_size", output_size, rank)
    ratios = (output_ratio,) * rank if isinstance(output_ratio, (int, float)) else tuple(output_ratio or ())
    if len(ratios) != rank or not all(0 < r < 1 for r in ratios):
        raise ValueError(
            f"[{op}] expected output_ratio between 0 and 1, one or {rank} of them, got {output_ratio}"
        )
    return () if x is None else tuple(int(n * r) for n, r in zip(x.shape[-rank:], ratios))
