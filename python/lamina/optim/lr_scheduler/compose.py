"""Schedules made of schedules: one after another, all at once, and any of them after a warm-up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from lamina.optim.lr_scheduler.base import LRScheduler, checked_optimizer, rates, set_rates
from lamina.optim.lr_scheduler.plateau import ReduceLROnPlateau
from lamina.optim.optimizer import Optimizer


class _Composite(LRScheduler):
    """Keeps schedules of one optimizer, and their state in its own.

    Raises:
        ValueError: for none, a schedule of another optimizer, or one that needs a metric.
        TypeError: for what is no schedule.
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
        name = type(self).__name__
        self.optimizer = checked_optimizer(optimizer, name)
        for i, schedule in enumerate(schedulers):
            if not isinstance(schedule, LRScheduler):
                raise TypeError(f"[{name}] expected schedules, got {type(schedule).__name__} at {i}")
            if isinstance(schedule, ReduceLROnPlateau):
                raise ValueError(f"[{name}] expected schedules that need no metric, got one at {i}")
            if schedule.optimizer is not optimizer:
                raise ValueError(f"[{name}] expected schedules of one optimizer, got another's at {i}")
        self._schedulers = list(schedulers)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, the schedules as their state dicts."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for schedule, state in zip(self._schedulers, state_dict["_schedulers"]):
            schedule.load_state_dict(state)


class SequentialLR(_Composite):
    """Schedules one after another, each from its own beginning.

    Args:
        optimizer: what to schedule.
        schedulers: in order.
        milestones: the epochs at which all but the first begin.
        last_epoch: the epoch to resume after.

    Example:
        >>> from lamina.optim.lr_scheduler import ConstantLR, ExponentialLR, SequentialLR
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> parts = [ConstantLR(optimizer, factor=0.5, total_iters=9), ExponentialLR(optimizer, gamma=0.5)]
        >>> schedule, rates = SequentialLR(optimizer, parts, milestones=[2]), []
        >>> for _ in range(4):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> rates
        [0.5, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"[SequentialLR] expected one schedule more than milestones, got {len(schedulers)} and "
                f"{len(milestones)}"
            )
        super().__init__(optimizer, schedulers)
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        set_rates(optimizer, [group["initial_lr"] for group in optimizer.param_groups])
        for schedule in self._schedulers:  # each took a first step when it was made
            _undo(schedule)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self, epoch: int | None = None) -> None:
        """Goes on to the next epoch."""
        if epoch is not None:
            raise ValueError("[SequentialLR] expected no epoch: only whole steps can be taken")
        self.last_epoch += 1
        index = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[index]
        if index > 0 and self._milestones[index - 1] == self.last_epoch:
            schedule._update_lr(0)
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()


def _undo(schedule: LRScheduler) -> None:
    if isinstance(schedule, _Composite):
        for part in schedule._schedulers:
            _undo(part)
    else:
        schedule.last_epoch -= 1


class ChainedScheduler(_Composite):
    """Schedules that all step together, each changing what the one before left.

    Args:
        schedulers: in order.
        optimizer: what to schedule; the first schedule's by default.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        if not schedulers:
            raise ValueError("[ChainedScheduler] expected at least one schedule, got none")
        super().__init__(optimizer or schedulers[0].optimizer, schedulers)
        self._last_lr = rates(self.optimizer)

    def step(self, epoch: int | None = None) -> None:
        """Goes on to the next epoch."""
        if epoch is not None:
            raise ValueError("[ChainedScheduler] expected no epoch: only whole steps can be taken")
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = rates(self.optimizer)


class WarmupLR(_Composite):
    """A line from a fraction of the rate to all of it, laid over any schedule or none (Goyal et al., arXiv 1706.02677).

    Args:
        optimizer: what to schedule.
        total_iters: steps up to the whole rate.
        start_factor: the fraction at first, from 0 to 1.
        schedule: what gives the rate, stepped along from the beginning; by default it stays.

    Raises:
        ValueError: for a bad number or a schedule of another optimizer.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> schedule, rates = lamina.optim.lr_scheduler.WarmupLR(optimizer, total_iters=2), []
        >>> for _ in range(4):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> rates
        [0.0, 0.5, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int,
        start_factor: float = 0.0,
        schedule: LRScheduler | None = None,
    ) -> None:
        if total_iters < 1 or not 0 <= start_factor <= 1:
            raise ValueError(
                "[WarmupLR] expected total_iters of at least 1 and a start_factor from 0 to 1, got "
                f"{total_iters} and {start_factor}"
            )
        super().__init__(optimizer, [] if schedule is None else [schedule])
        self.total_iters, self.start_factor, self.last_epoch = total_iters, start_factor, 0
        self._whole = rates(optimizer)
        self._scale()

    def step(self, epoch: int | None = None) -> None:
        """Goes on to the next step, the schedule too."""
        if epoch is not None:
            raise ValueError("[WarmupLR] expected no epoch: only whole steps can be taken")
        self.last_epoch += 1
        set_rates(self.optimizer, self._whole)
        for schedule in self._schedulers:
            schedule.step()
        self._whole = rates(self.optimizer)
        self._scale()

    def _scale(self) -> None:
        share = min(self.last_epoch, self.total_iters) / self.total_iters
        factor = self.start_factor + (1 - self.start_factor) * share
        set_rates(self.optimizer, [lr * factor for lr in self._whole])
        self._last_lr = rates(self.optimizer)
