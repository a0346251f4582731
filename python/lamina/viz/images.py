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
    rows = -(-len(array) // columns)
    pixels = _to_unit(array).transpose(0, 2, 3, 1)  # [N, H, W, C]
    figure = new_figure(0.9 * columns, (0.9 if titles is None else 1.2) * rows)
    axes = figure.subplots()
    axes.axis("off")
    sheet, places = _sheet(pixels, rows, columns, 0.12 if titles is None else 0.3)
    axes.imshow(sheet, cmap="gray", vmin=0, vmax=1)
    for title, (top, left) in zip(titles or (), places, strict=False):
        middle = left + (pixels.shape[2] - 1) / 2
        axes.text(
            middle, top - 0.5, title, fontsize=7, horizontalalignment="center", verticalalignment="bottom"
        )
    return finish(figure, path)


def _sheet(
    pixels: NDArray[np.float64], rows: int, columns: int, gap: float
) -> tuple[NDArray[np.float64], list[tuple[int, int]]]:
    """All images on white, ``gap`` of their size apart, [H', W'(, 3)]; and each one's first row and column."""
    count, height, width, channels = pixels.shape
    down, across = max(1, round(gap * height)), max(1, round(0.12 * width))
    sheet = np.ones((rows * (height + down), columns * (width + across) - across, channels))
    places = [(i // columns * (height + down) + down, i % columns * (width + across)) for i in range(count)]
    for image, (top, left) in zip(pixels, places, strict=True):
        sheet[top : top + height, left : left + width] = image
    return sheet.squeeze(-1) if channels == 1 else sheet, places


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
