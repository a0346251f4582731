"""Small data sets as tensors in memory, for scripts whose subject is not the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.data import Digits, FashionMNIST, TensorDataset
from lamina.ops import from_numpy, tensor

#: Data sets that scikit-learn and a system package carry.
DATASETS: dict[str, Any] = {"digits": Digits, "fashion-mnist": FashionMNIST}


def load_images(name: str, limit: int | None = None) -> tuple[TensorDataset, TensorDataset, list[str]]:
    """Training data, test data and the names of the classes.

    Args:
        name: ``"digits"`` (8×8 pixels) or ``"fashion-mnist"`` (28×28).
        limit: take the first ``limit`` images of either part only.

    Returns:
        data sets of images, float32 [N, 1, H, W] of mean 0 and variance 1 over all training pixels, and labels [N].

    Raises:
        ModuleNotFoundError: digits need scikit-learn.
        ConnectionError: Fashion-MNIST is not on this machine and can't be downloaded.

    Example:
        >>> train, test, classes = lamina.training.load_images("digits", limit=100)
        >>> train.tensors[0].shape, len(classes)
        (lamina.Size([100, 1, 8, 8]), 10)
    """
    train, test = (DATASETS[name](train=part) for part in (True, False))
    mean, std = train.images.mean(), train.images.std()

    def tensors(data: Any) -> TensorDataset:
        pixels = (data.images[:limit].transpose(0, 3, 1, 2) - mean) / std
        return TensorDataset(
            from_numpy(np.ascontiguousarray(pixels, np.float32)), tensor(data.targets[:limit])
        )

    return tensors(train), tensors(test), train.classes
