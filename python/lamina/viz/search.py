"""Searches of hyper-parameters: what was tried, and how well it did."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from .figure import finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_search(
    trials: Mapping[str, Sequence[tuple[Mapping[str, float], float]]],
    log: Collection[str] = (),
    score: str = "score",
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draws one panel per hyper-parameter, with its values across and the score up, and a colour per stage.

    Args:
        trials: (values by name, score) of each trial, by the name of its stage, such as coarse and fine.
        log: the hyper-parameters whose axis is logarithmic.
        score: what the score is.
        path: file to save.

    Raises:
        ValueError: there is no trial, trials differ in what they vary, or ``log`` names what they don't.
        TypeError: the trials are not in a mapping.

    Example:
        >>> import lamina
        >>> coarse = [({"rate": 0.1, "width": 30}, 0.91), ({"rate": 0.001, "width": 90}, 0.62)]
        >>> figure = lamina.viz.plot_search({"coarse": coarse}, log=["rate"], score="accuracy")
    """
    if not isinstance(trials, Mapping):
        raise TypeError(
            f"[plot_search] expected trials by the name of their stage, got {type(trials).__name__}"
        )
    every = [values for stage in trials.values() for values, _ in stage]
    if not every or not every[0]:
        raise ValueError("[plot_search] expected at least one trial of a hyper-parameter, got none")
    names = list(every[0])
    if any(set(values) != set(names) for values in every) or not set(log) <= set(names):
        raise ValueError(f"[plot_search] expected trials and log to name {names}")
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = new_figure(4 * columns, 3.2 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).reshape(-1)
    for axes in panels[len(names) :]:
        axes.axis("off")
    for name, axes in zip(names, panels, strict=False):
        for stage, done in trials.items():
            axes.scatter(
                [values[name] for values, _ in done], [value for _, value in done], s=16, label=stage
            )
        axes.set_xscale("log" if name in log else "linear")
        axes.tick_params(axis="x", which="minor", labelsize=6, rotation=45)
        axes.set(xlabel=name, ylabel=score)
        axes.grid(alpha=0.3)
    panels[0].legend()
    return finish(figure, path)
