"""Losses that ask for a margin between scores or distances."""

from __future__ import annotations

from lamina.nn.functional.loss_reduction import reduce
from lamina.ops.creation import zeros_like
from lamina.tensor import Tensor

__all__ = ["multi_margin_loss"]


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The multiclass SVM hinge: ``sum over j != y of w_y max(0, margin - x_y + x_j)^p / classes``.

    Args:
        input: scores (N, classes) or (classes,).
        target: class numbers (N,) or 0-d.
        p: 1 for the hinge, 2 for its square.
        margin: by how much the target's score must lead.
        weight: (classes,) a factor a class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the shapes do not fit.
        IndexError: if a target is no class.

    Example:
        >>> lamina.nn.functional.multi_margin_loss(lamina.zeros(1, 4), lamina.tensor([0]))
        tensor(0.7500)
    """
    if p not in (1, 2):
        raise ValueError(f"[multi_margin_loss] expected p of 1 or 2, got {p}")
    if (
        input.ndim not in (1, 2)
        or target.ndim != input.ndim - 1
        or tuple(target.shape) != tuple(input.shape[:-1])
    ):
        raise ValueError(
            f"[multi_margin_loss] expected scores (N, classes) and targets (N,), got {tuple(input.shape)} "
            f"and {tuple(target.shape)}"
        )
    scores, index = (input.unsqueeze(0), target.unsqueeze(0)) if input.ndim == 1 else (input, target)
    column = index.long().unsqueeze(1)
    violation = (scores - scores.gather(1, column) + margin).relu()
    violation = violation.scatter(
        1, column, zeros_like(column).to(violation.dtype)
    )  # the target itself costs nothing
    if p == 2:
        violation = violation * violation
    if weight is not None:
        violation = violation * weight[index].unsqueeze(1)
    losses = violation.sum(1) / scores.shape[1]
    return reduce(losses.squeeze(0) if input.ndim == 1 else losses, reduction, "multi_margin_loss")
