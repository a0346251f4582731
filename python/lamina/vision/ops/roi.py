"""Regions of interest: pieces of feature maps, each pooled to one size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.modules.module import Module
from lamina.ops.elementwise import expect_tensors
from lamina.ops.gather import gather
from lamina.ops.join import cat
from lamina.ops.select import where
from lamina.tensor import Tensor
from lamina.vision.ops.boxes import check_boxes

__all__ = ["RoIAlign", "RoIPool", "roi_align", "roi_pool"]

Boxes = Tensor | Sequence[Tensor]


def roi_align(
    input: Tensor,
    boxes: Boxes,
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """The means of bilinear samples in a grid of bins over each box (He et al., arXiv:1703.06870).

    Args:
        input: (N, C, H, W), float32 or float64.
        boxes: (K, 5): the image's index, x1, y1, x2, y2; or a list of (k, 4), one an image.
        output_size: the bins, down and across.
        spatial_scale: pixels of the input a unit of the boxes.
        sampling_ratio: samples a bin along each axis; below 1: as many as the bin has pixels, rounded up.
        aligned: take pixels' middles at halves, as the boxes do.

    Returns:
        (K, C, *output_size), in the input's memory order.  The boxes have no gradient.

    Raises:
        ValueError: if shapes don't fit, or a coordinate is not finite.
        IndexError: if there is no such image.

    Example:
        >>> x = lamina.arange(16.0).reshape(1, 1, 4, 4)
        >>> lamina.vision.ops.roi_align(x, [lamina.tensor([[0.0, 0.0, 2.0, 2.0]])], 1)
        tensor([[[[5.]]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("roi_align", input=input)
    options = (*_pair(output_size), float(spatial_scale), sampling_ratio, aligned)
    return _align(input, _regions(boxes, input), options)


def _align(x: Tensor, rois: Tensor, options: tuple[Any, ...]) -> Tensor:
    y = Tensor(_C.roi_align(x._array, rois._array, *options))
    if tracks(x):
        record(y, _roi_align_backward, (x,), (rois.detach(), x._array.shape, options))
    return y


def _roi_align_backward(node: Node, grad: Tensor) -> Tensor:
    rois, shape, options = node.saved
    dx = Tensor(_C.roi_align_backward(grad._array, rois._array, shape, *options))
    if tracks(grad):  # linear in the input: its adjoint's adjoint is itself
        record(dx, _roi_align_adjoint_backward, (grad,), (rois, options))
    return dx


def _roi_align_adjoint_backward(node: Node, grad: Tensor) -> Tensor:
    rois, options = node.saved
    return _align(grad, rois, options)


def roi_pool(
    input: Tensor, boxes: Boxes, output_size: int | Sequence[int], spatial_scale: float = 1.0
) -> Tensor:
    """The maxima in a grid of bins over each box, rounded to whole pixels (Girshick, arXiv:1504.08083).

    Args:
        input: (N, C, H, W), float32 or float64.
        boxes: (K, 5): the image's index, x1, y1, x2, y2; or a list of (k, 4), one an image.
        output_size: the bins, down and across.
        spatial_scale: pixels of the input a unit of the boxes.

    Returns:
        (K, C, *output_size), in the input's memory order; 0 in bins without a pixel.

    Raises:
        ValueError: if shapes don't fit, or a coordinate is not finite.
        IndexError: if there is no such image.

    Example:
        >>> x = lamina.arange(16.0).reshape(1, 1, 4, 4)
        >>> lamina.vision.ops.roi_pool(x, lamina.tensor([[0.0, 0.0, 0.0, 3.0, 3.0]]), 2)
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("roi_pool", input=input)
    rois, options = _regions(boxes, input), (*_pair(output_size), float(spatial_scale))
    array, winner = _C.roi_pool(input._array, rois._array, *options)
    y = Tensor(array)
    if tracks(input):
        record(y, _roi_pool_backward, (input,), (rois.detach(), Tensor(winner), input._array.shape, options))
    return y


def _roi_pool_backward(node: Node, grad: Tensor) -> Tensor:
    rois, winner, shape, options = node.saved
    dx = Tensor(_C.roi_pool_backward(grad._array, rois._array, winner._array, shape, *options))
    if tracks(grad):
        record(dx, _roi_pool_adjoint_backward, (grad,), (rois, winner))
    return dx


def _roi_pool_adjoint_backward(node: Node, grad: Tensor) -> Tensor:
    """What stands where each bin's maximum was found."""
    rois, winner = node.saved
    planes = grad.flatten(2)[rois[:, 0].long()]  # (K, C, H W)
    found = gather(planes, 2, winner.flatten(2).clamp(min=0).long()).reshape(winner.shape)
    return where(winner >= 0, found, 0.0)


def _pair(output_size: int | Sequence[int]) -> tuple[int, int]:
    sizes = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if len(sizes) != 2:
        raise ValueError(f"[roi] expected an output_size of 1 or 2 numbers, got {output_size}")
    return sizes[0], sizes[1]


def _regions(boxes: Boxes, input: Tensor) -> Tensor:
    """(K, 5) in the input's dtype."""
    if not isinstance(boxes, (Tensor, list, tuple)):
        raise TypeError(f"[roi] expected boxes as a tensor or a list of tensors, got {type(boxes).__name__}")
    if isinstance(boxes, Tensor):
        return boxes.detach().to(input.dtype)
    parts = []
    for image, part in enumerate(boxes):
        check_boxes(part, "roi")
        index = input.new_full((len(part), 1), float(image))
        parts.append(cat([index, part.detach().to(input.dtype)], 1))
    if len(parts) > input.shape[0]:
        raise IndexError(f"[roi] expected boxes of {input.shape[0]} images, got {len(parts)} sets")
    return cat(parts) if parts else input.new_full((0, 5), 0.0)


class RoIAlign(Module):
    """See :func:`lamina.vision.ops.roi_align`, whose arguments these are."""

    def __init__(
        self,
        output_size: int | Sequence[int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def extra_repr(self) -> str:
        names = ("output_size", "spatial_scale", "sampling_ratio", "aligned")
        return ", ".join(f"{name}={getattr(self, name)}" for name in names)


class RoIPool(Module):
    """See :func:`lamina.vision.ops.roi_pool`, whose arguments these are."""

    def __init__(self, output_size: int | Sequence[int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"
