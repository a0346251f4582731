"""DataLoader: batches of a dataset, in a reproducible order, fetched ahead by threads."""

from __future__ import annotations

import warnings
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lamina import cuda

from .collate import default_collate, default_convert, pinned
from .dataset import Dataset, get_samples
from .random import draw_seed, sampling
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, set_epoch
from .worker import WorkerInfo, Workers, enter_worker

if TYPE_CHECKING:
    from lamina.random import Generator


@dataclass(frozen=True)
class Task:
    """A batch to fetch: the index, or indices, of samples that begin ``position`` samples into ``epoch``."""

    epoch: int
    number: int
    position: int
    indices: Any

    def __str__(self) -> str:
        return f"batch {self.number} of epoch {self.epoch}, indices {self.indices}"


class DataLoader:
    """Batches of a dataset, with torch's arguments and meaning, except that workers are threads.

    The order of epoch e and all random transforms depend on (seed, e) and a sample's place in the epoch:
    results are the same for any ``num_workers``. ``state_dict`` in the middle of an epoch and
    ``load_state_dict`` into a loader of the same arguments go on after the last batch handed out.

    Args:
        dataset: has ``__getitem__`` and, for the default samplers, ``__len__``; one with ``get_batch`` (every
            ``Dataset``) is asked for whole batches when there is no ``collate_fn``.
        batch_size: samples per batch; None hands out single samples, for samplers that yield whole batches.
        shuffle: visit the samples in a new random order each epoch.
        sampler: an iterable of indices instead of ``shuffle``; one with ``set_epoch`` is told the epoch.
        batch_sampler: an iterable of lists of indices instead of batch_size, shuffle, sampler and drop_last.
        num_workers: threads that fetch; 0 fetches in the caller's.
        collate_fn: makes a batch of a list of samples (default: ``default_collate``).
        pin_memory: give batches in page-locked memory, from which ``.to(device, non_blocking=True)`` does not wait;
            warns where there is no GPU.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a batch from the workers, 0 for ever.
        worker_init_fn: called with the worker's number on each worker before its first batch.
        generator: where the loader's seed is drawn from, once (default: lamina's).
        prefetch_factor: batches each worker fetches ahead (default 2).
        persistent_workers: accepted for torch's callers; starting threads costs next to nothing.

    Raises:
        ValueError: arguments that exclude each other or are out of range.
        TypeError: the dataset has no ``__getitem__``.
        RuntimeError: while iterating, no batch arrived within ``timeout``.

    Example:
        >>> import lamina
        >>> data = lamina.data.TensorDataset(lamina.arange(10))
        >>> loader = lamina.data.DataLoader(data, batch_size=4, shuffle=True, num_workers=2)
        >>> [batch.shape[0] for (batch,) in loader]
        [4, 4, 2]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
    ) -> None:
        if not hasattr(dataset, "__getitem__"):
            raise TypeError(f"[DataLoader] expected a dataset with __getitem__, got {type(dataset).__name__}")
        if num_workers < 0 or timeout < 0:
            raise ValueError(
                f"[DataLoader] expected num_workers >= 0 and timeout >= 0, got {num_workers} and {timeout}"
            )
        if num_workers == 0 and (prefetch_factor is not None or timeout or persistent_workers):
            raise ValueError(
                "[DataLoader] prefetch_factor, timeout and persistent_workers need num_workers > 0"
            )
        if prefetch_factor is not None and prefetch_factor <= 0:
            raise ValueError(f"[DataLoader] expected a positive prefetch_factor, got {prefetch_factor}")
        if sampler is not None and shuffle:
            raise ValueError("[DataLoader] expected sampler or shuffle, got both")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError("[DataLoader] batch_sampler excludes batch_size, shuffle, sampler and drop_last")
        if batch_size is None and drop_last:
            raise ValueError("[DataLoader] expected a batch_size for drop_last, got None")
        if pin_memory and not cuda.is_available():
            warnings.warn("[DataLoader] pin_memory has no effect: no GPU was found", stacklevel=2)

        self.dataset = dataset
        self.pin_memory = pin_memory and cuda.is_available()
        self.num_workers = num_workers
        self.timeout = timeout
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.worker_init_fn = worker_init_fn
        self.collate_fn = collate_fn
        self.seed = draw_seed(generator)
        if sampler is None:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = (
            batch_size if batch_sampler is None or isinstance(batch_sampler, BatchSampler) else None
        )
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self._next = (0, 0)  # epoch and batch that the next pass starts with
        self._position = (0, 0)  # epoch and batch after the last one handed out

    @property
    def _index_sampler(self) -> Iterable[Any]:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __len__(self) -> int:
        """Batches per epoch."""
        return len(self._index_sampler)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Any]:
        epoch, first = self._position = self._next
        self._next = (epoch + 1, 0)
        return self._batches(epoch, first)

    def _batches(self, epoch: int, first: int) -> Iterator[Any]:
        with closing(self._fetched(self._tasks(epoch, first))) as batches:
            for number, batch in enumerate(batches, first):
                self._position = (epoch, number + 1)
                yield pinned(batch) if self.pin_memory else batch
        self._position = (epoch + 1, 0)

    def _fetched(self, tasks: Iterator[Task]) -> abc.Generator[Any, None, None]:
        if self.num_workers:
            ahead = self.num_workers * (self.prefetch_factor or 1)
            yield from Workers(self._fetch, self.num_workers, ahead, self.timeout, self._start_worker).run(
                tasks
            )
        else:
            yield from map(self._fetch, tasks)

    def _tasks(self, epoch: int, first: int) -> Iterator[Task]:
        set_epoch(self._index_sampler, epoch)
        position = 0
        for number, indices in enumerate(self._index_sampler):
            if number >= first:
                yield Task(epoch, number, position, indices)
            position += 1 if self.batch_sampler is None else len(indices)

    def _fetch(self, task: Task) -> Any:
        with sampling(self.seed, task.epoch, task.position):
            if self.batch_sampler is None:
                return (self.collate_fn or default_convert)(self.dataset[task.indices])
            if self.collate_fn is None and isinstance(self.dataset, Dataset):
                return self.dataset.get_batch(task.indices)
            return (self.collate_fn or default_collate)(get_samples(self.dataset, task.indices))

    def _start_worker(self, number: int) -> None:
        enter_worker(WorkerInfo(number, self.num_workers, self.seed, self.dataset))
        if self.worker_init_fn is not None:
            self.worker_init_fn(number)

    def state_dict(self) -> dict[str, Any]:
        """Seeds, and the epoch and batch that come next; batches fetched ahead don't count."""
        epoch, batch = self._position
        sampler = self._index_sampler
        return {
            "seed": self.seed,
            "epoch": epoch,
            "batch": batch,
            "sampler": sampler.state_dict() if isinstance(sampler, Sampler) else {},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next pass go on where ``state_dict`` was taken.

        A sampler of another library must itself give the same order for the same epoch.
        """
        self.seed = state["seed"]
        self._next = self._position = (state["epoch"], state["batch"])
        if isinstance(self._index_sampler, Sampler):
            self._index_sampler.load_state_dict(state["sampler"])
