"""Plots of training: curves, histograms, filters, confusion matrices, grids of images and searches.

Each returns a Matplotlib ``Figure`` and, given a path, saves it. Figures are drawn without a display and
without pyplot's global state; Matplotlib is imported at the first plot.
"""

from .confusion import confusion_matrix, plot_confusion_matrix
from .curves import plot_curves
from .histograms import plot_histograms
from .images import image_grid, plot_filters
from .text import plot_text

__all__ = [
    "confusion_matrix",
    "image_grid",
    "plot_confusion_matrix",
    "plot_curves",
    "plot_filters",
    "plot_histograms",
    "plot_text",
]
