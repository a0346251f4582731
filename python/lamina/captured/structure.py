"""Arguments and results: nested containers, and the leaves that they hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lamina.tensor import Tensor


def flatten(x: Any, leaves: list[Any]) -> Any:
    """Appends what ``x`` holds to ``leaves``; returns its structure, with Tensor or None for a leaf."""
    if isinstance(x, (tuple, list)):
        return type(x), [flatten(item, leaves) for item in x]
    if isinstance(x, dict):
        return dict, [(key, flatten(value, leaves)) for key, value in x.items()]
    leaves.append(x)
    return Tensor if isinstance(x, Tensor) else None


def unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    if not isinstance(structure, tuple):
        return next(leaves)
    kind, items = structure
    if kind is dict:
        return {key: unflatten(value, leaves) for key, value in items}
    values = [unflatten(item, leaves) for item in items]
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


def replaced(leaves: list[Any], tensors: list[Tensor]) -> Iterator[Any]:
    """The leaves with other tensors in the places of theirs."""
    others = iter(tensors)
    return iter([next(others) if isinstance(x, Tensor) else x for x in leaves])
