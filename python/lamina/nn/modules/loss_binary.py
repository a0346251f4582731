"""Losses of probabilities and of signs."""

from __future__ import annotations

from lamina.nn import functional as F
from lamina.nn.modules.loss import Loss, WeightedLoss
from lamina.tensor import Tensor

__all__ = ["BCELoss", "BCEWithLogitsLoss", "HingeEmbeddingLoss", "KLDivLoss", "SoftMarginLoss"]


class BCELoss(WeightedLoss):
    """Cross-entropy of probabilities with targets from 0 to 1; see :func:`lamina.nn.functional.binary_cross_entropy`.

    Args:
        weight: a factor an element, broadcast.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """Cross-entropy of logits; see :func:`lamina.nn.functional.binary_cross_entropy_with_logits`.

    Args:
        weight: a factor an element, broadcast.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        pos_weight: the factor of the losses of positive targets, broadcast.
    """

    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, weight=self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class KLDivLoss(Loss):
    """Kullback-Leibler divergence of log-probabilities from probabilities; see :func:`lamina.nn.functional.kl_div`.

    Args:
        reduction: ``"mean"``, ``"batchmean"`` (the divergence by its definition), ``"sum"`` or ``"none"``.
        log_target: the target holds log-probabilities too.
    """

    _reductions = ("mean", "batchmean", "sum", "none")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class SoftMarginLoss(Loss):
    """The logistic loss of targets of 1 and -1; see :func:`lamina.nn.functional.soft_margin_loss`.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class HingeEmbeddingLoss(Loss):
    """A distance, or what it lacks of a margin for unlike pairs; see :func:`lamina.nn.functional.hinge_embedding_loss`.

    Args:
        margin: the distance at which unlike pairs cost nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)
