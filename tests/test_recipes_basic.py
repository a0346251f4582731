"""The recipes on the course's first subjects, short, with fixed seeds."""

from __future__ import annotations

import pytest
from recipe import is_png, run_recipe

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


def test_linear_classifier(tmp_path):
    outcomes = run_recipe("linear_classifier", tmp_path, "--epochs", "8")
    assert len(outcomes) == 8
    for outcome in outcomes.values():
        assert outcome.accuracy[-1] > 0.94
        assert outcome.templates.shape == (10, 8, 8)
    for loss in ("SVM", "softmax"):
        assert outcomes[f"{loss}-L1"].zeros > 2 * outcomes[f"{loss}-none"].zeros
        squares = {p: outcomes[f"{loss}-{p}"].templates.square().sum() for p in ("none", "L2")}
        assert squares["L2"] < squares["none"]
    assert is_png(tmp_path / "templates.png") and is_png(tmp_path / "accuracy.png")
