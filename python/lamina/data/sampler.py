"""Samplers: the order in which an epoch visits the samples. Orders depend on (seed, epoch) alone, so that a
run resumed in the middle of an epoch goes on with the same one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .random import Purpose, draw_seed, permutation, philox

if TYPE_CHECKING:
    from lamina.random import Generator

T = TypeVar("T", covariant=True)


class Sampler(Generic[T]):
    """Base of samplers: each pass over it is one epoch."""

    def __iter__(self) -> Iterator[T]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__")

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch of the next pass; a fixed order knows no epochs."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what ``state_dict`` gave; a fixed order has nothing to take."""


class SequentialSampler(Sampler[int]):
    """0, 1, …, len(data_source) - 1."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class SeededSampler(Sampler[int]):
    """Base of random samplers: every pass draws the order of (seed, epoch) and moves to the next epoch."""

    def __init__(self, generator: Generator | None) -> None:
        self.seed = draw_seed(generator)
        self.epoch = 0

    def __iter__(self) -> Iterator[int]:
        order = self.order()
        self.epoch += 1
        return iter(order.tolist())

    def order(self) -> NDArray[np.int64]:
        raise NotImplementedError(f"{type(self).__name__} defines no order")

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seed, self.epoch = state["seed"], state["epoch"]


class RandomSampler(SeededSampler):
    """A random order of all samples, or draws with replacement.

    Args:
        data_source: what is sampled; only its length counts.
        replacement: draw independently instead of permuting.
        num_samples: draws per epoch (default: all); beyond the length, one permutation follows another.
        generator: where the seed is drawn from (default: lamina's).

    Raises:
        ValueError: num_samples is not positive.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if num_samples is not None and num_samples <= 0:
            raise ValueError(f"[RandomSampler] expected a positive num_samples, got {num_samples}")
        super().__init__(generator)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> NDArray[np.int64]:
        n, draws = len(self.data_source), self.num_samples
        if draws and not n:
            raise ValueError(f"[RandomSampler] expected data to draw {draws} samples from, got none")
        if not draws:
            return np.empty(0, np.int64)
        if self.replacement:
            uniform = np.random.Generator(philox(self.seed, self.epoch, 0, Purpose.ORDER)).random(draws)
            return (uniform * n).astype(np.int64)
        if draws <= n:
            return permutation(self.seed, self.epoch, n)[:draws]
        # one stream, cut into passes over the data
        raw = philox(self.seed, self.epoch, 0, Purpose.ORDER).random_raw(-(-draws // n) * n)
        orders: NDArray[np.int64] = np.argsort(raw.reshape(-1, n), axis=1, kind="stable")
        return orders.reshape(-1)[:draws]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(SeededSampler):
    """A random order of the given indices."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        super().__init__(generator)
        self.indices = indices

    def order(self) -> NDArray[np.int64]:
        return np.asarray(self.indices, np.int64)[permutation(self.seed, self.epoch, len(self.indices))]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(SeededSampler):
    """Draws index i with probability proportional to ``weights[i]``.

    Without replacement the draws with the smallest E_i / w_i win, E_i exponential (Efraimidis & Spirakis,
    "Weighted random sampling with a reservoir", 2006).

    Args:
        weights: [N], not negative, not all zero; need not sum to one.
        num_samples: draws per epoch.
        replacement: whether an index may come more than once.
        generator: where the seed is drawn from (default: lamina's).

    Raises:
        ValueError: a weight is negative or not finite, num_samples is not positive or, without replacement,
            above the number of weights that are not zero.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        self.weights = np.asarray(weights, np.float64)
        valid = self.weights.ndim == 1 and bool(np.all(self.weights >= 0)) and np.isfinite(self.weights.sum())
        nonzero = np.count_nonzero(self.weights)
        if not valid or not nonzero:
            raise ValueError(
                f"[WeightedRandomSampler] expected weights [N] >= 0, not all zero, got {weights}"
            )
        if num_samples <= 0 or (not replacement and num_samples > nonzero):
            limit = "" if replacement else f" of at most {nonzero} (the weights above zero)"
            raise ValueError(
                f"[WeightedRandomSampler] expected a positive num_samples{limit}, got {num_samples}"
            )
        super().__init__(generator)
        self.num_samples = num_samples
        self.replacement = replacement

    def order(self) -> NDArray[np.int64]:
        draw = np.random.Generator(philox(self.seed, self.epoch, 0, Purpose.ORDER)).random
        if self.replacement:
            cumulative = np.cumsum(self.weights)
            drawn = np.searchsorted(cumulative, draw(self.num_samples) * cumulative[-1], side="right")
            # a draw of almost 1 may round up to the total, past the last weight that is not zero
            last = int(np.flatnonzero(self.weights)[-1])
            clipped: NDArray[np.int64] = np.minimum(drawn, last)
            return clipped
        exponential = -np.log1p(-draw(len(self.weights)))
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.where(self.weights > 0, exponential / self.weights, np.inf)
        first: NDArray[np.int64] = np.argsort(times, kind="stable")
        return first[: self.num_samples]

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` indices of ``sampler``; the last may be shorter, or dropped.

    Raises:
        ValueError: batch_size is not positive.

    Example:
        >>> from lamina.data import BatchSampler, SequentialSampler
        >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError(f"[BatchSampler] expected a positive batch_size, got {batch_size!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + (rest > 0 and not self.drop_last)

    def set_epoch(self, epoch: int) -> None:
        set_epoch(self.sampler, epoch)

    def state_dict(self) -> dict[str, Any]:
        return self.sampler.state_dict() if isinstance(self.sampler, Sampler) else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if isinstance(self.sampler, Sampler):
            self.sampler.load_state_dict(state)


def set_epoch(sampler: object, epoch: int) -> None:
    """Tells any sampler that wants to know (torch's convention: it has ``set_epoch``) which epoch comes."""
    if hasattr(sampler, "set_epoch"):
        sampler.set_epoch(epoch)
