"""A rate that falls once a metric stops getting better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsFloat

from lamina.optim.lr_scheduler.base import LRScheduler, checked_optimizer, one_each, rates, set_rates
from lamina.optim.optimizer import Optimizer


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the rate by ``factor`` after more than ``patience`` epochs in a row without a better metric.

    Args:
        optimizer: what to schedule.
        mode: ``"min"`` where less is better, ``"max"`` where more is.
        factor: below 1.
        patience: epochs without improvement that are let pass.
        threshold: how much better counts.
        threshold_mode: ``"rel"`` or ``"abs"``.
        cooldown: epochs after a drop that do not count.
        min_lr: the smallest rate, or one a group.
        eps: a smaller drop is left out.

    Raises:
        ValueError: for a factor of 1 or more or another mode.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> schedule = lamina.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
        >>> for loss in [3.0, 2.0, 2.0, 2.0]:
        ...     schedule.step(loss)
        >>> schedule.get_last_lr()
        [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        self.optimizer = checked_optimizer(optimizer, "ReduceLROnPlateau")
        if not factor < 1:
            raise ValueError(f"[ReduceLROnPlateau] expected a factor below 1, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"[ReduceLROnPlateau] expected mode 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"[ReduceLROnPlateau] expected threshold_mode 'rel' or 'abs', got {threshold_mode!r}"
            )
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.min_lrs = one_each(min_lr, optimizer, "min_lr")
        self.last_epoch = 0
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = 0
        self._last_lr = rates(optimizer)

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Takes the metric of an epoch.

        Args:
            metrics: a number or a tensor of one element.
            epoch: its number; the next one by default.
        """
        metric = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            lowered = [max(lr * self.factor, low) for lr, low in zip(rates(self.optimizer), self.min_lrs)]
            set_rates(
                self.optimizer,
                [new if old - new > self.eps else old for old, new in zip(rates(self.optimizer), lowered)],
            )
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = rates(self.optimizer)

    @property
    def in_cooldown(self) -> bool:
        """Whether epochs do not count yet."""
        return self.cooldown_counter > 0

    def _is_better(self, metric: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * metric < sign * self.best * (1 - sign * self.threshold)
        return sign * metric < sign * self.best - self.threshold
