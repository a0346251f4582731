"""What a run keeps on disk: configuration, checkpoint and metrics. The folder of another run is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamina.io import load_checkpoint, save_checkpoint
from lamina.random import get_rng_state, set_rng_state


def mark(path: Path, script: str) -> None:
    """Says whose folder this is: scripts of several runs have folders in it that another script would not notice."""
    (path / "script.txt").write_text(f"{script}\n")


def refuse_others(path: Path, script: str) -> None:
    """Ends the program, with a message, if the folder has another script's mark."""
    known = path / "script.txt"
    if known.exists() and (other := known.read_text().strip()) != script:
        raise SystemExit(f"{path} holds a run of {other}, not of {script}: choose another --run-dir")


class RunFolder:
    """The folder of a run, and the objects whose state its checkpoint holds beside lamina's random state.

    Args:
        path: the folder; made when it is opened.
        config: what must be the same for a run to go on.
        stateful: objects with ``state_dict`` and ``load_state_dict``, or ``get_state`` and ``set_state``, by name.
    """

    _RESERVED = ("config", "rows", "running", "random")

    def __init__(self, path: Path, config: Mapping[str, Any], stateful: Mapping[str, Any]) -> None:
        if wrong := [key for key in self._RESERVED if key in stateful]:
            raise ValueError(f"[Run] expected another name than {wrong[0]}, which the checkpoint has already")
        self.path = path
        self.config = json.loads(json.dumps(config, default=str))  # as it will be read back
        self.stateful = stateful
        self._checkpoint = path / "checkpoint.safetensors"

    def open(self, resume: bool) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
        """Puts all objects into the checkpoint's state; returns its metrics and what ``save`` was given beside them.

        Raises:
            SystemExit: there is a run, and it is not to be resumed or another one, or its checkpoint is damaged.
        """
        state = self._load(resume) if self._checkpoint.exists() else None
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "config.json").write_text(json.dumps(self.config, indent=2) + "\n")
        return None if state is None else (state["rows"], state["running"])

    def _load(self, resume: bool) -> dict[str, Any]:
        if not resume:
            raise SystemExit(
                f"{self.path} holds a run: give --resume to go on with it, or choose another --run-dir"
            )
        try:
            state = load_checkpoint(self._checkpoint)
        except ValueError as error:
            raise SystemExit(str(error)) from error
        old = state.get("config", {})
        changed = [
            f"{key} {old.get(key)}, not {value}"
            for key, value in self.config.items()
            if old.get(key) != value
        ]
        if changed:
            raise SystemExit(f"{self.path} holds a run with {'; '.join(changed)}: choose another --run-dir")
        try:
            for name, value in self.stateful.items():
                (value.load_state_dict if hasattr(value, "load_state_dict") else value.set_state)(state[name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise SystemExit(
                f"{self.path} holds a run of another model: choose another --run-dir\n{error}"
            ) from error
        set_rng_state(state["random"])
        return state

    def save(self, rows: list[dict[str, Any]], running: dict[str, Any]) -> None:
        """Replaces the checkpoint, atomically."""
        state = {
            name: value.state_dict() if hasattr(value, "state_dict") else value.get_state()
            for name, value in self.stateful.items()
        }
        state |= {"config": self.config, "rows": rows, "running": running, "random": get_rng_state()}
        save_checkpoint(state, self._checkpoint)

    def write_metrics(self, rows: list[dict[str, Any]]) -> None:
        """metrics.csv, with the columns of the last row."""
        with (self.path / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[-1])
            writer.writeheader()
            writer.writerows(rows)
