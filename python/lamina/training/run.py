"""A training in a folder of its own: progress, metrics, checkpoints, Ctrl-C, and going on with the same bits."""

from __future__ import annotations

import argparse
import itertools
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any

from lamina.data import DataLoader
from lamina.nn import Module
from lamina.viz import plot_curves

from .folder import RunFolder, mark

# Arguments that may change when a run goes on; the script itself is checked by start.
_NOT_OF_THE_RUN = ("run_dir", "resume", "device", "threads", "script")


class Run:
    """Counts the epochs and steps of a training, and keeps all of its state in a checkpoint.

    The folder gets checkpoint.safetensors, config.json and metrics.csv, one row an epoch. Ctrl-C stops after the
    current step; with ``args.resume`` the run goes on from there and ends with the same bits as one never stopped.

    Args:
        args: of :func:`lamina.training.start`; all but run_dir, resume, device and threads must be the same to go on.
        config: more that must be the same, as JSON; the types of modules among ``stateful`` always are.
        unit: what ``log`` counts; metrics and the progress bar give its rate.
        name: a folder of its own within the run folder, for scripts that train several models; such a run leaves no
            progress bars behind and tells no metrics.
        **stateful: everything that a step changes and that has ``state_dict`` and ``load_state_dict`` (model,
            optimizer, schedule, loader) or ``get_state`` and ``set_state`` (generators; lamina's own is kept anyway).

    Raises:
        SystemExit: the folder holds a run and ``args.resume`` is not given, a run of another configuration or model, or
            a damaged checkpoint; its message is shown, and the program ends with 1.

    Example:
        >>> import tempfile
        >>> model = nn.Linear(4, 2)
        >>> options = lamina.training.parser("Train.", tempfile.mkdtemp())
        >>> run = lamina.training.Run(lamina.training.start(options, []), unit="steps", model=model)
        >>> for epoch in run.epochs(2):
        ...     for _ in run.steps(range(3)):
        ...         run.log(loss=model(lamina.ones(1, 4)).sum().item())
        >>> [row["epoch"] for row in run.rows]
        [1, 2]
    """

    def __init__(
        self,
        args: argparse.Namespace,
        config: Mapping[str, Any] | None = None,
        unit: str = "images",
        name: str = "",
        **stateful: Any,
    ) -> None:
        self.folder = Path(args.run_dir) / name
        self.name = name
        self.unit = unit
        self.stateful = stateful
        chosen = {key: value for key, value in vars(args).items() if key not in _NOT_OF_THE_RUN}
        models = {key: type(value).__name__ for key, value in stateful.items() if isinstance(value, Module)}
        self._disk = RunFolder(self.folder, {**chosen, **models, **(config or {})}, stateful)
        self.rows: list[dict[str, Any]] = []  # of metrics.csv, one per finished epoch
        self._running = self._nothing()  # of the epoch so far
        self._recorded: dict[str, float] = {}
        self._epochs = 0
        self._bar: Any = None
        self._stop = False
        if found := self._disk.open(args.resume):
            self.rows, self._running = found
        mark(Path(args.run_dir), args.script)

    def epochs(self, count: int) -> Iterator[int]:
        """The numbers of the epochs still to do, up to ``count``; writes metrics and a checkpoint after each.

        Raises:
            SystemExit: Ctrl-C was pressed; the checkpoint is written, and the program ends with 130.
        """
        self._epochs = count
        # Python lets no other thread handle signals
        in_main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, self._request_stop) if in_main else None
        try:
            while len(self.rows) < count:
                yield len(self.rows) + 1
                self._end_epoch()
                self.save()
                if self._stop and len(self.rows) < count:
                    self._leave()
        finally:
            if in_main:
                signal.signal(signal.SIGINT, before)

    def steps(
        self, batches: Iterable[Any], title: str | None = None, total: int | None = None
    ) -> Iterator[Any]:
        """The batches of this epoch that are still to do, with a progress bar; one such loop an epoch.

        Args:
            batches: a loader that the run was given, or an iterable that is the same in each run, such as a range.
            title: before the bar (default: the epoch).
            total: units in all (default: what a ``DataLoader`` says).

        Raises:
            ValueError: a loader that the run was not given, and so could not go on with.
            ModuleNotFoundError: tqdm is not installed.
            SystemExit: Ctrl-C was pressed, as for :meth:`epochs`.
        """
        if any(batches is known for known in self.stateful.values()):
            left = iter(batches)
        elif hasattr(batches, "state_dict"):
            raise ValueError("[Run.steps] expected a loader that the run was given: Run(..., loader=loader)")
        else:
            left = itertools.islice(batches, self._running["done"], None)
        bar = _tqdm()(
            desc=title or f"{self.name} epoch {len(self.rows) + 1}/{self._epochs}".lstrip(),
            total=self._size(batches) if total is None else total,
            initial=self._running[self.unit],
            unit=f" {self.unit}",
            leave=not self.name,
        )
        with bar as self._bar:
            for batch in left:
                start = time.perf_counter()
                yield batch
                self._running["seconds"] += time.perf_counter() - start
                self._running["done"] += 1
                if self._stop:
                    break
        self._bar = None
        if self._stop:
            self.save()
            self._leave()

    def log(self, count: int = 1, /, **means: float) -> None:
        """Adds a batch of ``count`` units to the epoch's means, shown by the bar and, as train_NAME, in metrics.csv."""
        running, sums = self._running, self._running["sums"]
        running[self.unit] += count
        for name, mean in means.items():
            sums[name] = sums.get(name, 0.0) + mean * count
        if self._bar is not None:
            shown = ", ".join(_show(name, total / running[self.unit]) for name, total in sums.items())
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update(count)

    def record(self, **values: float) -> None:
        """Adds columns to this epoch's row of metrics.csv; those called test_… or valid_… are told, too."""
        self._recorded.update(values)
        told = [_show(name, value) for name, value in values.items() if name.startswith(("test_", "valid_"))]
        if told and not self.name:
            self.say(f"{', '.join(told)} after epoch {len(self.rows) + 1}")

    def say(self, text: str) -> None:
        """Prints a line above the progress bar."""
        _tqdm().write(text)

    def column(self, name: str) -> list[float]:
        """A column of metrics.csv."""
        return [row[name] for row in self.rows]

    def finish(self, message: str) -> None:
        """Draws curves.png, a panel for each NAME of which there is train_NAME, test_NAME or valid_NAME; says where."""
        panels: dict[str, dict[str, list[float]]] = {}
        for name in self.rows[-1]:
            part, _, quantity = name.partition("_")
            if part in ("train", "test", "valid"):
                panels.setdefault(quantity, {})[part] = self.column(name)
        if panels:
            plot_curves(panels, path=self.folder / "curves.png")
        print(f"{message}; see {self.folder}")

    def save(self) -> None:
        """Writes the checkpoint; ``epochs`` and ``steps`` do so by themselves."""
        self._disk.save(self.rows, self._running)

    def _nothing(self) -> dict[str, Any]:
        return {self.unit: 0, "seconds": 0.0, "done": 0, "sums": {}}

    def _size(self, batches: Iterable[Any]) -> int | None:
        if self.unit == "steps":
            return len(batches) if isinstance(batches, Sized) else None
        if not isinstance(batches, DataLoader) or batches.batch_size is None:
            return None
        return len(batches) * batches.batch_size if batches.drop_last else len(batches.dataset)

    def _end_epoch(self) -> None:
        running, self._running = self._running, self._nothing()
        count, seconds = running[self.unit], running["seconds"]
        means = {f"train_{name}": total / count for name, total in running["sums"].items()}
        row = {"epoch": len(self.rows) + 1, **means, **self._recorded}
        self._recorded = {}
        if seconds:
            row |= {"seconds": seconds, f"{self.unit}_per_second": count / seconds}
        self.rows.append(row)
        self._disk.write_metrics(self.rows)

    def _request_stop(self, *_: object) -> None:
        self._stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C doesn't wait for the step

    def _leave(self) -> None:
        print(f"stopped in epoch {len(self.rows) + 1}; the same command with --resume goes on")
        raise SystemExit(130)


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "[training] progress bars need tqdm: pip install 'lamina[train]'"
        ) from error
    return tqdm


def _show(name: str, value: float) -> str:
    return f"{name.replace('_', ' ')} {value:{'.2%' if name.endswith('accuracy') else '.3f'}}"
