"""The main job, as a user runs it: a short training, Ctrl-C, resuming to the same bits, folders of other runs."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import lamina

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

SCRIPT = Path(__file__).parent.parent / "examples" / "train.py"
SHORT = ["--epochs", "3", "--limit", "640", "--batch-size", "32"]


def command(run_dir: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPT), "--run-dir", str(run_dir), *SHORT, *arguments]


def train(run_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(run_dir, *arguments), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    result = train(folder, "--threads", "1")
    assert result.returncode == 0, result.stderr
    assert "test images right" in result.stdout
    return folder


def rows(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_a_short_run_learns_and_leaves_its_files(finished):
    metrics = rows(finished)
    assert [row["epoch"] for row in metrics] == [1, 2, 3]
    assert metrics[-1]["test_accuracy"] > 0.85
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"]
    assert set(metrics[0]) == {
        *("epoch", "train_loss", "train_accuracy", "test_accuracy"),
        *("learning_rate", "seconds", "images_per_second"),
    }
    for name in ("curves", "filters", "confusion"):
        assert (finished / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((finished / "config.json").read_text())["limit"] == 640


def test_ctrl_c_then_resume_gives_the_same_bits(finished, tmp_path):
    """Interrupted in its first epoch, and on another number of threads."""
    process = subprocess.Popen(
        command(tmp_path / "run", "--threads", "2"), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    seen = b""
    while b"/640" not in seen:
        read = process.stderr.read(1)
        assert read, seen.decode()
        seen += read
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr.decode()
    assert b"--resume" in stdout
    stopped = lamina.load_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert stopped["rows"] == []
    assert 0 < stopped["running"]["images"] < 640

    resumed = train(tmp_path / "run", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    whole, parts = (
        lamina.load_checkpoint(f / "checkpoint.safetensors") for f in (finished, tmp_path / "run")
    )
    for key, tensor in whole["model"].items():
        assert tensor.numpy().tobytes() == parts["model"][key].numpy().tobytes(), key
    for number, state in whole["optimizer"]["state"].items():
        for key, tensor in state.items():
            assert tensor.numpy().tobytes() == parts["optimizer"]["state"][number][key].numpy().tobytes()
    for one, other in zip(rows(finished), rows(tmp_path / "run"), strict=True):
        for key in ("epoch", "train_loss", "train_accuracy", "test_accuracy", "learning_rate"):
            assert one[key] == other[key], key


def test_a_finished_run_is_shown_again(finished):
    result = train(finished, "--resume")
    assert result.returncode == 0, result.stderr
    assert "test images right" in result.stdout
    assert len(rows(finished)) == 3


def test_folders_of_other_runs_are_refused(finished):
    other = train(finished, "--resume", "--lr", "0.3")
    assert other.returncode == 1
    assert "lr 0.1, not 0.3" in other.stderr
    fresh = train(finished)
    assert fresh.returncode == 1
    assert "holds a run: give --resume" in fresh.stderr


def test_a_damaged_checkpoint_is_named(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    result = train(tmp_path, "--resume")
    assert result.returncode == 1
    assert "checkpoint.safetensors: expected a whole safetensors file" in result.stderr
