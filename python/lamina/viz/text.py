"""Text with a colour behind every character: what a cell or an attention weight does along a sequence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.tensor import Tensor

from .figure import finish, new_figure, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_text(
    text: str,
    values: Mapping[str, Tensor | Any],
    columns: int = 80,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draws one panel a series: the text, with red behind characters of high values and blue behind those of low ones.

    Args:
        text: T characters; a newline is drawn as ⏎ and ends its line.
        values: series [T] by title; colours are relative to the largest magnitude of the series.
        columns: characters per line at most.
        path: file to save.

    Raises:
        ValueError: there is no text or series, or a series has not one value per character.

    Example:
        >>> figure = lamina.viz.plot_text("hello", {"cell 3": [0.1, -0.9, 0.3, 0.2, 0.8]})
    """
    if not text or not values:
        raise ValueError("[plot_text] expected a text and at least one series, got none")
    places, row, column = [], 0, 0
    for character in text:
        if column == columns:
            row, column = row + 1, 0
        places.append((row, column))
        row, column = (row + 1, 0) if character == "\n" else (row, column + 1)
    rows = places[-1][0] + 1
    figure = new_figure(0.09 * columns + 0.4, (0.18 * rows + 0.45) * len(values))
    for axes, (title, series) in zip(
        figure.subplots(len(values), 1, squeeze=False)[:, 0], values.items(), strict=True
    ):
        weights = to_array(series).astype(np.float64)
        if weights.shape != (len(text),):
            raise ValueError(f"[plot_text] expected {len(text)} values of {title}, got shape {weights.shape}")
        grid = np.zeros((rows, columns))
        grid[tuple(np.array(places).T)] = weights
        bound = np.abs(weights).max() or 1.0
        axes.imshow(grid, cmap="bwr", vmin=-bound, vmax=bound, aspect="auto", alpha=0.7)
        for (y, x), character in zip(places, text, strict=True):
            shown = "⏎" if character == "\n" else character.replace("$", r"\$")  # no mathematics
            axes.text(x, y, shown, ha="center", va="center", fontsize=7, family="monospace")
        axes.set_title(title, fontsize=9, loc="left")
        axes.axis("off")
    return finish(figure, path)
