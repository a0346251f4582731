"""Average precision of detections, as COCO has it: right means the right class and enough overlap.

Source: Lin et al., "Microsoft COCO: common objects in context", 2014 (arXiv:1405.0312).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Found = dict[
    str, np.ndarray
]  # of an image: boxes [k, 4], labels [k], masks [k, H, W]; of detections also scores [k]


def box_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """[a, 4], [b, 4] -> [a, b]"""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    both = (high - low).clip(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one, other)]
    return both / np.maximum(areas[0][:, None] + areas[1] - both, 1e-9)


def mask_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """bool [a, H, W], [b, H, W] -> [a, b]"""
    first, second = (
        masks.reshape(len(masks), math.prod(masks.shape[1:])).astype(np.float64) for masks in (one, other)
    )
    both = first @ second.T
    return both / np.maximum(first.sum(1)[:, None] + second.sum(1) - both, 1e-9)


def matches(
    found: list[Found], truths: list[Found], kind: str, label: int, threshold: float
) -> tuple[np.ndarray, int]:
    """Of all detections of a class, the surest first, which are right; and how many there are to find.

    The surest detection of an image takes the object that it overlaps most; an object is found once.
    """
    iou = box_iou if kind == "boxes" else mask_iou
    scores, right, count = [], [], 0
    for detection, truth in zip(found, truths, strict=True):
        mine, there = detection["labels"] == label, truth["labels"] == label
        count += int(there.sum())
        free = np.ones(int(there.sum()), bool)
        order = np.argsort(-detection["scores"][mine], kind="stable")
        overlap = iou(detection[kind][mine][order], truth[kind][there])
        for row, score in zip(overlap, detection["scores"][mine][order], strict=True):
            row = np.where(free, row, -1.0)
            hit = bool(len(row)) and row.max() >= threshold
            if hit:
                free[row.argmax()] = False
            scores.append(score)
            right.append(hit)
    return np.array(right, bool)[np.argsort(-np.array(scores), kind="stable")], count


def average_precision(
    found: list[Found], truths: list[Found], kind: str, thresholds: Sequence[float]
) -> float:
    """The area under precision over recall, a mean over classes that occur and over thresholds of IoU."""
    areas = []
    for label in sorted({int(label) for truth in truths for label in truth["labels"]}):
        for threshold in thresholds:
            right, count = matches(found, truths, kind, label, threshold)
            hits = np.cumsum(right)
            precision = hits / np.arange(1, len(right) + 1)
            best = np.maximum.accumulate(precision[::-1])[::-1]  # the best at this recall or a higher one
            areas.append((best * right).sum() / count)
    return float(np.mean(areas))
