"""Modules in a row that run as one.

:func:`groups` says which, from the modules alone; :class:`lamina.nn.Sequential` and lamina's models run their rows
through :func:`run`.  A group computes what its members would one after the other, up to rounding, and what they are
stays visible: state dicts, reprs and hooks know nothing of it, and a module with a hook runs by itself.

- Anywhere: a batch normalisation, a residual and a ReLU are one pass over the data, after that for the statistics,
  which the kernels of a convolution before it may have found on their way out (on CUDA); an activation and the dropout
  after it are one, forward and backward, while training. A ReLU and the max pooling after it change places: the largest
  of a window is the same, and so is what its gradient reaches, but the ReLU has a quarter of the elements, and what lay
  between need not be kept.
- Under :class:`lamina.inference_mode`: a batch normalisation in evaluation mode folds into the convolution or linear
  layer before it (:mod:`lamina.nn.folding`); the residual and the bounds of a ReLU, ReLU6 or Hardtanh join the
  convolution's last step.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NamedTuple

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.watch import now
from lamina.dtypes import float32, float64
from lamina.nn import functional as F
from lamina.nn.folding import FoldedConv, folded
from lamina.nn.functional.conv import taking_moments
from lamina.nn.functional.dropout import Activation, activated_dropout
from lamina.nn.modules.activation import GELU, Hardswish, Hardtanh, LeakyReLU, Mish, ReLU, ReLU6, SiLU
from lamina.nn.modules.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from lamina.nn.modules.conv import Conv1d, Conv2d, Conv3d
from lamina.nn.modules.dropout import Dropout
from lamina.nn.modules.linear import Linear
from lamina.nn.modules.module import Module, structure
from lamina.nn.modules.pool import MaxPool1d, MaxPool2d, MaxPool3d
from lamina.tensor import Tensor

__all__ = ["groups", "no_fusion", "observed", "run"]

NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
CONVOLUTIONS = (Conv1d, Conv2d, Conv3d)
FOLDS = {  # what a layer takes in
    Conv1d: BatchNorm1d,
    Conv2d: BatchNorm2d,
    Conv3d: BatchNorm3d,
    Linear: BatchNorm1d,
}
MAX_POOLS = (MaxPool1d, MaxPool2d, MaxPool3d)
DROPPED: dict[type[Module], Callable[[Any], Activation]] = {  # activations that dropout takes in
    ReLU: lambda module: Activation("relu", (0.0, 0.0), F.relu),
    ReLU6: lambda module: Activation("hardtanh", (0.0, 6.0), F.relu6),
    LeakyReLU: lambda module: Activation(
        "leaky_relu", (module.negative_slope, 0.0), lambda x: F.leaky_relu(x, module.negative_slope)
    ),
    GELU: lambda module: Activation(
        "gelu" if module.approximate == "none" else "gelu_tanh",
        (0.0, 0.0),
        lambda x: F.gelu(x, module.approximate),
    ),
    SiLU: lambda module: Activation("silu", (0.0, 0.0), F.silu),
    Mish: lambda module: Activation("mish", (0.0, 0.0), F.mish),
    Hardswish: lambda module: Activation("hardswish", (0.0, 0.0), F.hardswish),
}
MARKS = frozenset((*NORMS, *MAX_POOLS, Dropout))  # types that a row with a group has one of
BOUNDS: dict[
    type[Module], Callable[[Any], tuple[float, float]]
] = {  # what an activation holds its input between
    ReLU: lambda module: (0.0, math.inf),
    ReLU6: lambda module: (0.0, 6.0),
    Hardtanh: lambda module: (module.min_val, module.max_val),
}
INFERENCE_MARKS = frozenset((*NORMS, *MAX_POOLS, *FOLDS))


class _Setting(threading.local):
    enabled = True
    observer: Callable[[tuple[Module, ...]], object] | None = None


_setting = _Setting()


class no_fusion:  # noqa: N801 (a context manager, used like a function)
    """Within the block this thread runs every module by itself.

    Example:
        >>> net = lamina.nn.Sequential(lamina.nn.BatchNorm1d(2), lamina.nn.ReLU())
        >>> with lamina.nn.fusion.no_fusion():
        ...     y = net(lamina.ones(3, 2))
        >>> lamina.equal(y, net(lamina.ones(3, 2)))
        True
    """

    def __enter__(self) -> None:
        self._previous, _setting.enabled = _setting.enabled, False

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        _setting.enabled = self._previous


@contextmanager
def observed(observer: Callable[[tuple[Module, ...]], object]) -> Iterator[None]:
    """Within the block ``observer`` is called with every group that this thread runs."""
    previous, _setting.observer = _setting.observer, observer
    try:
        yield
    finally:
        _setting.observer = previous


def groups(modules: Sequence[Module], inference: bool = False) -> list[tuple[Module, ...]]:
    """Splits a row of modules into those that run as one.

    Args:
        modules: in the order that data takes.
        inference: whether nothing is recorded, as under :class:`lamina.inference_mode`.

    Returns:
        The same modules in the same order, in tuples; most hold one.

    Example:
        >>> row = lamina.nn.Sequential(lamina.nn.Conv2d(3, 8, 3), lamina.nn.BatchNorm2d(8), lamina.nn.ReLU())
        >>> [len(group) for group in lamina.nn.fusion.groups(row)]
        [1, 2]
        >>> [len(group) for group in lamina.nn.fusion.groups(row.eval(), inference=True)]
        [3]
    """
    found: list[tuple[Module, ...]] = []
    for module in modules:
        if found and (_joins(found[-1], module, inference) or _drops(found, module, inference)):
            found[-1] += (module,)
        else:
            found.append((module,))
    return found


def _joins(group: tuple[Module, ...], module: Module, inference: bool) -> bool:
    """Whether a module runs as one with the group before it."""
    before = group[-1]
    if type(module) in BOUNDS:
        if type(before) in NORMS:
            fits = type(module) is ReLU or type(group[0]) in FOLDS
        else:
            fits = inference and type(before) in CONVOLUTIONS
    elif type(module) in MAX_POOLS:
        fits = len(group) == 1 and type(before) is ReLU and _commute(before, module)
    else:
        fits = inference and type(module) in NORMS and _folds(before, module)
    return fits and _plain(before) and _plain(module)


def _drops(found: list[tuple[Module, ...]], module: Any, inference: bool) -> bool:
    """Whether a module is the dropout of an activation, the last of the groups found."""
    if type(module) is not Dropout or inference or not module.training or not 0 < module.p < 1:
        return False
    activation: Any = found[-1][-1]
    if len(found[-1]) > 1 or type(activation) not in DROPPED or not (_plain(activation) and _plain(module)):
        return False
    if not getattr(activation, "inplace", False):
        return True
    # What it writes over must be a tensor that nobody else has: what a layer without hooks has just made.
    return len(found) > 1 and type(found[-2][-1]) in FOLDS and _plain(found[-2][-1])


def _folds(layer: Any, norm: Any) -> bool:
    if FOLDS.get(type(layer)) is not type(norm) or norm.training or norm.running_mean is None:
        return False
    return (
        norm.running_mean.shape[0] == layer.weight.shape[0] and norm.running_mean.dtype == layer.weight.dtype
    )


def _commute(relu: Any, pool: Any) -> bool:
    """Whether nobody sees which of the two runs first: windows hold an element (without padding), indices and the
    ReLU's input are nobody's."""
    padded = any(pool.padding) if isinstance(pool.padding, Sequence) else pool.padding
    return not (relu.inplace or pool.return_indices or padded)


def _plain(module: Module) -> bool:
    """Whether running it is running its class's forward: no hooks, no forward of its own."""
    return not module._hooks_now() and "forward" not in module.__dict__


def run(modules: Sequence[Module], input: Any, residual: Tensor | None = None) -> Any:
    """Runs modules one after another, groups as one.

    Args:
        modules: in the order that data takes.
        input: what the first one takes.
        residual: added to what the last one takes: a shortcut that joins before the last activation.
    """
    # Folded weights are float32: autocast, which would cast them, runs the layers one by one.
    inference = mode.inference and not mode.enabled and not casting.on
    if not _setting.enabled or not modules:
        row: Sequence[Any] = modules
    elif inference and _setting.observer is None and now.watch is None:
        return _run_planned(modules, input, residual)
    elif (INFERENCE_MARKS if inference else MARKS).isdisjoint(map(type, modules)):
        row = modules
    else:
        row = [group if len(group) > 1 else group[0] for group in groups(modules, inference)]
    if _setting.observer is not None:
        for step in row:
            _setting.observer(step if type(step) is tuple else (step,))
    last = len(row) - 1
    moments: _C.Moments | None = None  # of the input
    for i, step in enumerate(row):
        joins = residual if i == last else None
        if type(step) is tuple:
            input = _run_group(step, input, joins, moments)
            moments = None
        elif moments is not None and joins is None:
            input = step._located(step.forward_moments, input, moments)
            moments = None
        elif i < last and _setting.enabled and type(step) in CONVOLUTIONS and _takes_moments(row[i + 1]):
            with taking_moments() as taken:
                input = step(input)
            moments = taken.of(input)
        else:
            input = step(input if joins is None else input + joins)
            moments = None
    return input


def _takes_moments(step: Any) -> bool:
    """Whether it begins with a batch normalisation by the batch's own statistics."""
    norm = step[0] if type(step) is tuple else step
    return type(norm) in NORMS and norm.training and _plain(norm)


class _Plan(NamedTuple):
    """A row's groups under ``inference_mode``: finding them costs Python as long as a small network's kernels run.

    Modules are named by their places, so that a plan keeps none alive."""

    mark: object  # of the structure
    modules: list[weakref.ref[Module]]
    steps: list[tuple[int, int, FoldedConv | None]]  # modules [begin, end), and what may run them as one

    def holds(self, modules: Sequence[Module]) -> bool:
        """Whether it is the plan of these modules as they are."""
        if self.mark is not structure.mark or [r() for r in self.modules] != list(modules):
            return False
        return all([conv is None or conv.fresh() for _, _, conv in self.steps])


_plans: weakref.WeakKeyDictionary[Module, _Plan] = weakref.WeakKeyDictionary()  # by a row's first module


def _run_planned(modules: Sequence[Module], input: Any, residual: Tensor | None) -> Any:
    plan = _plans.get(modules[0])
    if plan is None or not plan.holds(modules):
        plan = _plans[modules[0]] = _planned(modules)
    last = len(modules)
    for begin, end, conv in plan.steps:
        joins = residual if end == last else None
        if conv is not None and conv.takes(input, joins):
            input = modules[begin]._located(conv, input, joins)
        elif end - begin > 1:
            input = _run_group(tuple(modules[begin:end]), input, joins)
        else:
            input = modules[begin](input if joins is None else input + joins)
    return input


def _planned(modules: Sequence[Module]) -> _Plan:
    steps: list[tuple[int, int, FoldedConv | None]] = []
    mark, end = structure.mark, 0
    for group in groups(modules, inference=True):
        begin, end = end, end + len(group)
        plannable = len(group) > 1 and type(group[0]) in CONVOLUTIONS
        steps.append((begin, end, group[0]._located(_folded_conv, group) if plannable else None))
    return _Plan(mark, [weakref.ref(module) for module in modules], steps)


def _folded_conv(group: tuple[Any, ...]) -> FoldedConv:
    last = group[-1]
    bounds = BOUNDS[type(last)](last) if type(last) in BOUNDS else None
    return FoldedConv(group[0], group[1] if type(group[1]) in NORMS else None, bounds)


def _run_group(
    group: tuple[Any, ...], input: Any, residual: Tensor | None, moments: _C.Moments | None = None
) -> Any:
    first, last = group[0], group[-1]
    if type(first) in NORMS:
        if residual is None or _same_kind(residual, input):
            return first._located(first.forward_relu, input, residual, moments)
    elif type(last) in MAX_POOLS:
        if residual is None:
            return first(last(input))
    elif type(last) is Dropout:
        if residual is None and _takes_dropout(input):
            return first._located(activated_dropout, input, DROPPED[type(first)](first), last.p)
    elif _has_batch(first, input) and (residual is None or type(last) in BOUNDS):
        return first._located(_run_layer, group, input, residual)
    for module in group[:-1]:
        input = module(input)
    return last(input if residual is None else input + residual)


def _takes_dropout(input: Any) -> bool:
    """Whether there is a kernel of an activation with dropout for what a row was given."""
    return (
        isinstance(input, Tensor)
        and input.device.type == "cpu"
        and input.dtype in (float32, float64)
        and not casting.on
    )


def _has_batch(layer: Any, input: Tensor) -> bool:
    """Whether the channels that a batch normalisation sees after the layer are the layer's."""
    return input.ndim == (2 if type(layer) is Linear else layer.weight.ndim)


def _same_kind(a: Tensor, b: Tensor) -> bool:
    """Whether a sum neither broadcasts nor promotes."""
    return a.shape == b.shape and a.dtype == b.dtype and a.device == b.device


def _run_layer(group: tuple[Any, ...], input: Tensor, residual: Tensor | None) -> Tensor:
    """A convolution or linear layer with the batch normalisation, the residual and the activation after it."""
    layer, last = group[0], group[-1]
    if type(layer) is not Linear:
        return _folded_conv(group)(input, residual)
    weight, bias, _ = folded(layer, group[1] if type(group[1]) in NORMS else None)
    y = F.linear(input, weight, bias)
    y = y if residual is None else y + residual
    return y.clamp_(*BOUNDS[type(last)](last)) if type(last) in BOUNDS else y
