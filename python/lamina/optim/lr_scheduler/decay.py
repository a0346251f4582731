"""Schedules that only fall: by steps, exponentially, as 1/t, as a polynomial."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from typing import Any

from lamina.optim.lr_scheduler.base import LRScheduler, rates
from lamina.optim.optimizer import Optimizer


class StepLR(LRScheduler):
    """Multiplies the rate by ``gamma`` every ``step_size`` epochs.

    Args:
        optimizer: what to schedule.
        step_size: epochs between drops.
        gamma: the factor.
        last_epoch: the epoch to resume after.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> schedule = lamina.optim.lr_scheduler.StepLR(optimizer, step_size=1)
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.1]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size < 1:
            raise ValueError(f"[StepLR] expected a step_size of at least 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        drops = self.last_epoch != 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma if drops else lr for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """Multiplies the rate by ``gamma`` at each of some epochs.

    Args:
        optimizer: what to schedule.
        milestones: the epochs; one that is given twice counts twice.
        gamma: the factor.
        last_epoch: the epoch to resume after.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> schedule = lamina.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2], gamma=0.5)
        >>> rates = []
        >>> for _ in range(3):
        ...     schedule.step()
        ...     rates += schedule.get_last_lr()
        >>> rates
        [1.0, 0.5, 0.5]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        factor = self.gamma ** self.milestones[self.last_epoch]
        return [lr * factor for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        drops = bisect_right(sorted(self.milestones.elements()), self.last_epoch)
        return [base * self.gamma**drops for base in self.base_lrs]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "milestones": Counter(state_dict["milestones"])})


class ExponentialLR(LRScheduler):
    """Multiplies the rate by ``gamma`` every epoch.

    Args:
        optimizer: what to schedule.
        gamma: the factor.
        last_epoch: the epoch to resume after.
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [lr if self._is_initial else lr * self.gamma for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class InverseTimeLR(LRScheduler):
    """1/t decay: the initial rate over ``1 + decay epoch`` (Robbins & Monro, Ann. Math. Statist. 1951).

    Args:
        optimizer: what to schedule.
        decay: what the divisor grows by an epoch.
        last_epoch: the epoch to resume after.

    Raises:
        ValueError: for a decay below 0.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> schedule = lamina.optim.lr_scheduler.InverseTimeLR(optimizer, decay=1.0)
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(self, optimizer: Optimizer, decay: float, last_epoch: int = -1) -> None:
        if not decay >= 0:
            raise ValueError(f"[InverseTimeLR] expected a decay of at least 0, got {decay}")
        self.decay = decay
        super().__init__(optimizer, last_epoch)

    def _divisor(self, epoch: int) -> float:
        return 1 + self.decay * epoch

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return rates(self.optimizer)
        factor = self._divisor(self.last_epoch - 1) / self._divisor(self.last_epoch)
        return [lr * factor for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        return [base / self._divisor(self.last_epoch) for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """The initial rate times ``(1 - epoch / total_iters)^power``, down to 0.

    Args:
        optimizer: what to schedule.
        total_iters: epochs down to 0.
        power: 1 for a line.
        last_epoch: the epoch to resume after.
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        if total_iters < 1:
            raise ValueError(f"[PolynomialLR] expected total_iters of at least 1, got {total_iters}")
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def _rest(self, epoch: int) -> float:
        return 1 - epoch / self.total_iters

    def get_lr(self) -> list[float]:
        if self._is_initial or self.last_epoch > self.total_iters:
            return rates(self.optimizer)
        factor = (self._rest(self.last_epoch) / self._rest(self.last_epoch - 1)) ** self.power
        return [lr * factor for lr in rates(self.optimizer)]

    def _get_closed_form_lr(self) -> list[float]:
        factor = self._rest(min(self.total_iters, self.last_epoch)) ** self.power
        return [base * factor for base in self.base_lrs]
