"""Averages of parameters along training: stochastic weight averaging and exponential moving averages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from lamina.autograd.grad_mode import no_grad
from lamina.dtypes import int64
from lamina.nn.modules.batch_norm import _BatchNorm
from lamina.nn.modules.module import Module
from lamina.ops.creation import zeros
from lamina.optim.lr_scheduler.base import LRScheduler, checked_optimizer, one_each
from lamina.optim.optimizer import Optimizer
from lamina.tensor import Tensor

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

AverageFunction = Callable[[Tensor, Tensor, Any], Tensor]
MultiAverageFunction = Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]


def get_ema_multi_avg_fn(decay: float = 0.999) -> MultiAverageFunction:
    """``average = decay average + (1 - decay) current`` for lists of tensors, in place.

    Raises:
        ValueError: for a decay that is not from 0 to 1.
    """
    _check_decay(decay)

    def update(averages: Sequence[Tensor], current: Sequence[Tensor], _: Any) -> None:
        for average, value in zip(averages, current):
            _lerp(average, value, 1 - decay)

    return update


def get_swa_multi_avg_fn() -> MultiAverageFunction:
    """The equal average of all models so far, for lists of tensors, in place."""

    def update(averages: Sequence[Tensor], current: Sequence[Tensor], n_averaged: Any) -> None:
        for average, value in zip(averages, current):
            _lerp(average, value, 1 / (int(n_averaged) + 1))

    return update


def get_ema_avg_fn(decay: float = 0.999) -> AverageFunction:
    """``decay average + (1 - decay) current`` of one tensor.

    Raises:
        ValueError: for a decay that is not from 0 to 1.
    """
    _check_decay(decay)
    return lambda average, current, _: average * decay + current * (1 - decay)


def get_swa_avg_fn() -> AverageFunction:
    """The equal average of all models so far, of one tensor."""
    return lambda average, current, n_averaged: average + (current - average) / (int(n_averaged) + 1)


def _check_decay(decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"[swa_utils] expected a decay from 0 to 1, got {decay}")


def _lerp(average: Tensor, value: Tensor, weight: float) -> None:
    if average.dtype.is_floating_point:
        average.lerp_(value, weight)
    else:  # a count among the buffers: rounds towards zero, as torch
        average.copy_(average * (1 - weight) + value * weight)


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of those given to ``update_parameters``.

    Izmailov et al., arXiv 1803.05407.

    Args:
        model: what is copied.
        device: where the copy lives; as the model by default.
        avg_fn: ``avg_fn(average, current, n_averaged)`` gives a parameter's new average.
        multi_avg_fn: ``multi_avg_fn(averages, currents, n_averaged)`` updates all in place; by default the equal
            average, :func:`get_swa_multi_avg_fn`; for a moving one :func:`get_ema_multi_avg_fn`.
        use_buffers: average buffers too, instead of copying them.

    Raises:
        ValueError: if both functions are given.

    Example:
        >>> model = lamina.nn.Linear(1, 1, bias=False)
        >>> averaged = lamina.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 3.0):
        ...     _ = lamina.nn.init.constant_(model.weight, value)
        ...     averaged.update_parameters(model)
        >>> averaged.module.weight.item()
        2.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: AverageFunction | None = None,
        multi_avg_fn: MultiAverageFunction | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("[AveragedModel] expected at most one of avg_fn and multi_avg_fn")
        self.module = deepcopy(model) if device is None else deepcopy(model).to(device)
        self.register_buffer("n_averaged", zeros((), dtype=int64))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @no_grad()  # type: ignore[untyped-decorator]
    def update_parameters(self, model: Module) -> None:
        """Takes a model's parameters into the averages; the first ones are copied."""
        averages = [t.detach() for t in self._averaged(self.module)]
        current = [t.detach() for t in self._averaged(model)]
        count = int(self.n_averaged)
        if count == 0:
            for average, value in zip(averages, current):
                average.copy_(value)
        elif self.avg_fn is not None:
            for average, value in zip(averages, current):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, current, self.n_averaged)
        if not self.use_buffers:
            for own, other in zip(self.module.buffers(), model.buffers()):
                own.detach().copy_(other.detach())
        self.n_averaged.add_(1)

    def _averaged(self, model: Module) -> Iterable[Tensor]:
        return (
            itertools.chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()
        )


@no_grad()  # type: ignore[untyped-decorator]
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Sets the running statistics of batch-norm layers to those of a pass over data, which averaging left wrong.

    Args:
        loader: gives batches; of a tuple or list the first item is the model's input.
        model: what is run, in training mode.
        device: where batches are moved.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if not norms:
        return
    momenta, was_training = [m.momentum for m in norms], model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the equal average over batches
    try:
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    finally:
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        model.train(was_training)


class SWALR(LRScheduler):
    """Anneals the rate to a fixed one and stays there.

    Args:
        optimizer: what to schedule.
        swa_lr: the rate to end at, or one a group.
        anneal_epochs: epochs down to it.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        last_epoch: the epoch to resume after.

    Raises:
        ValueError: for another strategy or a bad number of epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | Sequence[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        checked_optimizer(optimizer, "SWALR")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"[SWALR] expected anneal_strategy 'cos' or 'linear', got {anneal_strategy!r}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"[SWALR] expected anneal_epochs of at least 0, got {anneal_epochs}")
        for group, lr in zip(optimizer.param_groups, one_each(swa_lr, optimizer, "swa_lr")):
            group["swa_lr"] = lr
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Each rate is a mix of the end and of the rate that training would have had, found back from the last one."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        lrs = []
        for group in self.optimizer.param_groups:
            lr, end = float(group["lr"]), group["swa_lr"]
            without = end if before == 1 else (lr - before * end) / (1 - before)
            lrs.append(end * now + without * (1 - now))
        return lrs

    def _share(self, step: int) -> float:
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t
