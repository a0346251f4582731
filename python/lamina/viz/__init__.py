"""Plots of training, and what a network looks at: curves, filters, histograms, searches, images, text,
embeddings, saliency.

Each plot returns a Matplotlib ``Figure`` and, given a path, saves it. Figures are drawn without a display and
without pyplot's global state; Matplotlib is imported at the first plot.
"""

from .attribution import guided_backprop, occlusion, saliency
from .confusion import confusion_matrix, plot_confusion_matrix
from .curves import plot_curves
from .embedding import plot_embedding, principal_components
from .histograms import plot_histograms
from .images import image_grid, plot_filters
from .search import plot_search
from .synthesis import invert_features, maximise_class
from .text import plot_text

__all__ = [
    "confusion_matrix",
    "guided_backprop",
    "image_grid",
    "invert_features",
    "maximise_class",
    "occlusion",
    "plot_confusion_matrix",
    "plot_curves",
    "plot_embedding",
    "plot_filters",
    "plot_histograms",
    "plot_search",
    "plot_text",
    "principal_components",
    "saliency",
]
