"""The options that every training script has."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lamina.config import set_num_threads
from lamina.ops import zeros
from lamina.random import manual_seed

from .folder import refuse_others


def parser(
    description: str | None, run_dir: str | Path, epochs: int | None = None
) -> argparse.ArgumentParser:
    """A parser with --epochs, --limit, --seed, --device, --threads, --run-dir and --resume.

    Args:
        description: the script's docstring; its first line is shown by --help.
        run_dir: the default of --run-dir; its last part is the script's name, by which it knows its own run folders.
        epochs: the default of --epochs.

    Example:
        >>> options = lamina.training.parser("Train a network.", "runs/network", epochs=10)
        >>> options.parse_args(["--seed", "3"]).seed
        3
    """
    options = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    options.add_argument("--epochs", type=positive(int), default=epochs, help="passes over the training data")
    options.add_argument("--limit", type=positive(int), help="train and test on the first LIMIT samples only")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--device", default="cpu")
    options.add_argument("--threads", type=positive(int), help="threads that compute (default: one per core)")
    options.add_argument("--run-dir", type=Path, default=Path(run_dir), help=f"default: {run_dir}")
    options.add_argument(
        "--resume", action="store_true", help="go on from the run folder's checkpoint, if any"
    )
    options.set_defaults(script=Path(run_dir).name)
    return options


def start(
    options: argparse.ArgumentParser, argv: Sequence[str] | None = None, needs: Sequence[str] = ()
) -> argparse.Namespace:
    """Parses the arguments (default: the command line's), sets the number of threads and seeds lamina.

    Args:
        options: of :func:`parser`.
        argv: the arguments.
        needs: packages that the script imports beside tqdm and Matplotlib.

    Raises:
        SystemExit: an argument is wrong, the device is not there, the run folder is another script's, or a package
            is not installed: now, and not when hours have passed.
    """
    args = options.parse_args(argv)
    if missing := [package for package in ("tqdm", "matplotlib", *needs) if find_spec(package) is None]:
        options.error(f"this needs {', '.join(missing)}: pip install 'lamina[train]'")
    refuse_others(args.run_dir, args.script)
    try:
        zeros(1, device=args.device)
    except (RuntimeError, ValueError) as error:
        options.error(f"argument --device: {error}")
    if args.threads:
        set_num_threads(args.threads)
    manual_seed(args.seed)
    return args


def positive(kind: type) -> Callable[[str], Any]:
    """The ``type`` of an argparse option that takes a finite int or float above zero."""

    def parse(text: str) -> Any:
        if not 0 < kind(text) < math.inf:
            raise ValueError
        return kind(text)

    parse.__name__ = f"positive {kind.__name__}"  # argparse says "invalid positive int value"
    return parse
