"""Losses of distances between vectors."""

from __future__ import annotations

from collections.abc import Callable

from lamina.nn import functional as F
from lamina.nn.modules.loss import Loss
from lamina.tensor import Tensor

__all__ = ["CosineEmbeddingLoss", "TripletMarginLoss", "TripletMarginWithDistanceLoss"]


class CosineEmbeddingLoss(Loss):
    """One minus the cosine, or the cosine of unlike vectors; see :func:`lamina.nn.functional.cosine_embedding_loss`.

    Args:
        margin: the cosine up to which unlike vectors cost nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(Loss):
    """Anchors nearer to a positive than to a negative; see :func:`lamina.nn.functional.triplet_margin_loss`.

    Args:
        margin: by how much, above 0.
        p: the norm.
        eps: added to each difference.
        swap: take the negative's distance from the positive where that is smaller.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"[TripletMarginLoss] expected a margin above 0, got {margin}")
        self.margin, self.p, self.eps, self.swap = margin, p, eps, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(Loss):
    """The triplet loss with any distance; see :func:`lamina.nn.functional.triplet_margin_with_distance_loss`.

    Args:
        distance_function: of two tensors; by default the Euclidean distance along the last dimension.
        margin: by how much, above 0.
        swap: take the negative's distance from the positive where that is smaller.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        if not margin > 0:
            raise ValueError(f"[TripletMarginWithDistanceLoss] expected a margin above 0, got {margin}")
        self.distance_function, self.margin, self.swap = distance_function, margin, swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
