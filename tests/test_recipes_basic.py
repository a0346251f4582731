"""The recipes on the course's first subjects, short, with fixed seeds."""

from __future__ import annotations

import math

import pytest
from recipe import is_png, load_recipe, run_recipe

import lamina

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


def test_linear_classifier(tmp_path):
    outcomes = run_recipe("linear_classifier", tmp_path, "--epochs", "5")
    assert len(outcomes) == 8
    for outcome in outcomes.values():
        assert outcome.accuracy[-1] > 0.94
        assert outcome.templates.shape == (10, 8, 8)
    for loss in ("SVM", "softmax"):
        assert outcomes[f"{loss}-L1"].zeros > 2 * outcomes[f"{loss}-none"].zeros
        squares = {p: outcomes[f"{loss}-{p}"].templates.square().sum() for p in ("none", "L2")}
        assert squares["L2"] < squares["none"]
    assert is_png(tmp_path / "templates.png") and is_png(tmp_path / "accuracy.png")


def test_two_layer_net(tmp_path):
    found = run_recipe("two_layer_net", tmp_path, "--epochs", "5")
    assert max(found["errors"].values()) < 1e-5
    assert found["difference"] < 1e-11
    assert found["losses"]["by hand"] == pytest.approx(found["losses"]["modules"], rel=1e-11)
    assert found["accuracy"]["by hand"] == found["accuracy"]["modules"] > 0.95
    assert is_png(tmp_path / "templates.png") and is_png(tmp_path / "loss.png")


def test_the_gradient_check_finds_a_wrong_backward():
    recipe = load_recipe("two_layer_net")

    class Wrong(recipe.TwoLayerNet):
        def gradients(self, x, y):
            right = super().gradients(x, y)
            return right | {"W1": right["W1"] - recipe.L2 * self.params["W1"]}  # forgets the penalty

    lamina.manual_seed(0)
    x, y = lamina.randn(4, 6, dtype=lamina.float64), lamina.tensor([0, 1, 2, 1])
    errors = recipe.check_gradients(Wrong(6, 5, 3), x, y)
    assert errors.pop("W1") > 1e-3
    assert max(errors.values()) < 1e-5


def test_optimizers(tmp_path):
    found = run_recipe("optimizers", tmp_path, "--epochs", "4", "--limit", "700")
    race = {name: losses[-1] for name, losses in found["race"].items()}
    assert len(race) == 12 and max(race.values()) < 0.5  # 2.3 at first
    assert race["Nesterov"] < race["SGD"] and race["Adam"] < race["SGD"]
    decay = {name: losses[-1] for name, losses in found["decay"].items()}
    assert decay["cosine"] < decay["constant"] / 2
    above = {name: distances[-1] for name, distances in found["above"].items()}
    assert above["Newton"] < 1e-9 < above["L-BFGS"] < above["gradient descent"] / 3
    for name in ("race", "decay", "full_batch"):
        assert is_png(tmp_path / f"{name}.png")


def test_initialization(tmp_path):
    found = run_recipe("initialization", tmp_path, "--epochs", "3", "--lr", "0.03")
    last = {name: spread[-1] for name, spread in found["spread"].items()}
    assert last["tanh, σ 0.01"] < 1e-8 and last["tanh, σ 1"] > 0.9  # vanished, saturated
    assert last["ReLU, Xavier"] < 0.1 < 0.3 < last["ReLU, He"]
    assert last["ReLU, batch norm"] > 0.5
    losses = {name: losses[-1] for name, losses in found["losses"].items()}
    assert losses["tanh, σ 0.01"] == pytest.approx(math.log(10), abs=0.01)
    assert max(losses["ReLU, He"], losses["tanh, Xavier"], losses["ReLU, batch norm"]) < 0.8
    assert found["dead"]["ReLU, He"][-1] > max(0.05, 2 * found["dead"]["ReLU, He"][-2])  # at the highest rate
    assert max(found["dead"]["leaky ReLU, He"] + found["dead"]["ReLU, batch norm"]) < 0.05
    ranges = found["ranges"]["tanh, Xavier"]
    assert len(ranges) == 100 and min(ranges) < 1.5 and math.isnan(ranges[-1])
    for name in ("histograms", "spread", "dead", "lr_range", "loss"):
        assert is_png(tmp_path / f"{name}.png")


def test_fashion_mnist_on_digits(tmp_path):
    found = run_recipe(
        "fashion_mnist", tmp_path, "--data", "digits", "--epochs", "4", "--batch-size", "64", "--threads", "1"
    )
    assert found["accuracy"] > 0.95
    for name in ("augmented", "confusion", "curves", "filters", "mistakes"):
        assert is_png(tmp_path / f"{name}.png")


def test_hyperparameter_search(tmp_path):
    arguments = ["--trials", "8", "--epochs", "2", "--limit", "600"]
    found = run_recipe("hyperparameter_search", tmp_path, *arguments)
    mean = {stage: sum(right for _, right in done) / 8 for stage, done in found["stages"].items()}
    assert mean["fine"] > mean["coarse"] + 0.1
    assert found["validation"] > 0.93 and found["test"] > 0.9
    for values, _ in found["stages"]["fine"]:
        assert all(low <= values[name] <= high for name, (low, high) in found["ranges"].items())
    assert is_png(tmp_path / "search.png")
    assert len((tmp_path / "trials.csv").read_text().splitlines()) == 1 + 2 * 8
    assert run_recipe("hyperparameter_search", tmp_path, *arguments, "--resume") == found
