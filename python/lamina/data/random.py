"""Randomness of the data pipeline: one Philox stream per (seed, epoch, position), so that neither the number
of workers nor the order in which they finish changes an order or an augmentation.

``position`` is a sample's place in the epoch, not its index: a sample drawn twice is augmented twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lamina.random import Generator


class Purpose(IntEnum):
    """Keeps streams of the same seed and epoch apart."""

    ORDER = 0
    SAMPLE = 1
    SPLIT = 2


def philox(seed: int, epoch: int, position: int, purpose: Purpose) -> np.random.Philox:
    """Bit generator with the key (seed, epoch); each (position, purpose) owns 2^128 blocks of its counter."""
    key = np.array([seed, epoch], np.uint64)
    counter = np.array([0, 0, position, purpose], np.uint64)
    return np.random.Philox(key=key, counter=counter)


def permutation(seed: int, epoch: int, n: int, purpose: Purpose = Purpose.ORDER) -> NDArray[np.int64]:
    """Random order of ``range(n)``, int64 [n]. Sorting raw draws gives the same order on every NumPy version:
    only the bit stream, not ``Generator.permutation``, is guaranteed to stay."""
    return np.argsort(philox(seed, epoch, 0, purpose).random_raw(n), kind="stable")


def draw_seed(generator: Generator | None) -> int:
    """A fresh 63-bit seed from ``generator``, by default the one that ``lamina.manual_seed`` seeds."""
    import lamina

    return int(lamina.randint(0, 2**63 - 1, (1,), generator=generator).item())


class SampleStream:
    """The streams of the samples that one thread is fetching."""

    def __init__(self, seed: int, epoch: int, position: int) -> None:
        self._key = (seed, epoch)
        self._first = position
        self.seek(0)

    def seek(self, offset: int) -> None:
        """Moves to the sample ``offset`` places after the first of the batch."""
        self._position = self._first + offset
        self._generator: np.random.Generator | None = None

    @property
    def generator(self) -> np.random.Generator:
        if self._generator is None:  # made on demand: a pipeline without random transforms pays nothing
            self._generator = np.random.Generator(philox(*self._key, self._position, Purpose.SAMPLE))
        return self._generator


class _Thread(threading.local):
    stream: SampleStream | None = None


_thread = _Thread()


@contextmanager
def sampling(seed: int, epoch: int, position: int) -> Iterator[None]:
    """While active, ``sample_generator`` on this thread draws for the samples from ``position`` on."""
    outer = _thread.stream
    _thread.stream = SampleStream(seed, epoch, position)
    try:
        yield
    finally:
        _thread.stream = outer


def seek_sample(offset: int) -> None:
    """Within ``sampling``: the next draws belong to the sample ``offset`` places after the first."""
    if _thread.stream is not None:
        _thread.stream.seek(offset)


def sample_generator() -> np.random.Generator:
    """NumPy generator of the sample (or, for batched transforms, the batch) that this thread is fetching.

    Random transforms and datasets that draw from it give the same result for any number of workers. Outside a
    ``DataLoader`` it returns a fresh generator, seeded from lamina's default one.

    Example:
        >>> import lamina
        >>> def add_noise(image):
        ...     return image + lamina.data.sample_generator().normal(size=image.shape)
        >>> noise = lamina.data.Lambda(add_noise, batched=True)
    """
    if _thread.stream is not None:
        return _thread.stream.generator
    return np.random.Generator(philox(draw_seed(None), 0, 0, Purpose.SAMPLE))
