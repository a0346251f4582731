"""lamina.training: going on after a stop with the same bits, metrics, folders of other runs, what is refused."""

from __future__ import annotations

import csv
import signal
import sys
from argparse import Namespace
from pathlib import Path

import pytest

import lamina
from lamina import nn, training
from lamina.data import DataLoader, TensorDataset

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")


def arguments(folder: Path, *argv: str) -> Namespace:
    return training.start(training.parser("Train.\nMore.", folder, epochs=2), list(argv))


def train(args: Namespace, stop_at: int = -1, source: str = "loader", width: int = 2) -> training.Run:
    """Four steps an epoch that draw numbers; Ctrl-C during step ``stop_at`` of all."""
    model, generator = nn.Linear(3, width), lamina.Generator().manual_seed(5)
    loader = DataLoader(TensorDataset(lamina.arange(11)), 3, shuffle=True)
    run = training.Run(args, unit="rows", model=model, generator=generator, loader=loader)
    step = 0
    for _ in run.epochs(args.epochs):
        for batch in run.steps(loader if source == "loader" else range(4)):
            rows = batch[0] if source == "loader" else lamina.full((3,), batch)
            with lamina.no_grad():
                noise = lamina.randn(width, 3) + lamina.rand(width, 3, generator=generator)
                model.weight += noise * rows.sum().item()
            run.log(len(rows), loss=float(rows.float().mean()))
            if step == stop_at:
                signal.raise_signal(signal.SIGINT)
            step += 1
        run.record(test_accuracy=0.5)
    run.model = model
    return run


@pytest.mark.parametrize("source", ["loader", "range"])
@pytest.mark.parametrize("stop_at", [0, 3, 5])
def test_a_stopped_run_goes_on_with_the_same_bits(tmp_path, source, stop_at, capsys):
    whole = train(arguments(tmp_path / "whole"), source=source)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as stopped:
        train(arguments(tmp_path / "parts"), stop_at, source)
    assert stopped.value.code == 130
    assert f"stopped in epoch {stop_at // 4 + 1}" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
    parts = train(arguments(tmp_path / "parts", "--resume"), source=source)
    assert whole.model.weight.detach().numpy().tobytes() == parts.model.weight.detach().numpy().tobytes()
    for name in ("epoch", "train_loss", "test_accuracy"):
        assert whole.column(name) == parts.column(name)


def test_metrics_are_means_over_the_units(tmp_path, capsys):
    run = train(arguments(tmp_path))
    assert run.column("train_loss") == pytest.approx([5.0, 5.0])  # the mean of 0 to 10, whatever the batches
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "train_loss", "test_accuracy", "seconds", "rows_per_second"]
    run.finish("done")
    printed = capsys.readouterr()
    assert f"done; see {tmp_path}" in printed.out
    assert "test accuracy 50.00% after epoch 2" in printed.out
    assert "11/11" in printed.err
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_folders_of_other_runs_are_refused(tmp_path):
    train(arguments(tmp_path))
    with pytest.raises(SystemExit, match="holds a run: give --resume"):
        train(arguments(tmp_path))
    with pytest.raises(SystemExit, match="seed 0, not 1: choose another --run-dir"):
        train(arguments(tmp_path, "--resume", "--seed", "1"))
    with pytest.raises(SystemExit, match=r"another model.*\n.*weight has shape \(2, 3\), expected \(4, 3\)"):
        train(arguments(tmp_path, "--resume"), width=4)
    with pytest.raises(SystemExit, match="model Linear, not Identity"):
        training.Run(arguments(tmp_path, "--resume"), model=nn.Identity())


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(SystemExit, match=r"checkpoint\.safetensors: expected a whole safetensors file"):
        train(arguments(tmp_path, "--resume"))


def test_runs_of_several_models_have_folders_of_their_own(tmp_path):
    args = arguments(tmp_path)
    for name in ("a", "b"):
        training.Run(args, {"rule": name}, name=name, model=nn.Linear(1, 1)).save()
    resumed = arguments(tmp_path, "--resume")
    training.Run(resumed, {"rule": "a"}, name="a", model=nn.Linear(1, 1))
    with pytest.raises(SystemExit, match="rule b, not a"):
        training.Run(resumed, {"rule": "a"}, name="b", model=nn.Linear(1, 1))


def test_a_folder_is_one_scripts(tmp_path):
    """Also where the other script's runs have names of their own, at which this one would not look."""
    one, other = (training.parser("Train.", f"runs/{name}") for name in ("one", "other"))
    folder = ["--run-dir", str(tmp_path)]
    training.Run(training.start(one, folder), name="a", model=nn.Linear(1, 1)).save()
    training.start(one, [*folder, "--resume"])
    with pytest.raises(SystemExit, match="holds a run of one, not of other: choose another --run-dir"):
        training.start(other, folder)


def test_a_batch_is_no_more_than_the_data():
    assert [len(batch) for batch in training.train_loader(range(5), 5)] == [5]
    with pytest.raises(SystemExit, match="a batch of 6 is more than the 5 training samples"):
        training.train_loader(range(5), 6)


def test_what_could_not_go_on_is_refused(tmp_path):
    run = training.Run(arguments(tmp_path), model=nn.Linear(1, 1))
    loader = DataLoader(TensorDataset(lamina.arange(4)))
    with pytest.raises(ValueError, match="expected a loader that the run was given"):
        next(run.steps(loader))
    with pytest.raises(ValueError, match="expected another name than rows"):
        training.Run(arguments(tmp_path), rows=nn.Linear(1, 1))


def test_a_missing_tqdm_says_what_to_install(tmp_path, monkeypatch):
    run = training.Run(arguments(tmp_path), model=nn.Linear(1, 1))
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lamina\[train\]'"):
        next(run.steps(range(3)))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--epochs", "0"], "invalid positive int value"),
        (["--device", "tpu"], "expected 'cpu' or 'cuda'"),
        (["--limit", "x"], "invalid positive int value"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, argv, message, capsys):
    with pytest.raises(SystemExit):
        arguments(tmp_path, *argv)
    assert message in capsys.readouterr().err


def test_evaluation_keeps_the_mode():
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.9))
    scores, labels = training.predict(model, [(lamina.ones(4, 3), lamina.zeros(4, dtype=lamina.int64))] * 2)
    assert scores.shape == (8, 2) and model.training
    assert (scores == model[0](lamina.ones(8, 3))).all()  # no dropout
    assert training.accuracy(scores, labels) in (0.0, 1.0)
    assert len(training.first(range(5), 3)) == 3 and len(training.first(range(5), None)) == 5
