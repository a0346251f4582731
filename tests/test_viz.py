"""Plots: figures of the right parts, files that are PNGs, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import viz

pytest.importorskip("matplotlib")


def test_curves(tmp_path):
    panels = {"loss": {"train": [1.0, 0.5]}, "accuracy": {"train": [0.5, 0.9], "test": [0.4, 0.8]}}
    figure = viz.plot_curves(panels, path=tmp_path / "curves.png")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    assert [len(axes.lines) for axes in figure.axes] == [1, 2]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_curves_on_logarithmic_axes():
    figure = viz.plot_curves({"a": {"one": [1, 10]}, "b": {"one": [1, 2]}}, x=[1, 100], log=("x", "a"))
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear"]
    assert {axes.get_xscale() for axes in figure.axes} == {"log"}


def test_filters(tmp_path):
    grey = viz.plot_filters(lamina.zeros(6, 2, 3, 3), columns=4, path=tmp_path / "filters.png")
    assert grey.axes[0].images[0].get_array().shape == (3 * (3 + 1), 4 * (3 + 1))  # 12 of 3×3, with gaps
    colour = viz.plot_filters(np.random.default_rng(0).normal(size=(5, 3, 7, 7)))
    assert colour.axes[0].images[0].get_array().shape == (2 * (7 + 1), 3 * (7 + 1), 3)
    assert (tmp_path / "filters.png").stat().st_size > 0


def test_histograms(tmp_path):
    rows = {"tanh": [lamina.zeros(3, 4), lamina.arange(5)], "ReLU": [[1.0, 3.0]]}
    figure = viz.plot_histograms(rows, bins=7, path=tmp_path / "histograms.png")
    counts = [axes.patches[0].get_data().values.tolist() for axes in figure.axes if axes.patches]
    assert counts == [[0, 0, 0, 12, 0, 0, 0], [1, 1, 0, 1, 0, 1, 1], [1, 0, 0, 0, 0, 0, 1]]
    assert figure.axes[2].get_title() == "2 ± 1" and figure.axes[2].get_ylabel() == "ReLU"
    assert (tmp_path / "histograms.png").read_bytes().startswith(b"\x89PNG")


def test_search(tmp_path):
    trials = {
        "coarse": [({"rate": 0.1, "width": 8.0}, 0.5), ({"rate": 0.01, "width": 9.0}, 0.7)],
        "fine": [({"rate": 0.02, "width": 9.0}, 0.8)],
    }
    figure = viz.plot_search(trials, log=["rate"], score="accuracy", path=tmp_path / "search.png")
    assert [axes.get_xlabel() for axes in figure.axes] == ["rate", "width"]
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear"]
    offsets = [points.get_offsets().tolist() for points in figure.axes[0].collections]
    assert offsets == [[[0.1, 0.5], [0.01, 0.7]], [[0.02, 0.8]]]
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")


def test_image_grid():
    images = np.arange(5 * 9).reshape(5, 3, 3)
    figure = viz.image_grid(images, 3, titles=list("abcde"))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == list("abcde")
    shown = axes.images[0].get_array()
    for i, text in enumerate(axes.texts):  # below each title, its image
        left, top = round(text.get_position()[0] - 2), round(text.get_position()[1] + 1)
        assert np.allclose(shown[top : top + 3, left + 1 : left + 4], images[i] / 44), i
    assert np.ma.getmaskarray(shown)[:, 0].all()  # nothing between them


def test_search_wants_stages_by_name():
    with pytest.raises(
        TypeError, match=r"\[plot_search\] expected trials by the name of their stage, got list"
    ):
        viz.plot_search([({"a": 1}, 0.5)])


def test_confusion(tmp_path):
    matrix = viz.confusion_matrix(lamina.tensor([0, 1, 1, 2]), [0, 1, 2, 2], 3)
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    figure = viz.plot_confusion_matrix(matrix, ["a", "b", "c"], tmp_path / "confusion.png")
    assert figure.axes[0].get_title() == "75.00% right"
    assert len(figure.axes[0].texts) == 4
    assert viz.confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda: viz.plot_curves({}),
        lambda: viz.plot_curves({"loss": {"train": [1, 2]}}, x=[1]),
        lambda: viz.plot_curves({"loss": {"train": [1, 2]}}, log=["accuracy"]),
        lambda: viz.plot_histograms({}),
        lambda: viz.plot_search({"coarse": []}),
        lambda: viz.plot_search({"coarse": [({"a": 1}, 0.5), ({"b": 1}, 0.5)]}),
        lambda: viz.plot_search({"coarse": [({"a": 1}, 0.5)]}, log=["b"]),
        lambda: viz.plot_histograms({"a": [[]]}),
        lambda: viz.plot_histograms({"a": [[1.0, float("nan")]]}),
        lambda: viz.plot_filters(lamina.zeros(3, 3)),
        lambda: viz.image_grid(np.zeros((0, 3, 3))),
        lambda: viz.image_grid(np.zeros((2, 2, 3, 3))),
        lambda: viz.image_grid(np.zeros((2, 3, 3)), columns=0),
        lambda: viz.image_grid(np.zeros((2, 3, 3)), titles=["a"]),
        lambda: viz.confusion_matrix([0, 1], [0], 2),
        lambda: viz.confusion_matrix([0, 2], [0, 1], 2),
        lambda: viz.confusion_matrix([0, -1], [0, 1], 2),
        lambda: viz.plot_confusion_matrix(np.zeros((2, 3))),
        lambda: viz.plot_confusion_matrix(np.zeros((2, 2)), ["a"]),
    ],
)
def test_plots_refuse(call):
    with pytest.raises(ValueError, match="expected"):
        call()
