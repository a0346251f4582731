"""The same program in lamina and in torch: what it gives, or that it raises, must be the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import lamina

Program = Callable[[Any], Any]


def outcome(program: Program, library: Any) -> Any:
    """The result as nested lists of numbers; of an exception, that there was one."""
    try:
        return plain(program(library))
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        return "raises"


def plain(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if hasattr(x, "detach"):
        return [list(x.shape), np.asarray(x.detach().tolist(), np.float64).round(5).tolist()]
    return x


def assert_same(program: Program, torch: Any) -> Any:
    """Runs it in both; returns lamina's outcome."""
    got, want = outcome(program, lamina), outcome(program, torch)
    if got == "raises" and want != "raises":
        program(lamina)  # shows the exception
    assert got == want, f"{program.__name__}: lamina gives {got}, torch {want}"
    return got
