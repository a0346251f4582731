"""optim_db: each optimizer's settings and schedules on one small problem, 20 steps compared in float64."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import lamina
import lamina.optim
from parity.checks import check_error, check_values, quiet
from parity.tally import Tally, brief_call
from parity.twin import NotOfferedError, twin

STEPS = 20
Schedules = Sequence[Callable[[Any], Any]]


@cache
def entries() -> dict[str, Any]:
    """Those entries whose class lamina offers."""
    return {
        f"optim.{o.optim_cls.__name__}": o for o in optim_db if hasattr(lamina.optim, o.optim_cls.__name__)
    }


@cache
def missing() -> list[str]:
    """Classes of the database that lamina does not offer."""
    names = {o.optim_cls.__name__ for o in optim_db}
    return sorted(f"optim.{name}" for name in names if not hasattr(lamina.optim, name))


def run(name: str) -> Tally:
    """Runs the settings of one class."""
    info, tally = entries()[name], Tally(name)
    settings = [given.kwargs for given in info.optim_inputs_func(device="cpu")]
    for kwargs in settings:
        check_trajectory(tally, info.optim_cls, kwargs)
    for schedules in info.scheduler_inputs:
        check_trajectory(tally, info.optim_cls, settings[0], schedules)
    for error in info.optim_error_inputs_func("cpu", torch.float64) if info.optim_error_inputs_func else ():
        check_error_sample(tally, info.optim_cls, error)
    return tally


def problem(library: Any) -> tuple[list[Any], Callable[[], Any]]:
    """A linear layer's weights, and what sums the squares of its outputs for a fixed input."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((10, 5), (10, 1), (5, 1))
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    weight, bias, x = drawn if library is torch else twin(drawn, {})
    weight.requires_grad_(), bias.requires_grad_()
    return [weight, bias], lambda: ((weight @ x + bias) ** 2).sum() / 10


def trajectory(
    library: Any, optimizer: Callable[..., Any], kwargs: dict[str, Any], schedules: Schedules = ()
) -> list[Any]:
    """The parameters after each step."""
    parameters, loss = problem(library)
    steps, walker = [], optimizer(parameters, **kwargs)
    followed = [schedule_for(library, f)(walker) for f in schedules]

    def closure() -> Any:
        walker.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(STEPS):
        value = walker.step(closure)
        for schedule in followed:
            metric = [float(value)] if type(schedule).__name__ == "ReduceLROnPlateau" else []
            schedule.step(*metric)
        steps += [p.detach().clone() for p in parameters]
    return steps


def schedule_for(library: Any, schedule: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An entry such as ``lambda optimizer: StepLR(optimizer, ...)``, its classes read as the library's."""
    names = vars(library.optim.lr_scheduler)
    return types.FunctionType(schedule.__code__, names, schedule.__name__, schedule.__defaults__)


def check_trajectory(tally: Tally, cls: Any, kwargs: dict[str, Any], schedules: Schedules = ()) -> None:
    where = f"({brief_call((), kwargs)})" + "".join(f", {f.__code__.co_names[0]}" for f in schedules)
    ours = getattr(lamina.optim, cls.__name__)
    try:
        settings = twin(kwargs, {})
    except NotOfferedError:
        tally.left_out += 1
        return
    want = quiet(trajectory, torch, cls, kwargs, schedules)
    check_values(tally, where, trajectory, (lamina, ours, settings, schedules), {}, want, values=True)


def check_error_sample(tally: Tally, cls: Any, error: Any) -> None:
    given, ours = error.optimizer_error_input, getattr(lamina.optim, cls.__name__)
    where = f"error, {given.desc} ({brief_call((), given.kwargs)})"
    theirs = problem(torch)[0] if given.params is None else given.params
    memo: dict[int, Any] = {}
    try:
        mine, settings = twin(theirs, memo), twin(given.kwargs, memo)
    except NotOfferedError:
        tally.left_out += 1
        return
    steps = error.error_on is OptimizerErrorEnum.STEP_ERROR

    def drive(optimizer: Any, parameters: Any, kwargs: Any) -> None:
        walker = optimizer(parameters, **kwargs)
        if steps:
            walker.step()

    check_error(tally, where, lambda: drive(ours, mine, settings), lambda: drive(cls, theirs, given.kwargs))
