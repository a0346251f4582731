"""Sampling images at the places of a grid: the two halves of a spatial transformer (Jaderberg et al., 1506.02025)."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode as grad_mode
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional._grid_sample_composite import composite_grid_sample
from lamina.nn.functional._rederive import rederive
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import zeros_like
from lamina.ops.elementwise import expect_tensors
from lamina.ops.join import stack
from lamina.ops.matmul import matmul
from lamina.ops.ranges import linspace
from lamina.tensor import Tensor

__all__ = ["affine_grid", "grid_sample"]

_MODES = {
    "bilinear": _C.GridMode.bilinear,
    "nearest": _C.GridMode.nearest,
    "bicubic": _C.GridMode.bicubic,
}
_PADDINGS = {
    "zeros": _C.GridPadding.zeros,
    "border": _C.GridPadding.border,
    "reflection": _C.GridPadding.reflection,
}


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """``input`` at the places that ``grid`` names.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W), float32 or float64.
        grid: (N, OH, OW, 2) or (N, OD, OH, OW, 3): x, y (and z), -1 and 1 at the input's edges.
        mode: ``"bilinear"`` (which is trilinear in volumes), ``"nearest"``, or ``"bicubic"`` (images only).
        padding_mode: what lies outside: ``"zeros"``, ``"border"`` (the nearest element) or ``"reflection"``.
        align_corners: whether -1 and 1 are the middles of the corner elements, not their outer edges.

    Returns:
        (N, C, OH, OW) or (N, C, OD, OH, OW).

    Raises:
        ValueError: if the shapes don't fit, or a mode is unknown.
        TypeError: if the dtypes are not floating, or differ.

    Example:
        >>> image = lamina.arange(4.0).reshape(1, 1, 2, 2)
        >>> lamina.nn.functional.grid_sample(image, lamina.zeros(1, 1, 1, 2))
        tensor([[[[1.5000]]]])
    """
    if not (isinstance(input, Tensor) and isinstance(grid, Tensor)):
        expect_tensors("grid_sample", input=input, grid=grid)
    if casting.on:
        return in_autocast(grid_sample, input, grid, mode, padding_mode, align_corners)
    if mode not in _MODES:
        raise ValueError(f"[grid_sample] expected mode to be one of {', '.join(_MODES)}, got {mode!r}")
    if padding_mode not in _PADDINGS:
        raise ValueError(
            f"[grid_sample] expected padding_mode to be one of {', '.join(_PADDINGS)}, got {padding_mode!r}"
        )
    options = (mode, padding_mode, bool(align_corners))
    y = Tensor(_C.grid_sample(input._array, grid._array, *_codes(*options)))
    if tracks(input, grid):
        record(y, _grid_sample_backward, (input, grid), (input, grid, options))
    return y


def _codes(mode: str, padding_mode: str, align_corners: bool) -> tuple[_C.GridMode, _C.GridPadding, bool]:
    return _MODES[mode], _PADDINGS[padding_mode], align_corners


def _grid_sample_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    x, grid, options = node.saved
    if grad_mode.enabled:
        by_input, by_grid = rederive(
            node, lambda x, g: composite_grid_sample(x, g, *options), (x, grid), grad
        )
        if by_grid is None and node.needs(1):  # the nearest element does not change with its place
            by_grid = zeros_like(grid)
        return by_input, by_grid
    arrays, codes = (grad._array, x._array, grid._array), _codes(*options)
    dx = Tensor(_C.grid_sample_backward_input(*arrays, *codes)) if node.needs(0) else None
    dgrid = Tensor(_C.grid_sample_backward_grid(*arrays, *codes)) if node.needs(1) else None
    return dx, dgrid


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid, for :func:`grid_sample`, of an affine map of the output's places to the input's.

    Args:
        theta: (N, 2, 3) for images, (N, 3, 4) for volumes.
        size: the output's shape, (N, C, H, W) or (N, C, D, H, W).
        align_corners: as in :func:`grid_sample`.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ValueError: if the shapes don't fit.
        TypeError: if theta is not floating.

    Example:
        >>> identity = lamina.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        >>> lamina.nn.functional.affine_grid(identity, (1, 1, 1, 2), align_corners=True)
        tensor([[[[-1.,  0.],
                  [ 1.,  0.]]]])
    """
    if not isinstance(theta, Tensor):
        expect_tensors("affine_grid", theta=theta)
    if not theta.dtype.is_floating_point:
        raise TypeError(f"[affine_grid] expected a floating theta, got {theta.dtype}")
    rank = len(size) - 2
    if rank not in (2, 3) or any(n < 1 for n in size):
        raise ValueError(f"[affine_grid] expected 4 or 5 sizes of at least 1, got {tuple(size)}")
    if tuple(theta.shape) != (size[0], rank, rank + 1):
        raise ValueError(
            f"[affine_grid] expected theta of shape {(size[0], rank, rank + 1)}, got {tuple(theta.shape)}"
        )
    n, spatial = size[0], tuple(size[2:])
    axes = []
    for d in reversed(range(rank)):  # x first
        line = _places(spatial[d], bool(align_corners), theta)
        axes.append(line.reshape([-1 if k == d else 1 for k in range(rank)]).expand(spatial))
    base = stack([*axes, theta.new_ones(spatial)], -1)
    return matmul(base.reshape(-1, rank + 1), theta.transpose(1, 2)).reshape(n, *spatial, rank)


def _places(steps: int, align_corners: bool, like: Tensor) -> Tensor:
    """The middles of ``steps`` elements that fill [-1, 1], or that begin and end there."""
    if steps == 1:
        return like.new_zeros(1)
    end = 1.0 if align_corners else (steps - 1) / steps
    return linspace(-end, end, steps, dtype=like.dtype, device=like.device)
