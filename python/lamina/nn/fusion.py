"""Modules in a row that run as one.

:func:`groups` says which, from the modules alone; :class:`lamina.nn.Sequential` and lamina's models run their rows
through :func:`run`.  A group computes what its members would one after the other, up to rounding, and what they are
stays visible: state dicts, reprs and hooks know nothing of it, and a module with a hook runs by itself.

- Anywhere: a batch normalisation, a residual and a ReLU are one pass over the data, after that for the statistics.
- Under :class:`lamina.inference_mode`: a batch normalisation in evaluation mode folds into the convolution or linear
  layer before it (:mod:`lamina.nn.folding`); residual and ReLU join the convolution's last step.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from lamina.autograd.grad_mode import mode
from lamina.nn import functional as F
from lamina.nn.folding import folded
from lamina.nn.functional.conv import conv_fused
from lamina.nn.modules.activation import ReLU
from lamina.nn.modules.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from lamina.nn.modules.conv import Conv1d, Conv2d
from lamina.nn.modules.linear import Linear
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["groups", "no_fusion", "run"]

NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)
CONVOLUTIONS = (Conv1d, Conv2d)
FOLDS = {Conv1d: BatchNorm1d, Conv2d: BatchNorm2d, Linear: BatchNorm1d}  # what a layer takes in


class _Setting(threading.local):
    enabled = True


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
        if found and _joins(found[-1][-1], module, inference):
            found[-1] += (module,)
        else:
            found.append((module,))
    return found


def _joins(before: Module, module: Module, inference: bool) -> bool:
    """Whether a module runs as one with the module before it."""
    if type(module) is ReLU:
        fits = type(before) in NORMS or (inference and type(before) in CONVOLUTIONS)
    else:
        fits = inference and type(module) in NORMS and _folds(before, module)
    return fits and _plain(before) and _plain(module)


def _folds(layer: Any, norm: Any) -> bool:
    if FOLDS.get(type(layer)) is not type(norm) or norm.training or norm.running_mean is None:
        return False
    return (
        norm.running_mean.shape[0] == layer.weight.shape[0] and norm.running_mean.dtype == layer.weight.dtype
    )


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
    row: list[tuple[Module, ...]] = [(module,) for module in modules]
    if _setting.enabled:
        row = groups(modules, mode.inference and not mode.enabled)
    for group in row[:-1]:
        input = _run_group(group, input, None)
    return _run_group(row[-1], input, residual) if row else input


def _run_group(group: tuple[Any, ...], input: Any, residual: Tensor | None) -> Any:
    first, last = group[0], group[-1]
    if len(group) > 1 and (residual is None or type(last) is ReLU):
        if type(first) in NORMS:
            if residual is None or _same_kind(residual, input):
                return first._located(first.forward_relu, input, residual)
        elif input.ndim == (2 if type(first) is Linear else first.weight.ndim):
            return first._located(_run_layer, group, input, residual)
    for module in group[:-1]:
        input = module(input)
    return last(input if residual is None else input + residual)


def _same_kind(a: Tensor, b: Tensor) -> bool:
    """Whether a sum neither broadcasts nor promotes."""
    return a.shape == b.shape and a.dtype == b.dtype and a.device == b.device


def _run_layer(group: tuple[Any, ...], input: Tensor, residual: Tensor | None) -> Tensor:
    """A convolution or linear layer with the batch normalisation, the residual and the ReLU after it."""
    layer, relu = group[0], type(group[-1]) is ReLU
    weight, bias = folded(layer, group[1]) if type(group[1]) in NORMS else (layer.weight, layer.bias)
    if type(layer) is Linear:
        y = F.linear(input, weight, bias)
        y = y if residual is None else y + residual
        return y.relu_() if relu else y
    padding = layer.padding
    if layer.padding_mode != "zeros":
        input, padding = F.pad(input, layer._pad, mode=layer.padding_mode), (0,) * len(layer.stride)
    return conv_fused(
        input, weight, bias, layer.stride, padding, layer.dilation, layer.groups, residual, relu
    )
