"""Confusion matrices: which class is taken for which."""

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


def confusion_matrix(targets: Tensor | Any, predictions: Tensor | Any, num_classes: int) -> NDArray[np.int64]:
    """Counts how often class i (row) was predicted as class j (column).

    Args:
        targets: true labels [N].
        predictions: predicted labels [N].
        num_classes: C.

    Returns:
        int64 [C, C].

    Raises:
        ValueError: the shapes differ, or a label is not in [0, C).

    Example:
        >>> lamina.viz.confusion_matrix(lamina.tensor([0, 1, 1]), lamina.tensor([0, 1, 0]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    true, predicted = (to_array(labels).reshape(-1).astype(np.int64) for labels in (targets, predictions))
    if true.shape != predicted.shape:
        raise ValueError(f"[confusion_matrix] expected {true.size} predictions, got {predicted.size}")
    for labels in (true, predicted):
        if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
            got = f"{labels.min()} to {labels.max()}"
            raise ValueError(f"[confusion_matrix] expected labels in [0, {num_classes}), got {got}")
    counts = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def plot_confusion_matrix(
    matrix: Tensor | Any, classes: Sequence[str] | None = None, path: str | os.PathLike[str] | None = None
) -> Figure:
    """Draws a confusion matrix: colours are shares of the true class (row), numbers are counts.

    Args:
        matrix: counts [C, C].
        classes: names of the C classes.
        path: file to save.

    Raises:
        ValueError: the matrix is not square, or there is not one name per class.

    Example:
        >>> figure = lamina.viz.plot_confusion_matrix([[3, 1], [0, 4]], ["cat", "dog"])
        >>> figure.axes[0].get_title()
        '87.50% right'
    """
    counts = to_array(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"[plot_confusion_matrix] expected counts [C, C], got shape {counts.shape}")
    n = len(counts)
    names = [str(i) for i in range(n)] if classes is None else list(classes)
    if len(names) != n:
        raise ValueError(f"[plot_confusion_matrix] expected {n} class names, got {len(names)}")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(1.8 + 0.55 * n, 1.4 + 0.55 * n)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(n), names, rotation=45, ha="right")
    axes.set_yticks(range(n), names)
    right = np.trace(counts) / max(counts.sum(), 1)
    axes.set(xlabel="predicted", ylabel="true", title=f"{right:.2%} right")
    for i, j in zip(*np.nonzero(counts), strict=True):
        axes.text(
            j,
            i,
            str(counts[i, j]),
            ha="center",
            va="center",
            fontsize=8,
            color="w" if share[i, j] > 0.5 else "k",
        )
    return finish(figure, path)
