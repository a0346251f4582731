"""Connectionist temporal classification."""

from __future__ import annotations

from lamina.nn import functional as F
from lamina.nn.functional.loss_ctc import Lengths
from lamina.nn.modules.loss import Loss
from lamina.tensor import Tensor

__all__ = ["CTCLoss"]


class CTCLoss(Loss):
    """Negative log-likelihood of label sequences over all their alignments; see :func:`lamina.nn.functional.ctc_loss`.

    Args:
        blank: the class number of the blank.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        zero_infinity: infinite losses count 0 with no gradient.
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Lengths, target_lengths: Lengths
    ) -> Tensor:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            blank=self.blank,
            reduction=self.reduction,
            zero_infinity=self.zero_infinity,
        )
