"""Losses of classes, and what all loss modules share: configuration and one functional call each."""

from __future__ import annotations

from typing import ClassVar

from lamina.nn import functional as F
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["CrossEntropyLoss", "NLLLoss"]


class Loss(Module):
    """What all losses share: how the losses of the elements become one.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
    """

    _reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in self._reductions:
            raise ValueError(
                f"[{type(self).__name__}] expected reduction of {self._reductions}, got {reduction!r}"
            )
        self.reduction = reduction


class WeightedLoss(Loss):
    """A loss with a weight a class, kept as a buffer."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(WeightedLoss):
    """Softmax cross-entropy between logits and classes; see :func:`lamina.nn.functional.cross_entropy`.

    Args:
        weight: (classes,) a factor a class.
        ignore_index: a target that counts for nothing.
        reduction: ``"mean"`` (weighted), ``"sum"`` or ``"none"``.
        label_smoothing: the share of the target spread over all classes.

    Example:
        >>> loss = lamina.nn.CrossEntropyLoss()(lamina.zeros(2, 4), lamina.tensor([1, 3]))
        >>> round(loss.item(), 4)  # log 4
        1.3863
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(WeightedLoss):
    """Negative log-likelihood of classes; see :func:`lamina.nn.functional.nll_loss`.

    Args:
        weight: (classes,) a factor a class.
        ignore_index: a target that counts for nothing.
        reduction: ``"mean"`` (weighted), ``"sum"`` or ``"none"``.
    """

    def __init__(
        self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)
