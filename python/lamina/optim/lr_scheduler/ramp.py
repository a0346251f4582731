"""Schedules that begin with a fraction of the rate: warm-up by a constant or a line."""

from __future__ import annotations

from lamina.optim.lr_scheduler.base import LRScheduler, rates
from lamina.optim.optimizer import Optimizer


class ConstantLR(LRScheduler):
    """A fraction of the rate for ``total_iters`` epochs, then all of it.

    Args:
        optimizer: what to schedule.
        factor: the fraction, above 0 and at most 1.
        total_iters: for how many epochs.
        last_epoch: the epoch to resume after.
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 < factor <= 1:
            raise ValueError(f"[ConstantLR] expected a factor above 0 and at most 1, got {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        change = (
            self.factor
            if self.last_epoch == 0
            else 1 / self.factor
            if self.last_epoch == self.total_iters
            else 1.0
        )
        return [lr * change for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        factor = 1.0 if self.last_epoch >= self.total_iters else self.factor
        return [base * factor for base in self.base_lrs]


class LinearLR(LRScheduler):
    """A fraction of the rate that changes along a line.

    Args:
        optimizer: what to schedule.
        start_factor: the fraction at first, above 0 and at most 1.
        end_factor: the fraction after ``total_iters`` epochs, from 0 to 1.
        total_iters: epochs between them.
        last_epoch: the epoch to resume after.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> schedule = lamina.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"[LinearLR] expected a start_factor above 0 and at most 1, got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"[LinearLR] expected an end_factor from 0 to 1, got {end_factor}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in rates(self.optimizer)]
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates(self.optimizer)
        gain = self.end_factor - self.start_factor
        factor = 1 + gain / (self.total_iters * self.start_factor + (self.last_epoch - 1) * gain)
        return [lr * factor for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        share = min(self.total_iters, self.last_epoch) / self.total_iters
        factor = self.start_factor + (self.end_factor - self.start_factor) * share
        return [base * factor for base in self.base_lrs]
