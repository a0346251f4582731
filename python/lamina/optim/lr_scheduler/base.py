"""What all schedules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina.optim.optimizer import Optimizer
from lamina.tensor import Tensor


class LRScheduler:
    """The base of schedules: a subclass says in ``get_lr`` what each group's rate becomes at ``last_epoch``.

    Most change the rate that a group has, so that schedules combine and a rate set by hand is kept; those say in
    ``_get_closed_form_lr`` what the rate is from the initial one, for a step to a given epoch.

    Args:
        optimizer: whose groups' ``"lr"`` is set; ``"initial_lr"`` keeps where they began.
        last_epoch: the epoch to resume after; -1 begins anew.

    Raises:
        TypeError: if ``optimizer`` is none.
        KeyError: when resuming, if a group does not know its initial rate.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked_optimizer(optimizer, type(self).__name__)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(f"[{type(self).__name__}] group {i} has no 'initial_lr' to resume from")
        self.base_lrs: list[float] = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """Each group's learning rate at ``last_epoch``, from the one that it has."""
        raise NotImplementedError

    def _get_closed_form_lr(self) -> list[float]:
        """Each group's learning rate at ``last_epoch``, from its initial one."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """Each group's learning rate as this schedule last left it."""
        return self._last_lr

    def step(self, epoch: int | None = None) -> None:
        """Goes on to the next epoch, or to a given one; call it after the optimizer's steps."""
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        if epoch is None:
            self.last_epoch += 1
            values = self.get_lr()
        else:
            self.last_epoch = epoch
            values = self._get_closed_form_lr()
        set_rates(self.optimizer, values)
        self._last_lr = rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {k: v for k, v in vars(self).items() if k not in ("optimizer", "_is_initial")}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resumes from a state dict; the optimizer's groups come from its own."""
        vars(self).update(state_dict)


def checked_optimizer(optimizer: Any, name: str) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"[{name}] expected an Optimizer, got {type(optimizer).__name__}")
    return optimizer


def rates(optimizer: Optimizer) -> list[float]:
    """The learning rates of an optimizer's groups."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def set_rates(optimizer: Optimizer, values: Sequence[float]) -> None:
    """Sets the groups' learning rates, in place where one is a tensor."""
    for group, lr in zip(optimizer.param_groups, values):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def one_each(value: float | Sequence[float], optimizer: Optimizer, name: str) -> list[float]:
    """A number for each group, from one for all or a list.

    Raises:
        ValueError: for a list of another length.
    """
    n = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * n  # type: ignore[list-item]
    if len(value) != n:
        raise ValueError(f"[lr_scheduler] expected {n} values of {name}, one a group, got {len(value)}")
    return list(value)
