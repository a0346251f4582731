"""Non-maximum suppression."""

from __future__ import annotations

from lamina import _C
from lamina.ops.sort import argsort
from lamina.tensor import Tensor
from lamina.vision.ops.boxes import check_boxes

__all__ = ["batched_nms", "nms"]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keeps, from the best score on, the boxes that overlap no better one that was kept.

    Args:
        boxes: (n, 4): x1, y1, x2, y2.
        scores: (n,).
        iou_threshold: boxes overlap if their intersection over union exceeds it.

    Returns:
        int64, the indices that are kept, the best first.

    Raises:
        ValueError: if the shapes don't fit.

    Example:
        >>> boxes = lamina.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 5.0], [6.0, 6.0, 9.0, 9.0]])
        >>> lamina.vision.ops.nms(boxes, lamina.tensor([0.5, 0.9, 0.7]), 0.5)
        tensor([1, 2])
    """
    check_boxes(boxes, "nms")
    if boxes.ndim != 2 or scores.ndim != 1 or len(scores) != len(boxes):
        raise ValueError(
            f"[nms] expected a score for each box, got shapes {tuple(boxes.shape)} and {tuple(scores.shape)}"
        )
    order = argsort(scores.detach(), descending=True, stable=True)
    return Tensor(_C.nms(boxes._array, order._array, float(iou_threshold)))


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """:func:`nms` within each category: boxes of different ones don't meet.

    Args:
        boxes: (n, 4).
        scores: (n,).
        idxs: (n,), the category of each box.
        iou_threshold: as in :func:`nms`.
    """
    if boxes.numel() == 0:
        return nms(boxes, scores, iou_threshold)
    if idxs.shape != scores.shape:
        raise ValueError(
            f"[batched_nms] expected a category for each box, got shapes {tuple(scores.shape)} and {tuple(idxs.shape)}"
        )
    low, high = boxes.detach().min(), boxes.detach().max()
    apart = idxs.to(boxes.dtype) * (high - low + 1)  # each category has a place of its own
    return nms(boxes.detach() + apart.unsqueeze(1), scores, iou_threshold)
