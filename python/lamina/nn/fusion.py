"""Modules in a row that run as one.

:func:`groups` says which, from the modules alone; :class:`lamina.nn.Sequential` and lamina's models run their rows
through :func:`run`.  A group computes what its members would one after the other, up to rounding, and what they are
stays visible: state dicts, reprs and hooks know nothing of it, and a module with a hook runs by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from lamina.nn.modules.activation import ReLU
from lamina.nn.modules.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["groups", "no_fusion", "run"]

NORMS = (BatchNorm1d, BatchNorm2d, BatchNorm3d)


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


def groups(modules: Sequence[Module]) -> list[tuple[Module, ...]]:
    """Splits a row of modules into those that run as one.

    Args:
        modules: in the order that data takes.

    Returns:
        The same modules in the same order, in tuples; most hold one.

    Example:
        >>> row = lamina.nn.Sequential(lamina.nn.Conv2d(3, 8, 3), lamina.nn.BatchNorm2d(8), lamina.nn.ReLU())
        >>> [len(group) for group in lamina.nn.fusion.groups(row)]
        [1, 2]
    """
    found: list[tuple[Module, ...]] = []
    for module in modules:
        if type(module) is ReLU and found and _fuses(module):
            (*_, before) = found[-1]
            if type(before) in NORMS and _fuses(before):
                found[-1] = (before, module)
                continue
        found.append((module,))
    return found


def _fuses(module: Module) -> bool:
    """Whether running it is running its class's forward: no hooks, no forward of its own."""
    return not module._hooks_now() and "forward" not in module.__dict__


def run(modules: Sequence[Module], input: Any, residual: Tensor | None = None) -> Any:
    """Runs modules one after another, groups as one.

    Args:
        modules: in the order that data takes.
        input: what the first one takes.
        residual: added to what the last one takes: a shortcut that joins before the last activation.
    """
    row = groups(modules) if _setting.enabled else [(module,) for module in modules]
    for group in row[:-1]:
        input = _run_group(group, input, None)
    return _run_group(row[-1], input, residual) if row else input


def _run_group(group: tuple[Module, ...], input: Any, residual: Tensor | None) -> Any:
    norm = group[0]
    if len(group) == 1:
        return norm(input if residual is None else input + residual)
    if residual is not None and not _same_kind(residual, input):  # broadcasting and promotion are the sum's
        return group[1](norm(input) + residual)
    return norm._located(norm.forward_relu, input, residual)  # type: ignore[attr-defined]


def _same_kind(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.device == b.device
