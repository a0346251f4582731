"""Cosine annealing (Loshchilov & Hutter, arXiv 1608.03983), without and with restarts."""

from __future__ import annotations

import math

from lamina.optim.lr_scheduler.base import LRScheduler, rates, set_rates
from lamina.optim.optimizer import Optimizer


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial rate down to ``eta_min``, and up again if it is stepped on.

    Args:
        optimizer: what to schedule.
        T_max: epochs down to the minimum.
        eta_min: the minimum.
        last_epoch: the epoch to resume after.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_max < 1:
            raise ValueError(f"[CosineAnnealingLR] expected a T_max of at least 1, got {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _height(self, epoch: int) -> float:
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2

    def get_lr(self) -> list[float]:
        lrs = rates(self.optimizer)
        if self._is_initial:
            return lrs
        if (self.last_epoch - 1 - self.T_max) % (
            2 * self.T_max
        ) == 0:  # up from the minimum, which has no ratio
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(lrs, self.base_lrs)]
        ratio = self._height(self.last_epoch) / self._height(self.last_epoch - 1)
        return [self.eta_min + (lr - self.eta_min) * ratio for lr in lrs]

    def _get_closed_form_lr(self) -> list[float]:
        height = self._height(self.last_epoch)
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosines from the initial rate down to ``eta_min``, one after another.

    Args:
        optimizer: what to schedule.
        T_0: epochs of the first.
        T_mult: how many times longer each is than the one before.
        eta_min: the minimum.
        last_epoch: the epoch to resume after.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> schedule = lamina.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> for _ in range(2):
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"[CosineAnnealingWarmRestarts] expected an integer {name} of at least 1, got {value}"
                )
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Goes on to the next epoch, or to a given one, whole or not, such as ``epoch + batch / batches``.

        Raises:
            ValueError: for an epoch below 0.
        """
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch: float | None = None) -> None:
        if epoch is None and self.last_epoch < 0:
            epoch = 0
        if epoch is None:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur %= self.T_i
                self.T_i *= self.T_mult
        elif epoch < 0:
            raise ValueError(f"[CosineAnnealingWarmRestarts] expected an epoch of at least 0, got {epoch}")
        else:
            self._go_to(epoch)
        self.last_epoch = math.floor(epoch)
        set_rates(self.optimizer, self.get_lr())
        self._last_lr = rates(self.optimizer)

    def _go_to(self, epoch: float) -> None:
        """Finds the cosine that an epoch lies in, and where."""
        if epoch < self.T_0:
            self.T_i, self.T_cur = self.T_0, epoch
        elif self.T_mult == 1:
            self.T_cur = epoch % self.T_0
        else:
            restarts = int(math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            begun = self.T_0 * (self.T_mult**restarts - 1) / (self.T_mult - 1)
            self.T_cur, self.T_i = epoch - begun, self.T_0 * self.T_mult**restarts
