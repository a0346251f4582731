"""How much boxes overlap: intersection over union, and its kin that losses use."""

from __future__ import annotations

import math

from lamina.ops.elementwise import expect_tensors
from lamina.ops.select import maximum, minimum
from lamina.ops.unary import atan
from lamina.tensor import Tensor
from lamina.vision.ops.boxes import box_area, check_boxes

__all__ = ["box_iou", "complete_box_iou", "distance_box_iou", "generalized_box_iou"]


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """The intersection over the union of each box of one set with each of another.

    Args:
        boxes1: (n, 4).
        boxes2: (m, 4).

    Returns:
        (n, m), from 0 to 1.

    Raises:
        ValueError: unless the last dimensions are 4.

    Example:
        >>> a = lamina.tensor([[0.0, 0.0, 2.0, 2.0]])
        >>> lamina.vision.ops.box_iou(a, lamina.tensor([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]]))
        tensor([[0.3333, 0.0000]])
    """
    if not (isinstance(boxes1, Tensor) and isinstance(boxes2, Tensor)):
        expect_tensors("box_iou", boxes1=boxes1, boxes2=boxes2)
    common, union = _common_and_union(boxes1, boxes2, "box_iou")
    return common / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """:func:`box_iou` less the share of the box around both that neither fills (Rezatofighi et al., 1902.09630)."""
    if not (isinstance(boxes1, Tensor) and isinstance(boxes2, Tensor)):
        expect_tensors("generalized_box_iou", boxes1=boxes1, boxes2=boxes2)
    common, union = _common_and_union(boxes1, boxes2, "generalized_box_iou")
    width, height = _extent(boxes1, boxes2)
    around = width * height
    return common / union - (around - union) / around


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """:func:`box_iou` less the middles' squared distance over the diagonal's around both (Zheng et al., 1911.08287)."""
    if not (isinstance(boxes1, Tensor) and isinstance(boxes2, Tensor)):
        expect_tensors("distance_box_iou", boxes1=boxes1, boxes2=boxes2)
    return _distance_iou(boxes1, boxes2, eps, "distance_box_iou")


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """:func:`distance_box_iou` less a term for unlike aspect ratios (Zheng et al., 1911.08287)."""
    if not (isinstance(boxes1, Tensor) and isinstance(boxes2, Tensor)):
        expect_tensors("complete_box_iou", boxes1=boxes1, boxes2=boxes2)
    distance = _distance_iou(boxes1, boxes2, eps, "complete_box_iou")
    angles = []
    for boxes in (boxes1, boxes2):
        x1, y1, x2, y2 = boxes.unbind(-1)
        angles.append(atan((x2 - x1) / (y2 - y1)))
    unlike = (angles[0].unsqueeze(1) - angles[1].unsqueeze(0)) ** 2 * (4 / math.pi**2)
    iou = box_iou(boxes1, boxes2)
    weight = (unlike / (1 - iou + unlike + eps)).detach()
    return distance - weight * unlike


def _common_and_union(boxes1: Tensor, boxes2: Tensor, op: str) -> tuple[Tensor, Tensor]:
    for boxes in (boxes1, boxes2):
        check_boxes(boxes, op)
        if boxes.ndim != 2:
            raise ValueError(f"[{op}] expected boxes of shape (n, 4), got {tuple(boxes.shape)}")
    a, b = boxes1.unsqueeze(1), boxes2.unsqueeze(0)
    sides = (minimum(a[..., 2:], b[..., 2:]) - maximum(a[..., :2], b[..., :2])).clamp(min=0)
    common = sides[..., 0] * sides[..., 1]
    return common, box_area(boxes1).unsqueeze(1) + box_area(boxes2).unsqueeze(0) - common


def _extent(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """The sides of the boxes around each pair."""
    a, b = boxes1.unsqueeze(1), boxes2.unsqueeze(0)
    sides = maximum(a[..., 2:], b[..., 2:]) - minimum(a[..., :2], b[..., :2])
    return sides[..., 0], sides[..., 1]


def _distance_iou(boxes1: Tensor, boxes2: Tensor, eps: float, op: str) -> Tensor:
    common, union = _common_and_union(boxes1, boxes2, op)
    width, height = _extent(boxes1, boxes2)
    middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (boxes1, boxes2)]
    apart = ((middles[0].unsqueeze(1) - middles[1].unsqueeze(0)) ** 2).sum(-1)
    return common / union - apart / (width**2 + height**2 + eps)
