"""What every recipe of examples/ does: goes on after a stop with the same bits, runs on CUDA, says what is wrong."""

from __future__ import annotations

import ast
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipe import EXAMPLES, is_png, load_recipe

import lamina
from lamina import cuda, nn, training
from lamina.models import BasicBlock, ResNet

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

RECIPES = {  # the smallest run that goes through all of a recipe
    "architectures": "--network vgg16",
    "autoencoder": "--data digits --limit 16 --epochs 2 --batch-size 8",
    "char_rnn": "--limit 1200 --hidden 8 --layers 1 --epochs 1 --streams 32 --window 8 --sample 3",
    "convolution_lab": "--data digits --limit 16 --test-limit 8 --epochs 1 --batch-size 8 --channels 4 --kernels 3"
    " --side 8",
    "fashion_mnist": "--data digits --limit 16 --epochs 2 --batch-size 4",
    "gan": "--data digits --limit 16 --epochs 2 --width 4 --latent 4 --batch-size 8",
    "hard_attention": "--limit 8 --epochs 2 --hidden 8 --batch-size 4 --glimpses 2",
    "hyperparameter_search": "--limit 40 --epochs 1 --trials 1",
    "initialization": "--limit 128 --epochs 1",
    "instance_segmentation": "--limit 2 --epochs 1 --batch-size 1",
    "linear_classifier": "--limit 8 --epochs 2 --batch-size 4",
    "optimizers": "--limit 16 --epochs 1",
    "segmentation": "--networks unet-bilinear fcn8s --limit 2 --epochs 1 --batch-size 1",
    "sequence_classifier": "--limit 10 --epochs 1 --hidden 4 --batch-size 2",
    "soft_attention": "--limit 2 --epochs 1 --hidden 8 --batch-size 1",
    "spatial_transformer": "--limit 2 --epochs 1 --batch-size 1",
    "train": "--limit 4 --epochs 2 --batch-size 2",
    "transfer": "--data digits --limit 40 --epochs 1 --new-epochs 1 --batch-size 8 --shots 2 --steps 2",
    "two_layer_net": "--limit 16 --epochs 2 --hidden 4 --batch-size 8",
    "vae": "--data digits --limit 20 --epochs 2 --hidden 8 --latent 3 --batch-size 8",
}
TRAINED = sorted(set(RECIPES) - {"architectures"})  # which trains nothing, and has nothing to go on with


def first_two(table: dict[str, Any]) -> dict[str, Any]:
    return dict(list(table.items())[:2])


def narrow_resnet(block: type[BasicBlock], layers: Sequence[int]) -> ResNet:
    """Eight channels where the original has 64."""
    net = ResNet(block, layers, num_classes=1)
    net.conv1, net.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
    for stage in range(4):
        before, after, stride = (8, 8, 1) if stage == 0 else (4 << stage, 8 << stage, 2)
        options = (stride, 1, 1, 64, nn.BatchNorm2d)
        setattr(net, f"layer{stage + 1}", nn.Sequential(block(before, after, *options)))
    net.fc = nn.Linear(64, 1)
    return net


SMALLER: dict[str, dict[str, Any]] = {  # what has no option of its own
    "architectures": {
        "NETWORKS": lambda _: {"vgg16": (lambda: lamina.models.SmallResNet(3, 10, (4, 8, 16)), 16)}
    },
    "convolution_lab": {"BLOCKS": first_two},
    "initialization": {
        "VARIANTS": lambda table: {name: table[name] for name in ("ReLU, He", "ReLU, batch norm")},
        "DEPTH": lambda _: 2,
        "RATES": lambda rates: rates[::20],
        "KILLING_RATES": lambda rates: rates[:1],
    },
    "instance_segmentation": {"SIDE": lambda _: 48, "WIDTH": lambda _: 8, "ResNet": lambda _: narrow_resnet},
    "linear_classifier": {"PENALTIES": first_two},
    "segmentation": {"SIDE": lambda _: 32},
    "transfer": {"WIDTHS": lambda _: {"digits": (4, 4, 4)}},
    "optimizers": {"RULES": first_two, "DECAYS": first_two, "FULL_BATCH": first_two},
}


def run(name: str, folder: Path, *more: str) -> Any:
    recipe = load_recipe(name)
    for constant, smaller in SMALLER.get(name, {}).items():
        setattr(recipe, constant, smaller(getattr(recipe, constant)))
    return recipe.main(["--run-dir", str(folder), *RECIPES[name].split(), *more])


def stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ctrl-C in that step of all; returns a list that grows with each."""
    log, done = training.Run.log, []

    def logged(self: training.Run, *count: int, **means: float) -> None:
        log(self, *count, **means)
        done.append(1)
        if len(done) == steps:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training.Run, "log", logged)
    return done


def equal(one: Any, other: Any) -> bool:
    """All the same but the time it took."""
    if isinstance(one, dict):
        keys = one.keys() - {"seconds"}
        return keys == other.keys() - {"seconds"} and all(
            equal(one[key], other[key]) for key in keys if not str(key).endswith("_per_second")
        )
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, lamina.Tensor):
        return one.numpy(force=True).tobytes() == other.numpy(force=True).tobytes()
    return one == other or (one != one and other != other)  # NaN


def test_every_recipe_is_here() -> None:
    assert set(RECIPES) == {path.stem for path in EXAMPLES.glob("[!_]*.py")}


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_headers_say_result_time_and_source(name: str) -> None:
    header = ast.get_docstring(ast.parse((EXAMPLES / f"{name}.py").read_text()))
    assert header is not None and f"python examples/{name}.py" in header
    result, time, source = (header.find(f"\n\n{part}: ") for part in ("Result", "Time", "Source"))
    assert 0 < result < time < source
    assert re.search(r"\d", header[result:time]), "a result has figures"


@pytest.mark.parametrize("name", TRAINED)
def test_a_stopped_recipe_goes_on_with_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of all its trainings; the whole of what it leaves and returns is the same afterwards."""
    steps = stop_after(-1, monkeypatch)
    found = run(name, tmp_path / "whole")
    count = len(steps)
    monkeypatch.undo()
    stop_after(count // 2 or 1, monkeypatch)
    with pytest.raises(SystemExit) as stopped:
        run(name, tmp_path / "parts")
    assert stopped.value.code == 130
    monkeypatch.undo()
    steps = stop_after(-1, monkeypatch)
    again = run(name, tmp_path / "parts", "--resume")
    assert len(steps) == count - (count // 2 or 1)  # none twice
    files = {
        path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()
    }
    assert files == {
        path.relative_to(tmp_path / "parts") for path in (tmp_path / "parts").rglob("*") if path.is_file()
    }
    checkpoints = [path for path in files if path.name == "checkpoint.safetensors"]
    assert checkpoints and any(is_png(tmp_path / "parts" / path) for path in files if path.suffix == ".png")
    for path in checkpoints:
        whole, parts = (lamina.load_checkpoint(tmp_path / part / path) for part in ("whole", "parts"))
        assert equal(whole, parts), path
    assert equal(found, again)
    with pytest.raises(SystemExit, match=r"holds a run with seed 0, not 1.*: choose another --run-dir"):
        run(name, tmp_path / "parts", "--resume", "--seed", "1")


@pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_run_on_cuda(name: str, tmp_path: Path) -> None:
    """All of a recipe: training, evaluation, pictures; the figures themselves are asserted on the CPU's longer runs."""
    before = cuda.memory_stats()["allocations"]
    run(name, tmp_path, "--device", "cuda")
    assert cuda.memory_stats()["allocations"] > before + 100  # it did run there
    assert all(is_png(path) for path in tmp_path.rglob("*.png"))
    for path in tmp_path.rglob("checkpoint.safetensors"):
        for row in lamina.load_checkpoint(path)["rows"]:
            assert all(np.isfinite(value) for value in row.values()), path


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_refuse_what_they_cannot_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any data is read: epochs 0, no such device, the folder of another recipe, a missing package."""
    for arguments, message in (
        (["--epochs", "0"], "argument --epochs: invalid positive int value: '0'"),
        (["--device", "tpu"], "argument --device: [device] expected 'cpu' or 'cuda'"),
    ):
        with pytest.raises(SystemExit, match="2"):
            run(name, tmp_path, *arguments)
        assert message in capsys.readouterr().err
    (tmp_path / "script.txt").write_text("another\n")
    with pytest.raises(SystemExit, match=f"holds a run of another, not of {name}: choose another --run-dir"):
        run(name, tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit, match="2"):
        run(name, tmp_path)
    assert "this needs matplotlib: pip install 'lamina[train]'" in capsys.readouterr().err


BATCHES = "autoencoder convolution_lab fashion_mnist gan hard_attention instance_segmentation segmentation"
BATCHES += " soft_attention spatial_transformer train vae"  # the others take what there is as one batch


@pytest.mark.parametrize("name", BATCHES.split())
def test_a_batch_of_more_than_the_data_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"a batch of 99 is more than the \d+ training samples"):
        run(name, tmp_path, "--batch-size", "99")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("train", ["--lr", "-0.1"], "invalid positive float value: '-0.1'"),
        ("gan", ["--lr", "inf"], "invalid positive float value: 'inf'"),
        ("vae", ["--lr", "nan"], "invalid positive float value: 'nan'"),
        ("autoencoder", ["--batch-size", "0"], "invalid positive int value: '0'"),
        ("fashion_mnist", ["--data", "cats"], "invalid choice: 'cats'"),
        ("instance_segmentation", ["--kinds", "11"], "invalid choice: 11"),
        ("char_rnn", ["--kinds", "transformer"], "invalid choice: 'transformer'"),
        ("segmentation", ["--networks", "fcn32s"], "invalid choice: 'fcn32s'"),
        ("soft_attention", ["--most", "4"], "invalid choice: 4"),
        ("hard_attention", ["--clutter", "-1"], "invalid choice: -1"),
        ("convolution_lab", ["--kernels", "4"], "odd kernels, got 4 and [4]"),
    ],
)
def test_wrong_choices_are_named(
    name: str, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(name, tmp_path, *arguments)
    assert message in capsys.readouterr().err


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(SystemExit, match=r"checkpoint\.safetensors: expected a whole safetensors file"):
        run("gan", tmp_path, "--resume")


def test_t_sne_is_looked_for_before_the_training(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(SystemExit, match="2"):
        run("transfer", tmp_path)
    assert "this needs sklearn: pip install 'lamina[train]'" in capsys.readouterr().err
