"""CIFAR-10 in its binary format: 50,000 + 10,000 colour images of 32×32 pixels in ten classes."""

from __future__ import annotations

import os
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .dataset import ArrayDataset
from .download import cache_home, download

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32  # label, then the red, green and blue planes


def read_cifar10_batch(path: str | Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Reads one file of CIFAR-10's binary version.

    Returns:
        Images uint8 [N, 32, 32, 3] and labels uint8 [N].

    Raises:
        ValueError: the file is not whole records with labels below 10; the message names it.
    """
    values = np.fromfile(path, np.uint8)
    if values.size == 0 or values.size % _RECORD:
        raise ValueError(
            f"[read_cifar10_batch] {path}: expected a multiple of {_RECORD} bytes, got {values.size}"
        )
    records = values.reshape(-1, _RECORD)
    labels = records[:, 0]
    if labels.max() > 9:
        raise ValueError(f"[read_cifar10_batch] {path}: expected labels below 10, got {labels.max()}")
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), labels.copy()


class CIFAR10(ArrayDataset):
    """Small photographs in ten classes (Krizhevsky, 2009). Samples are (image uint8 [32, 32, 3], label).

    Args:
        root: cache folder (default: ``$LAMINA_HOME`` or ``~/.cache/lamina``).
        train: the 50,000 training images rather than the 10,000 test images.
        transform: applied to an image, or to a batch of them.
        target_transform: applied to a label.
        download: whether the network may be asked.

    Raises:
        FileNotFoundError: the files are not in the cache and ``download`` is false.
        ConnectionError: they could not be downloaded.
        ValueError: a file is damaged; the message names it.
    """

    url: ClassVar[str] = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    checksum: ClassVar[str] = "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
    folder: ClassVar[str] = "cifar-10-batches-bin"
    train_files: ClassVar[tuple[str, ...]] = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
    test_files: ClassVar[tuple[str, ...]] = ("test_batch.bin",)

    def __init__(
        self,
        root: str | Path | None = None,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        download: bool = True,
    ) -> None:
        folder = (cache_home() if root is None else Path(root)) / self.folder
        if not all((folder / name).is_file() for name in self.train_files + self.test_files):
            if not download:
                raise FileNotFoundError(f"[CIFAR10] expected data_batch_1.bin and its kin in {folder}")
            self._download(folder)
        batches = [read_cifar10_batch(folder / f) for f in (self.train_files if train else self.test_files)]
        images, labels = (np.concatenate(column) for column in zip(*batches, strict=True))
        super().__init__(images, labels, transform, target_transform, CLASSES)

    @classmethod
    def _download(cls, folder: Path) -> None:
        archive = download([cls.url], folder.parent / Path(cls.url).name, cls.checksum)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with tarfile.open(archive) as tar:
                for name in cls.train_files + cls.test_files:
                    member = tar.extractfile(f"{cls.folder}/{name}")
                    if member is None:
                        raise ValueError(f"[CIFAR10] {archive}: expected {name} to be a file")
                    partial = folder / f".{name}.{os.getpid()}"
                    partial.write_bytes(member.read())
                    partial.replace(folder / name)
        except (tarfile.TarError, KeyError, EOFError, zlib.error) as error:
            raise ValueError(f"[CIFAR10] {archive}: expected the CIFAR-10 archive, got {error}") from error
        finally:
            archive.unlink(missing_ok=True)
