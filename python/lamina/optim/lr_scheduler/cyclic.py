"""Cyclical rates."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from typing import Any

from lamina.optim.lr_scheduler.base import LRScheduler, checked_optimizer, one_each, set_rates
from lamina.optim.lr_scheduler.momentum import begin_momentum, set_momentum
from lamina.optim.optimizer import Optimizer

_MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(LRScheduler):
    """Up and down between two rates, by the batch (Smith, arXiv 1506.01186).

    Args:
        optimizer: what to schedule.
        base_lr: the lower rate, or one a group.
        max_lr: the upper rate, or one a group.
        step_size_up: steps up.
        step_size_down: steps down; as up by default.
        mode: ``"triangular"``; ``"triangular2"``, each cycle half as high; ``"exp_range"``, as high as ``gamma^step``.
        gamma: of ``"exp_range"``.
        scale_fn: a function for the height instead of ``mode``.
        scale_mode: whether it takes the ``"cycle"`` (from 1) or the number of ``"iterations"``.
        cycle_momentum: move momentum, or the first of ``betas``, the other way.
        base_momentum: the lower momentum, or one a group.
        max_momentum: the upper momentum, or one a group.
        last_epoch: the step to resume after.

    Raises:
        ValueError: for another mode, or momentum where the optimizer has none.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0, momentum=0.9)
        >>> schedule = lamina.optim.lr_scheduler.CyclicLR(optimizer, 0.0, 1.0, step_size_up=2)
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        checked_optimizer(optimizer, "CyclicLR")
        if mode not in _MODES and scale_fn is None:
            raise ValueError(f"[CyclicLR] expected a mode of {_MODES} or a scale_fn, got {mode!r}")
        base_lrs = one_each(base_lr, optimizer, "base_lr")
        self.max_lrs = one_each(max_lr, optimizer, "max_lr")
        if last_epoch == -1:
            set_rates(optimizer, base_lrs)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self._scale_fn_custom = mode, gamma, scale_fn
        self.scale_mode = scale_mode if scale_fn else "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.base_momentums, self.max_momentums = begin_momentum(
                optimizer, base_momentum, max_momentum, last_epoch
            )
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, or of an iteration."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        return 0.5 ** (x - 1) if self.mode == "triangular2" else self.gamma**x

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, low, high in zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums):
                set_momentum(group, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and a function; the state of a ``scale_fn`` that is an object."""
        f = self._scale_fn_custom
        state = None if f is None or isinstance(f, types.FunctionType) else dict(vars(f))
        return {**super().state_dict(), "_scale_fn_custom": state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"]:
            vars(self._scale_fn_custom).update(state_dict["_scale_fn_custom"])
