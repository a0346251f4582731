"""Grids of images, and of a convolution's filters seen as images."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.tensor import Tensor

from .figure import finish, new_figure, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def image_grid(
    images: Tensor | Any,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draws images side by side, all on one scale from their least to their greatest value.

    They are one picture in one pair of axes: axes each would take a hundred times as long.

    Args:
        images: [N, C, H, W] with one or three channels, or [N, H, W].
        columns: images per row (default: about a square).
        titles: a line above each image.
        path: file to save.

    Raises:
        ValueError: the shape is another, there are no images, or not one title per image.

    Example:
        >>> figure = lamina.viz.image_grid(lamina.rand(6, 1, 8, 8), columns=3, titles=list("abcdef"))
        >>> figure.axes[0].images[0].get_array().shape  # two rows of three
        (22, 27)
    """
    array = to_array(images).astype(np.float64)
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or array.shape[1] not in (1, 3) or not len(array):
        raise ValueError(f"[image_grid] expected [N, 1 or 3, H, W] or [N, H, W], got {array.shape}")
    if titles is not None and len(titles) != len(array):
        raise ValueError(f"[image_grid] expected {len(array)} titles, got {len(titles)}")
    columns = math.ceil(math.sqrt(len(array))) if columns is None else columns
    if columns <= 0:
        raise ValueError(f"[image_grid] expected a positive number of columns, got {columns}")
    figure = new_figure(0.9 * columns, (0.9 if titles is None else 1.2) * -(-len(array) // columns))
    axes = figure.subplots()
    height, width = array.shape[2:]
    # A line of a title is 0.13 inches high, an image 0.9.  One mosaic: as many axes take matplotlib seconds.
    above = 1 if titles is None else 1 + math.ceil(0.15 * height * max(t.count("\n") + 1 for t in titles))
    axes.imshow(_mosaic(_to_unit(array), columns, above), cmap="gray", vmin=0, vmax=1)
    axes.axis("off")
    for i, title in enumerate(titles or ()):
        x, y = (i % columns) * (width + 1) + (width + 1) / 2, (i // columns) * (height + above) + above - 1
        axes.text(x, y, title, fontsize=7, ha="center", va="bottom")
    return finish(figure, path)


def _mosaic(images: NDArray[np.float64], columns: int, above: int) -> NDArray[np.float64]:
    """[N, C, H, W] -> [rows * (above + H), columns * (1 + W), C] (without C if it is 1), white between the images."""
    count, channels, height, width = images.shape
    rows = -(-count // columns)
    cells = np.full((rows * columns, channels, above + height, 1 + width), 1.0 if channels == 3 else np.nan)
    cells[:count, :, above:, 1:] = images
    cells = cells.reshape(rows, columns, *cells.shape[1:]).transpose(0, 3, 1, 4, 2)
    return cells.reshape(rows * (above + height), columns * (1 + width), channels).squeeze(
        2 if channels == 1 else ()
    )


def plot_filters(
    weight: Tensor | Any, columns: int | None = None, path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draws the filters of a convolution as images.

    Args:
        weight: [out_channels, in_channels, kH, kW]; with three input channels the filters are seen in colour,
            with any other number each (filter, input channel) is an image of its own.
        columns: images per row (default: about a square).
        path: file to save.

    Raises:
        ValueError: the weight is not 4-dimensional.

    Example:
        >>> figure = lamina.viz.plot_filters(nn.Conv2d(3, 8, 5).weight, columns=4)
    """
    filters = to_array(weight)
    if filters.ndim != 4:
        raise ValueError(f"[plot_filters] expected [out, in, kH, kW], got shape {filters.shape}")
    if filters.shape[1] != 3:
        filters = filters.reshape(-1, 1, *filters.shape[2:])
    return image_grid(filters, columns, path=path)


def _to_unit(array: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = float(array.min()), float(array.max())
    return (array - low) / (high - low if high > low else 1)
