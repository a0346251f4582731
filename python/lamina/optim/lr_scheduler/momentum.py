"""Momentum that a schedule moves against the rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.optim.lr_scheduler.base import one_each
from lamina.optim.optimizer import Optimizer


def begin_momentum(
    optimizer: Optimizer,
    base_momentum: float | Sequence[float],
    max_momentum: float | Sequence[float],
    last_epoch: int,
) -> tuple[list[float], list[float]]:
    """Puts each group at its largest momentum, unless a schedule is resumed; gives both bounds, one a group.

    Raises:
        ValueError: if the optimizer has neither ``momentum`` nor ``betas``.
    """
    if not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(
            f"[lr_scheduler] expected an optimizer with momentum or betas, got {type(optimizer).__name__}; "
            "pass cycle_momentum=False"
        )
    lowest = one_each(base_momentum, optimizer, "base_momentum")
    highest = one_each(max_momentum, optimizer, "max_momentum")
    if last_epoch == -1:
        for group, low, high in zip(optimizer.param_groups, lowest, highest):
            set_momentum(group, high)
            group["max_momentum"], group["base_momentum"] = high, low
    return lowest, highest


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Sets a group's ``momentum``, or the first of its ``betas``."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
