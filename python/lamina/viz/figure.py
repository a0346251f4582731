"""Figures without pyplot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that many inches; it draws itself with Agg.

    Raises:
        ModuleNotFoundError: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("[viz] plots need Matplotlib: pip install 'lamina[train]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def finish(figure: Figure, path: str | os.PathLike[str] | None) -> Figure:
    """Saves the figure if there is a path; the suffix says the format (.png, .pdf, .svg)."""
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def to_array(values: Tensor | Any) -> NDArray[Any]:
    """Tensor on any device, or array-like -> NumPy"""
    return values.numpy(force=True) if isinstance(values, Tensor) else np.asarray(values)
