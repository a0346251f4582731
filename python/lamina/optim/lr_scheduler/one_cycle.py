"""One cycle: warm-up to a large rate, then annealing far below the first one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina.optim.lr_scheduler.base import LRScheduler, checked_optimizer, one_each
from lamina.optim.lr_scheduler.momentum import begin_momentum, set_momentum
from lamina.optim.optimizer import Optimizer


class OneCycleLR(LRScheduler):
    """The 1cycle policy, by the batch (Smith & Topin, arXiv 1708.07120).

    Args:
        optimizer: what to schedule.
        max_lr: the upper rate, or one a group.
        total_steps: steps in all; or
        epochs, steps_per_epoch: their factors.
        pct_start: the share of the steps that goes up.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum: move momentum, or the first of ``betas``, the other way.
        base_momentum: the lower momentum, or one a group.
        max_momentum: the upper momentum, or one a group.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is the first over this.
        three_phase: come down to the first rate as fast as up, then anneal.
        last_epoch: the step to resume after.

    Raises:
        ValueError: for a bad number or strategy, and for a step beyond the last.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0, momentum=0.9)
        >>> schedule = lamina.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        >>> round(schedule.get_last_lr()[0], 6)
        0.04
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        checked_optimizer(optimizer, "OneCycleLR")
        self.total_steps = _steps(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"[OneCycleLR] expected pct_start from 0 to 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"[OneCycleLR] expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}"
            )
        self._anneal_func_type = anneal_strategy
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if last_epoch == -1:
            for group, highest in zip(optimizer.param_groups, one_each(max_lr, optimizer, "max_lr")):
                group["initial_lr"], group["max_lr"] = highest / div_factor, highest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            begin_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"[OneCycleLR] expected at most {self.total_steps} steps, got {self.last_epoch}")
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if self.last_epoch <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        share = (self.last_epoch - start) / (phase["end_step"] - start)
        lrs = []
        for group in self.optimizer.param_groups:
            lrs.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                set_momentum(group, self._between(*ends, share))
        return lrs

    def _between(self, start: float, end: float, share: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
        return start + (end - start) * share


def _steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    given = [total_steps] if total_steps is not None else [epochs, steps_per_epoch]
    if any(n is None for n in given):
        raise ValueError("[OneCycleLR] expected total_steps, or epochs and steps_per_epoch")
    if not all(isinstance(n, int) and n > 0 for n in given):
        raise ValueError(f"[OneCycleLR] expected whole numbers of steps above 0, got {given}")
    return math.prod(n for n in given if n is not None)


def _phases(steps: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """Where each phase ends, and the names of the group's rates and momenta that it goes between."""

    def phase(end: float, rates: tuple[str, str], momenta: tuple[str, str]) -> dict[str, Any]:
        return {
            "end_step": end,
            "start_lr": rates[0],
            "end_lr": rates[1],
            "start_momentum": momenta[0],
            "end_momentum": momenta[1],
        }

    up = phase(pct_start * steps - 1, ("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
    if not three_phase:
        return [up, phase(steps - 1, ("max_lr", "min_lr"), ("base_momentum", "max_momentum"))]
    down = phase(2 * pct_start * steps - 2, ("max_lr", "initial_lr"), ("base_momentum", "max_momentum"))
    return [up, down, phase(steps - 1, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum"))]
