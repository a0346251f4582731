"""Which true box a proposed one answers for, and which proposals a step learns from."""

from __future__ import annotations

import lamina
from lamina.tensor import Tensor

BELOW, BETWEEN = -1, -2  # background; too near to be background, too far to be the object


def match(iou: Tensor, high: float, low: float, keep_best: bool = False) -> Tensor:
    """For each proposal the true box that it overlaps most, :data:`BELOW` or :data:`BETWEEN`.

    Args:
        iou: [true boxes, proposals] intersections over unions.
        high: from here on a proposal is the true box's.
        low: below this it is background.
        keep_best: give every true box the proposals that overlap it most, however little that is.

    Example:
        >>> from lamina.models.detection.matching import match
        >>> match(lamina.tensor([[0.8, 0.4, 0.1], [0.1, 0.2, 0.3]]), 0.7, 0.35)
        tensor([ 0, -2, -1])
        >>> match(lamina.tensor([[0.8, 0.4, 0.1], [0.1, 0.2, 0.3]]), 0.7, 0.35, keep_best=True)
        tensor([ 0, -2,  1])
    """
    if iou.shape[0] == 0:
        return lamina.full((iou.shape[1],), BELOW, device=iou.device)
    overlap, nearest = iou.max(0)
    result = nearest.masked_fill(overlap < high, BETWEEN).masked_fill(overlap < low, BELOW)
    if keep_best:
        best = (iou == iou.max(1, keepdim=True)[0]).any(0)
        result = lamina.where(best, nearest, result)
    return result


def sample(labels: Tensor, count: int, positive_fraction: float) -> tuple[Tensor, Tensor]:
    """Indices of positives (labels of 1 and more) and of negatives (0), drawn at random; -1 is left out.

    Args:
        labels: [proposals].
        count: how many in all; negatives take the place of positives that are missing.
        positive_fraction: how many of them may be positive.
    """
    positive, negative = (labels >= 1).nonzero().flatten(), (labels == 0).nonzero().flatten()
    positives = min(len(positive), int(count * positive_fraction))
    negatives = min(len(negative), count - positives)
    return (
        positive[lamina.randperm(len(positive), device=labels.device)[:positives]],
        negative[lamina.randperm(len(negative), device=labels.device)[:negatives]],
    )
