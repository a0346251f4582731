"""Finds the cases."""

from __future__ import annotations

import importlib
import pkgutil

import cases
from case import Case


def all_cases() -> list[Case]:
    """Every case of every module in tests/cases."""
    found = [
        case
        for module in sorted(m.name for m in pkgutil.iter_modules(cases.__path__))
        for case in importlib.import_module(f"cases.{module}").CASES
    ]
    names = [case.name for case in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"case names must be unique, got twice: {sorted(twice)}")
    return found
