"""Schedules given by functions of the epoch."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

from lamina.optim.lr_scheduler.base import LRScheduler, rates
from lamina.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class _FunctionLR(LRScheduler):
    """Keeps a function a group; the state of one that is an object goes into the state dict, functions do not.

    Raises:
        TypeError: for what can't be called.
        ValueError: for another number of functions than groups.
    """

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor], last_epoch: int = -1
    ) -> None:
        n, name = len(optimizer.param_groups), type(self).__name__
        self.lr_lambdas: list[Factor] = [lr_lambda] * n if callable(lr_lambda) else _listed(lr_lambda, name)
        if len(self.lr_lambdas) != n:
            raise ValueError(f"[{name}] expected {n} functions, one a group, got {len(self.lr_lambdas)}")
        for f in self.lr_lambdas:
            if not callable(f):
                raise TypeError(f"[{name}] expected functions, got {type(f).__name__}")
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions."""
        states = [
            None if isinstance(f, types.FunctionType) else dict(getattr(f, "__dict__", {}))
            for f in self.lr_lambdas
        ]
        return {**super().state_dict(), "lr_lambdas": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for f, state in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if state:
                vars(f).update(state)


def _listed(functions: Any, name: str) -> list[Factor]:
    if not isinstance(functions, (list, tuple)):
        raise TypeError(f"[{name}] expected a function or a list of them, got {type(functions).__name__}")
    return list(functions)


class LambdaLR(_FunctionLR):
    """The initial rate times a function of the epoch.

    Args:
        optimizer: what to schedule.
        lr_lambda: the function, or one a group.
        last_epoch: the epoch to resume after.

    Example:
        >>> optimizer = lamina.optim.SGD([lamina.nn.Parameter(lamina.ones(1))], lr=1.0)
        >>> schedule = lamina.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    def get_lr(self) -> list[float]:
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas)]


class MultiplicativeLR(_FunctionLR):
    """The last rate times a function of the epoch; arguments as :class:`LambdaLR`."""

    def get_lr(self) -> list[float]:
        lrs = rates(self.optimizer)
        if self._is_initial:
            return lrs
        return [lr * f(self.last_epoch) for lr, f in zip(lrs, self.lr_lambdas)]
