"""Resizing: images, sequences and volumes to other sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_MODES = {
    "nearest": _C.Interpolation.nearest,
    "nearest-exact": _C.Interpolation.nearest_exact,
    "linear": _C.Interpolation.linear,
    "bilinear": _C.Interpolation.linear,
    "trilinear": _C.Interpolation.linear,
    "bicubic": _C.Interpolation.cubic,
    "area": _C.Interpolation.area,
}
_RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}  # spatial dimensions; the others take any

# (scales, mode, align_corners, antialias), as the bindings take it
Options = tuple[list[float], Any, bool, bool]


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """``input`` at another spatial size.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W), floating.
        size: the output's spatial size; one number, or one a dimension.
        scale_factor: how many times larger the output is; instead of ``size``.
        mode: ``"nearest"``, ``"nearest-exact"`` (which rounds positions as image libraries do), ``"linear"`` (N, C, L),
            ``"bilinear"`` and ``"bicubic"`` (N, C, H, W), ``"trilinear"`` (N, C, D, H, W), or ``"area"``: means of
            the inputs that an output covers.
        align_corners: whether the middles of the corner elements stay in place, rather than their outer edges; for
            the linear and cubic modes.
        recompute_scale_factor: place outputs by the sizes' quotient, not by ``scale_factor`` itself.
        antialias: widen the filter when the output is smaller, so that it averages; ``"bilinear"`` and ``"bicubic"``.

    Raises:
        ValueError: unless exactly one of size and scale_factor is given, and where arguments don't fit the mode.
        TypeError: for integers.

    Example:
        >>> lamina.nn.functional.interpolate(lamina.tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear")
        tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("interpolate", input=input)
    if casting.on:
        return in_autocast(
            interpolate, input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        )
    _check_mode(input, mode, align_corners, antialias)
    rank = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("[interpolate] expected one of size and scale_factor")
    scales = [0.0] * rank
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("[interpolate] recompute_scale_factor goes with scale_factor, not with size")
        sizes = _each(size, rank, "size")
        if not all(isinstance(s, int) for s in sizes):
            raise TypeError(f"[interpolate] expected size to hold integers, got {size}")
    else:
        factors = [float(f) for f in _each(scale_factor, rank, "scale_factor")]
        if not all(0 < f < 2**63 for f in factors):
            raise ValueError(f"[interpolate] expected scale_factor above 0 and finite, got {scale_factor}")
        sizes = [math.floor(n * f) for n, f in zip(input.shape[2:], factors, strict=True)]
        if not recompute_scale_factor and mode != "area":
            scales = factors
    return _interpolated(input, tuple(sizes), (scales, _MODES[mode], bool(align_corners), antialias))


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in _MODES:
        raise ValueError(f"[interpolate] expected mode to be one of {', '.join(_MODES)}, got {mode!r}")
    rank = input.ndim - 2
    if not 1 <= rank <= 3 or _RANKS.get(mode, rank) != rank:
        wanted = "3 to 5" if mode not in _RANKS else str(_RANKS[mode] + 2)
        raise ValueError(
            f"[interpolate] expected {wanted} dimensions for mode {mode!r}, got shape {tuple(input.shape)}"
        )
    if align_corners is not None and mode not in _RANKS:
        raise ValueError(f"[interpolate] align_corners goes with linear and cubic modes, got {mode!r}")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(f"[interpolate] antialias goes with 'bilinear' and 'bicubic', got {mode!r}")


def _each(value: Any, rank: int, what: str) -> list[Any]:
    values = list(value) if isinstance(value, Sequence) else [value] * rank
    if len(values) != rank:
        raise ValueError(f"[interpolate] expected {what} to be 1 or {rank} numbers, got {value}")
    return values


def _interpolated(x: Tensor, size: tuple[int, ...], options: Options) -> Tensor:
    y = Tensor(_C.interpolate(x._array, size, *options))
    if tracks(x):
        record(y, _interpolate_backward, (x,), (x._array.shape, options))
    return y


def _interpolate_backward(node: Node, grad: Tensor) -> Tensor:
    shape, options = node.saved
    dx = Tensor(_C.interpolate_backward(grad._array, shape, *options))
    if tracks(grad):
        record(dx, _interpolate_adjoint_backward, (grad,), (grad._array.shape, options))
    return dx


def _interpolate_adjoint_backward(node: Node, grad: Tensor) -> Tensor:
    shape, options = node.saved
    return _interpolated(grad, tuple(shape[2:]), options)


def upsample(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """:func:`interpolate` under its old name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """:func:`interpolate` to the nearest element."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
) -> Tensor:
    """Bilinear :func:`interpolate` with aligned corners."""
    return interpolate(input, size, scale_factor, "bilinear", True)
