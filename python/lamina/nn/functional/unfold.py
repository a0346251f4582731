"""Patches of images as columns (im2col), and back (col2im)."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional.conv import sizes
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["fold", "unfold"]

# kernel, stride, padding, dilation, as the bindings take them
Grid = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def unfold(
    input: Tensor,
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Tensor:
    """The patches that a convolution's kernel meets, each as a column.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size: of a patch, one number or (height, width), as for all that follow.
        dilation: pixels from one element of a patch to the next.
        padding: zeros on each side of the input.
        stride: pixels from one patch to the next.

    Returns:
        (N, C * kernel height * kernel width, number of patches), without N if the input had none: rows run over
        channels, then over the patch.

    Raises:
        ValueError: if no patch fits, or sizes are not positive.

    Example:
        >>> F.unfold(lamina.arange(6.0).reshape(1, 2, 3), 2)
        tensor([[0., 1.],
                [1., 2.],
                [3., 4.],
                [4., 5.]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("unfold", input=input)
    if casting.on:
        return in_autocast(unfold, input, kernel_size, dilation, padding, stride)
    grid = _grid("unfold", kernel_size, dilation, padding, stride)
    if input.ndim == 3:
        return _unfolded(input.reshape((1, *input.shape)), grid)[0]
    return _unfolded(input, grid)


def fold(
    input: Tensor,
    output_size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    stride: int | Sequence[int] = 1,
) -> Tensor:
    """Adds columns as patches onto an image: the transpose of :func:`unfold`, not its inverse where patches overlap.

    Args:
        input: (N, C * kernel height * kernel width, number of patches), or without N.
        output_size: (height, width) of the image, or one number for both.
        kernel_size: and the others as of :func:`unfold`.

    Returns:
        (N, C, H, W), without N if the input had none.

    Raises:
        ValueError: if the input's sizes are not those that :func:`unfold` makes of such an image.

    Example:
        >>> x = lamina.ones(1, 1, 3, 3)
        >>> F.fold(F.unfold(x, 2), (3, 3), 2)[0, 0]  # how many patches hold each pixel
        tensor([[1., 2., 1.],
                [2., 4., 2.],
                [1., 2., 1.]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("fold", input=input)
    if casting.on:
        return in_autocast(fold, input, output_size, kernel_size, dilation, padding, stride)
    grid = _grid("fold", kernel_size, dilation, padding, stride)
    size = sizes("fold", "output_size", output_size, 2)
    if input.ndim == 2:
        return _folded(input.reshape((1, *input.shape)), size, grid)[0]
    return _folded(input, size, grid)


def _grid(
    op: str,
    kernel_size: int | Sequence[int],
    dilation: int | Sequence[int],
    padding: int | Sequence[int],
    stride: int | Sequence[int],
) -> Grid:
    return (
        sizes(op, "kernel_size", kernel_size, 2),
        sizes(op, "stride", stride, 2),
        sizes(op, "padding", padding, 2),
        sizes(op, "dilation", dilation, 2),
    )


# Each is linear and the other's transpose: derivatives of any order.


def _unfolded(x: Tensor, grid: Grid) -> Tensor:
    columns = Tensor(_C.unfold_patches(x._array, *grid))
    if tracks(x):
        record(columns, _unfold_backward, (x,), (tuple(x.shape[2:]), grid))
    return columns


def _unfold_backward(node: Node, grad: Tensor) -> Tensor:
    return _folded(grad, *node.saved)


def _folded(columns: Tensor, size: tuple[int, ...], grid: Grid) -> Tensor:
    x = Tensor(_C.fold_patches(columns._array, size, *grid))
    if tracks(columns):
        record(x, _fold_backward, (columns,), (grid,))
    return x


def _fold_backward(node: Node, grad: Tensor) -> Tensor:
    return _unfolded(grad, *node.saved)
