"""Datasets: indexed samples, and ways to combine, restrict and split them."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

import lamina
from lamina.dtypes import int64
from lamina.tensor import Tensor

from .collate import default_collate
from .random import Purpose, draw_seed, permutation, seek_sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lamina.random import Generator

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """Samples reached by index. Subclasses define ``__getitem__`` and ``__len__``.

    ``get_batch`` may be overridden where many samples are fetched faster at once than one by one.
    """

    def __getitem__(self, index: int) -> Sample:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no __len__")

    def get_batch(self, indices: Sequence[int]) -> Any:
        """The samples at ``indices``, collated: what a ``DataLoader`` without a ``collate_fn`` asks for."""
        return default_collate(get_samples(self, indices))

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


def get_samples(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """The samples at ``indices``, each with a random stream of its own."""
    samples = []
    for offset, index in enumerate(indices):
        seek_sample(offset)
        samples.append(dataset[index])
    return samples


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is the i-th row of each tensor.

    Args:
        tensors: tensors with equal first dimension.

    Raises:
        ValueError: first dimensions differ, or there is no tensor.

    Example:
        >>> import lamina
        >>> data = lamina.data.TensorDataset(lamina.zeros(10, 3), lamina.arange(10))
        >>> len(data), data[4][1].item()
        (10, 4)
    """

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [tensor.shape[0] if tensor.ndim else None for tensor in tensors]
        if not sizes or None in sizes or len(set(sizes)) > 1:
            raise ValueError(f"[TensorDataset] expected tensors of equal first dimension, got {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def get_batch(self, indices: Sequence[int]) -> list[Tensor]:
        rows = lamina.tensor(list(indices), dtype=int64)
        return [tensor[rows] for tensor in self.tensors]


class ArrayDataset(Dataset[tuple[Any, Any]]):
    """Images held in memory as NumPy arrays, with their labels.

    A sample is ``(transform(image), target_transform(label))``, image uint8 [H, W, C]. Transforms that take
    batches (``transform.batched``, true of most in ``lamina.data``) are called once per batch instead.

    Args:
        images: uint8 [N, H, W, C].
        targets: integers [N].
        transform: applied to an image.
        target_transform: applied to a label.
        classes: name of each label.

    Raises:
        ValueError: images are not 4-dimensional, or the numbers of images and labels differ.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        targets: NDArray[Any],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        name = type(self).__name__
        if images.ndim != 4:
            raise ValueError(f"[{name}] expected images [N, H, W, C], got shape {images.shape}")
        if targets.shape != images.shape[:1]:
            raise ValueError(f"[{name}] expected {len(images)} targets, got shape {targets.shape}")
        self.images = images
        self.targets = targets.astype(np.int64)
        self.transform = transform
        self.target_transform = target_transform
        self.classes = list(classes)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image: Any = self.images[index]
        label: Any = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            label = self.target_transform(label)
        return image, label

    def __len__(self) -> int:
        return len(self.images)

    def get_batch(self, indices: Sequence[int]) -> Any:
        transform = self.transform
        if self.target_transform is not None or not getattr(transform, "batched", transform is None):
            return super().get_batch(indices)
        rows = np.asarray(indices, np.int64)
        images: Any = self.images[rows]
        if transform is not None:
            images = transform(images)
        if isinstance(images, np.ndarray):
            images = lamina.from_numpy(images)
        return [images, lamina.from_numpy(self.targets[rows])]


class Subset(Dataset[Sample]):
    """The samples of ``dataset`` at ``indices``, in that order."""

    def __init__(self, dataset: Dataset[Sample], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def get_batch(self, indices: Sequence[int]) -> Any:
        chosen = [self.indices[i] for i in indices]
        if isinstance(self.dataset, Dataset):
            return self.dataset.get_batch(chosen)
        return default_collate(get_samples(self.dataset, chosen))


class ConcatDataset(Dataset[Any]):
    """The samples of several datasets, one after the other.

    Raises:
        ValueError: there is no dataset.
        IndexError: an index is out of range; negative ones count from the end.
    """

    def __init__(self, datasets: Sequence[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("[ConcatDataset] expected at least one dataset, got none")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"[ConcatDataset] expected an index below {len(self)}, got {index}")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(
    dataset: Dataset[Sample], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[Sample]]:
    """Splits ``dataset`` at random into disjoint parts.

    Args:
        dataset: the dataset.
        lengths: sizes that sum to ``len(dataset)``, or fractions that sum to 1; what rounding leaves over
            goes to the first parts, one sample each.
        generator: source of the order (default: lamina's).

    Raises:
        ValueError: a length is negative, or the sum is wrong.

    Example:
        >>> import lamina
        >>> train, valid = lamina.data.random_split(range(10), [0.8, 0.2], lamina.Generator().manual_seed(0))
        >>> len(train), len(valid)
        (8, 2)
    """
    n = len(dataset)
    if any(length < 0 for length in lengths):
        raise ValueError(f"[random_split] expected lengths of at least 0, got {list(lengths)}")
    if math.isclose(sum(lengths), 1):
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for part in range(n - sum(sizes)):
            sizes[part % len(sizes)] += 1
    else:
        sizes = [int(length) for length in lengths]
    if sum(sizes) != n:
        raise ValueError(f"[random_split] expected lengths that sum to {n} or 1, got {list(lengths)}")
    order = permutation(draw_seed(generator), 0, n, Purpose.SPLIT).tolist()
    ends = list(itertools.accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
