"""Boxes (x1, y1, x2, y2), with x1 < x2 and y1 < y2: their areas, forms and limits."""

from __future__ import annotations

from lamina.ops.creation import zeros
from lamina.ops.elementwise import expect_tensors
from lamina.ops.join import stack
from lamina.tensor import Tensor

__all__ = ["box_area", "box_convert", "clip_boxes_to_image", "masks_to_boxes", "remove_small_boxes"]

_FORMS = ("xyxy", "xywh", "cxcywh")


def check_boxes(boxes: Tensor, op: str) -> None:
    """Raises unless these are boxes: the last dimension is 4."""
    if not isinstance(boxes, Tensor):
        raise TypeError(f"[{op}] expected a tensor of boxes, got {type(boxes).__name__}")
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ValueError(f"[{op}] expected boxes of shape (..., 4), got {tuple(boxes.shape)}")


def box_area(boxes: Tensor) -> Tensor:
    """The areas of boxes (..., 4).

    Example:
        >>> lamina.vision.ops.box_area(lamina.tensor([[0.0, 0.0, 2.0, 3.0]]))
        tensor([6.])
    """
    if not isinstance(boxes, Tensor):
        expect_tensors("box_area", boxes=boxes)
    check_boxes(boxes, "box_area")
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1) * (y2 - y1)


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes in another form.

    Args:
        boxes: (..., 4).
        in_fmt: ``"xyxy"`` (two corners), ``"xywh"`` (corner, width, height) or ``"cxcywh"`` (middle, width, height).
        out_fmt: likewise.

    Raises:
        ValueError: for another form.

    Example:
        >>> lamina.vision.ops.box_convert(lamina.tensor([1.0, 2.0, 5.0, 8.0]), "xyxy", "cxcywh")
        tensor([3., 5., 4., 6.])
    """
    check_boxes(boxes, "box_convert")
    if in_fmt not in _FORMS or out_fmt not in _FORMS:
        raise ValueError(f"[box_convert] expected forms out of {_FORMS}, got {in_fmt!r} and {out_fmt!r}")
    if in_fmt == out_fmt:
        return boxes.clone()
    a, b, c, d = boxes.unbind(-1)
    if in_fmt == "xywh":
        a, b, c, d = a, b, a + c, b + d
    elif in_fmt == "cxcywh":
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    if out_fmt == "xywh":
        c, d = c - a, d - b
    elif out_fmt == "cxcywh":
        a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
    return stack([a, b, c, d], -1)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes with their corners moved into an image of ``size`` (height, width).

    Example:
        >>> lamina.vision.ops.clip_boxes_to_image(lamina.tensor([[-1.0, 2.0, 9.0, 9.0]]), (5, 7))
        tensor([[0., 2., 7., 5.]])
    """
    check_boxes(boxes, "clip_boxes_to_image")
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(-1)
    xs, ys = (x1.clamp(0, width), x2.clamp(0, width)), (y1.clamp(0, height), y2.clamp(0, height))
    return stack([xs[0], ys[0], xs[1], ys[1]], -1)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The indices of the boxes (n, 4) whose sides are at least ``min_size``.

    Example:
        >>> lamina.vision.ops.remove_small_boxes(lamina.tensor([[0, 0, 1, 9], [0, 0, 5, 5]]), 2)
        tensor([1])
    """
    check_boxes(boxes, "remove_small_boxes")
    x1, y1, x2, y2 = boxes.unbind(-1)
    return ((x2 - x1 >= min_size) & (y2 - y1 >= min_size)).nonzero().flatten()


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The smallest boxes around masks.

    Args:
        masks: (n, H, W), not zero where a mask is set; each must be set somewhere.

    Returns:
        float32 (n, 4): the first and last columns and rows that are set.

    Raises:
        ValueError: for other shapes, or an empty mask.
    """
    if masks.ndim != 3:
        raise ValueError(f"[masks_to_boxes] expected masks of shape (n, H, W), got {tuple(masks.shape)}")
    boxes = zeros(masks.shape[0], 4, device=masks.device)
    for i, mask in enumerate(masks):
        y, x = (mask != 0).nonzero(as_tuple=True)
        if len(x) == 0:
            raise ValueError(f"[masks_to_boxes] expected masks that are set somewhere, mask {i} is not")
        boxes[i] = stack([x.min(), y.min(), x.max(), y.max()])
    return boxes
