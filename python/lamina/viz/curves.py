"""Curves of loss, accuracy and the like over epochs."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from .figure import finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    x: Sequence[float] | None = None,
    xlabel: str = "epoch",
    log: Collection[str] = (),
    path: str | os.PathLike[str] | None = None,
) -> Figure:
    """Draws one panel per quantity, with a line per series.

    Args:
        panels: series by name, by the name of their quantity.
        x: where the values stand (default: 1, 2, …).
        xlabel: what x is.
        log: the quantities whose axis is logarithmic; x itself is called ``"x"``.
        path: file to save.

    Raises:
        ValueError: there is no panel, a series and x differ in length, or ``log`` names what is not there.

    Example:
        >>> import lamina
        >>> curves = {"loss": {"train": [1.2, 0.4]}, "accuracy": {"train": [0.6, 0.9], "test": [0.5, 0.8]}}
        >>> figure = lamina.viz.plot_curves(curves)
    """
    if not panels:
        raise ValueError("[plot_curves] expected at least one panel, got none")
    if unknown := set(log) - {*panels, "x"}:
        raise ValueError(f"[plot_curves] expected log to name x or panels, got {sorted(unknown)}")
    figure = new_figure(4.8 * len(panels), 3.6)
    for axes, (quantity, series) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for k, (name, values) in enumerate(series.items()):
            places = range(1, len(values) + 1) if x is None else x
            if len(places) != len(values):
                raise ValueError(f"[plot_curves] expected {len(places)} values of {name}, got {len(values)}")
            style = ("-", "--", ":")[k // 10 % 3]  # Matplotlib has ten colours
            axes.plot(places, values, style, marker="o", markersize=3, label=name)
        axes.set(xlabel=xlabel, title=quantity)
        axes.set_xscale("log" if "x" in log else "linear")
        axes.set_yscale("log" if quantity in log else "linear")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small" if len(series) > 6 else None)
    return finish(figure, path)
