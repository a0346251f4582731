"""A plane of points, one a sample: how a network's features group the data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lamina.tensor import Tensor

from .figure import finish, new_figure, to_array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def principal_components(features: Tensor | Any, count: int = 2) -> NDArray[np.float64]:
    """Coordinates [N, count] of features [N, D] along the directions of largest variance.

    Raises:
        ValueError: the features are no matrix, or have fewer than ``count`` dimensions or rows.

    Example:
        >>> lamina.viz.principal_components(lamina.rand(10, 5)).shape
        (10, 2)
    """
    array = to_array(features).astype(np.float64)
    if array.ndim != 2 or min(array.shape) < count:
        raise ValueError(
            f"[principal_components] expected [N, D] of at least {count} each, got {array.shape}"
        )
    centred = array - array.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    coordinates: NDArray[np.float64] = left[:, :count] * sizes[:count]
    return coordinates


def plot_embedding(
    points: Tensor | Any,
    labels: Tensor | Any,
    classes: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draws points of a plane in the colours of their classes.

    Args:
        points: [N, 2], of :func:`principal_components` or of t-SNE.
        labels: [N] classes.
        classes: their names.
        path: file to save.

    Raises:
        ValueError: the points are not [N, 2], or there is not one label per point.

    Example:
        >>> figure = lamina.viz.plot_embedding([[0.0, 1.0], [2.0, 3.0]], [0, 1], ["cat", "dog"])
    """
    places, numbers = to_array(points), to_array(labels)
    if places.ndim != 2 or places.shape[1] != 2 or numbers.shape != places.shape[:1]:
        raise ValueError(
            f"[plot_embedding] expected points [N, 2] and labels [N], got {places.shape} and {numbers.shape}"
        )
    figure = new_figure(6, 5)
    axes = figure.subplots()
    for label in np.unique(numbers):
        name = str(label) if classes is None else classes[int(label)]
        mine = places[numbers == label]
        axes.scatter(mine[:, 0], mine[:, 1], s=6, color=f"C{int(label) % 10}", label=name)
    axes.legend(fontsize=7, markerscale=2)
    axes.set(xticks=[], yticks=[])
    return finish(figure, path)
