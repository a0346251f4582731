"""Fetching batches ahead of their consumer on worker threads. Threads suffice: NumPy, Pillow, gzip and our
kernels release the GIL for their work, and nothing has to be copied between processes."""

from __future__ import annotations

import itertools
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Batch = TypeVar("Batch")


@dataclass(frozen=True)
class WorkerInfo:
    """What ``get_worker_info`` tells: its number, how many there are, the loader's seed and data."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class _Thread(threading.local):
    info: WorkerInfo | None = None


_thread = _Thread()


def get_worker_info() -> WorkerInfo | None:
    """The worker that runs the calling code, or None outside ``DataLoader`` workers."""
    return _thread.info


@dataclass(frozen=True)
class Workers(Generic[Task, Batch]):
    """A pass over ``tasks`` on threads of its own.

    Args:
        fetch: makes a batch of a task; runs on the workers.
        num_workers: how many threads.
        ahead: how many batches are fetched or ready before the consumer asks for them.
        timeout: seconds to wait for a batch; 0 is forever.
        start: called on each worker before its first task.
    """

    fetch: Callable[[Task], Batch]
    num_workers: int
    ahead: int
    timeout: float
    start: Callable[[int], None]

    def run(self, tasks: Iterable[Task]) -> Iterator[Batch]:
        """Batches in the order of their tasks.

        An exception of a worker is raised here in its batch's turn, with the worker's traceback. Leaving the
        pass early cancels what has not begun and joins the threads.
        """
        remaining = iter(tasks)
        ids = itertools.count()

        thread = threading.local()

        def work(task: Task) -> Batch:
            if not hasattr(thread, "started"):
                thread.started = True
                self.start(next(ids))
            try:
                return self.fetch(task)
            except Exception as error:
                if sys.version_info >= (3, 11):
                    error.add_note(f"[DataLoader] raised in {threading.current_thread().name} by {task}")
                raise

        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="lamina-data")
        hung = False
        try:
            pending: deque[Future[Batch]] = deque(pool.submit(work, t) for t in islice(remaining, self.ahead))
            while pending:
                try:
                    batch = pending.popleft().result(self.timeout or None)
                except TimeoutError as error:
                    hung = True
                    raise RuntimeError(f"[DataLoader] no batch arrived within {self.timeout} s") from error
                pending.extend(pool.submit(work, task) for task in islice(remaining, 1))
                yield batch
        finally:
            pool.shutdown(wait=not hung, cancel_futures=True)


def enter_worker(info: WorkerInfo) -> None:
    """Makes ``info`` what ``get_worker_info`` returns on this thread."""
    _thread.info = info
