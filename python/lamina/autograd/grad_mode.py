"""Whether operations are recorded for backward: a setting of each thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Mode(threading.local):
    enabled = True
    inference = False  # nothing will be recorded until the block ends: networks may run in other, faster ways


mode = _Mode()


class set_grad_enabled:  # noqa: N801 (torch's name)
    """Turns recording on or off: at once, and until the end of a ``with`` block or of a decorated function.

    Args:
        mode: whether operations are recorded.

    Example:
        >>> with lamina.set_grad_enabled(False):
        ...     y = lamina.ones(2, requires_grad=True) * 2
        >>> y.requires_grad
        False
    """

    def __init__(self, mode: bool) -> None:
        self._previous = _swap(mode)
        self._enabled = mode

    def __enter__(self) -> None:
        mode.enabled = self._enabled

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        mode.enabled = self._previous

    def __call__(self, function: F) -> F:
        mode.enabled = self._previous
        enabled = self._enabled

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with set_grad_enabled(enabled):
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


class _Block:
    """A context manager and decorator that sets the mode on entry; ``enabled`` is what a subclass stands for."""

    enabled: bool

    def __enter__(self) -> None:
        self._previous = _swap(self.enabled)

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        mode.enabled = self._previous

    def __call__(self, function: F) -> F:
        block = type(self)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with block():
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)  # usable as @no_grad and as @no_grad()


class no_grad(_Block):  # noqa: N801 (torch's name)
    """Within the block, or the decorated function, nothing is recorded for backward.

    Example:
        >>> x = lamina.ones(2, requires_grad=True)
        >>> with lamina.no_grad():
        ...     (x * 2).requires_grad
        False
    """

    enabled = False


class enable_grad(_Block):  # noqa: N801 (torch's name)
    """Within the block, or the decorated function, operations are recorded again inside a :class:`no_grad` block."""

    enabled = True


class inference_mode(_Block):  # noqa: N801 (torch's name)
    """Within the block nothing is recorded, as in :class:`no_grad`; for code that only runs a network.

    Networks in evaluation mode fold and fuse layers there: see :mod:`lamina.nn.fusion`.
    """

    enabled = False

    def __enter__(self) -> None:
        super().__enter__()
        self._outer, mode.inference = mode.inference, True

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        mode.inference = self._outer
        super().__exit__(kind, value, trace)


def is_inference_mode_enabled() -> bool:
    """Whether this thread is within an :class:`inference_mode` block."""
    return mode.inference


def is_grad_enabled() -> bool:
    """Whether this thread records operations for backward."""
    return mode.enabled


def _swap(enabled: bool) -> bool:
    previous, mode.enabled = mode.enabled, enabled
    return previous
