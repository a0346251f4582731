"""Histograms: what activations, weights or gradients look like, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.tensor import Tensor

from .figure import finish, new_figure, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_histograms(
    rows: Mapping[str, Sequence[Tensor | Any]], bins: int = 40, path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draws a row of histograms per name, with one for each of its arrays, such as the layers of a network.

    Each panel has a scale of its own, as high as its fullest bin; above it stand mean and standard deviation.

    Args:
        rows: arrays of any shape, by the name of their row.
        bins: bars of a histogram.
        path: file to save.

    Raises:
        ValueError: there is no array, or one is empty or not finite.

    Example:
        >>> import lamina
        >>> layers = [lamina.randn(100), lamina.randn(100) / 2]
        >>> figure = lamina.viz.plot_histograms({"tanh": layers})
    """
    arrays = {name: [to_array(array).reshape(-1) for array in row] for name, row in rows.items()}
    columns = max(map(len, arrays.values()), default=0)
    if not columns:
        raise ValueError("[plot_histograms] expected at least one array, got none")
    for name, row in arrays.items():
        for array in row:
            if not array.size or not np.isfinite(array).all():
                raise ValueError(f"[plot_histograms] expected finite values in {name}, got others or none")
    figure = new_figure(1.1 * columns + 0.6, 1.2 * len(arrays))
    panels = figure.subplots(len(arrays), columns, squeeze=False)
    for line, (name, row) in zip(panels, arrays.items(), strict=True):
        line[0].set_ylabel(name, fontsize=7)
        for axes in line[len(row) :]:
            axes.axis("off")
        for axes, array in zip(line, row, strict=False):
            axes.stairs(*np.histogram(array.astype(np.float64), bins), fill=True)
            axes.set_title(f"{array.mean():.2g} ± {array.std():.2g}", fontsize=6)
            axes.set_yticks([])
            axes.tick_params(labelsize=5)
            axes.locator_params(axis="x", nbins=3)
            axes.xaxis.get_offset_text().set_fontsize(5)
    return finish(figure, path)
