"""Losses that ask for a margin between scores."""

from __future__ import annotations

from lamina.nn import functional as F
from lamina.nn.modules.loss import Loss, WeightedLoss
from lamina.tensor import Tensor

__all__ = ["MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss"]


class MultiMarginLoss(WeightedLoss):
    """The multiclass SVM hinge; see :func:`lamina.nn.functional.multi_margin_loss`.

    Args:
        p: 1 for the hinge, 2 for its square.
        margin: by how much the target's score must lead.
        weight: (classes,) a factor a class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Tensor | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction)
        if p not in (1, 2):
            raise ValueError(f"[MultiMarginLoss] expected p of 1 or 2, got {p}")
        self.p, self.margin = p, margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelMarginLoss(Loss):
    """The hinge of several labels a row; see :func:`lamina.nn.functional.multilabel_margin_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """Binary cross-entropy of every class; see :func:`lamina.nn.functional.multilabel_soft_margin_loss`.

    Args:
        weight: (classes,) a factor a class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class MarginRankingLoss(Loss):
    """Which of two scores must be larger; see :func:`lamina.nn.functional.margin_ranking_loss`.

    Args:
        margin: by how much.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)
