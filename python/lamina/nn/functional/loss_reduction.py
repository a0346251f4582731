"""How the losses of elements become one."""

from __future__ import annotations

from lamina.tensor import Tensor

REDUCTIONS = {"none": 0, "sum": 1, "mean": 2}


def reduction_code(reduction: str, op: str) -> int:
    """The number of a reduction as kernels know it.

    Raises:
        ValueError: for any other word than ``"mean"``, ``"sum"`` or ``"none"``.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"[{op}] expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    return REDUCTIONS[reduction]


def reduce(losses: Tensor, reduction: str, op: str) -> Tensor:
    """The losses themselves, their sum or their mean."""
    reduction_code(reduction, op)
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()
