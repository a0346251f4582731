"""scikit-learn's bundled digits: 1,797 grey images of 8×8 pixels, no download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .dataset import ArrayDataset


class Digits(ArrayDataset):
    """Handwritten digits of 8×8 pixels (Alpaydin & Kaynak, 1998). Samples are (image uint8 [8, 8, 1], label).

    A fixed fifth is held out: every fifth image of each class, in the order of the file.

    Args:
        train: the four fifths for training rather than the fifth held out.
        transform: applied to an image, or to a batch of them.
        target_transform: applied to a label.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """

    def __init__(
        self,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        try:
            from sklearn.datasets import load_digits
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "[Digits] the data come with scikit-learn: pip install 'lamina[train]'"
            ) from error
        bunch = load_digits()
        levels, targets = bunch.images, bunch.target  # 0 to 16, [N, 8, 8]
        held_out = np.zeros(len(targets), bool)
        for label in range(10):
            held_out[np.flatnonzero(targets == label)[2::5]] = True
        part = ~held_out if train else held_out
        images = np.rint(levels[part] * (255 / 16)).astype(np.uint8)[..., None]
        super().__init__(images, targets[part], transform, target_transform, tuple("0123456789"))
