"""What every recipe of examples/ does: goes on after a stop with the same bits, runs on CUDA, says what is wrong."""

from __future__ import annotations

import ast
import re
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipe import EXAMPLES, is_png, load_recipe

import lamina
from lamina import cuda, training

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

RECIPES = {  # the smallest run that goes through all of a recipe
    "architectures": "--network resnet18",
    "autoencoder": "--data digits --limit 16 --epochs 2 --batch-size 8",
    "char_rnn": "--limit 3000 --hidden 8 --layers 1 --epochs 1 --streams 32 --window 16 --sample 6",
    "convolution_lab": "--data digits --limit 16 --test-limit 8 --epochs 1 --batch-size 8 --channels 4 --kernels 3 --side 8",
    "fashion_mnist": "--data digits --limit 16 --epochs 2 --batch-size 4",
    "gan": "--data digits --limit 16 --epochs 2 --width 4 --latent 4 --batch-size 8",
    "hard_attention": "--limit 8 --epochs 2 --hidden 8 --batch-size 4 --glimpses 2",
    "hyperparameter_search": "--limit 40 --epochs 1 --trials 1",
    "initialization": "--limit 128 --epochs 1",
    "instance_segmentation": "--limit 2 --epochs 1 --batch-size 1",
    "linear_classifier": "--limit 8 --epochs 2 --batch-size 4",
    "optimizers": "--limit 16 --epochs 1",
    "segmentation": "--networks unet-bilinear fcn8s --limit 2 --epochs 1 --batch-size 1",
    "sequence_classifier": "--limit 20 --epochs 2 --hidden 4 --batch-size 8",
    "soft_attention": "--limit 4 --epochs 2 --hidden 8 --batch-size 2",
    "spatial_transformer": "--limit 8 --epochs 2 --batch-size 4",
    "train": "--limit 8 --epochs 2 --batch-size 4",
    "transfer": "--data digits --limit 40 --epochs 1 --new-epochs 1 --batch-size 8 --shots 2",
    "two_layer_net": "--limit 16 --epochs 2 --hidden 4 --batch-size 8",
    "vae": "--data digits --limit 20 --epochs 2 --hidden 8 --latent 3 --batch-size 8",
}
TRAINED = sorted(set(RECIPES) - {"architectures"})  # which trains nothing, and has nothing to go on with


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no option of its own is made small here."""
    load = load_recipe

    def loaded(name: str) -> Any:
        recipe = load(name)
        for constant, value in SMALL.get(name, {}).items():
            assert hasattr(recipe, constant), constant
            setattr(recipe, constant, value(getattr(recipe, constant)))
        return recipe

    monkeypatch.setattr(sys.modules[__name__], "load_recipe", loaded)


def first_two(table: dict[str, Any]) -> dict[str, Any]:
    return dict(list(table.items())[:2])


SMALL: dict[str, dict[str, Any]] = {
    "architectures": {"NETWORKS": lambda _: {"vgg16": (lamina.models.LeNet5, (1, 1, 32, 32))}},
    "convolution_lab": {"BLOCKS": first_two},
    "initialization": {
        "VARIANTS": lambda table: {name: table[name] for name in ("ReLU, He", "ReLU, batch norm")},
        "DEPTH": lambda _: 2,
        "RATES": lambda rates: rates[::10],
        "KILLING_RATES": lambda rates: rates[:1],
    },
    "linear_classifier": {"PENALTIES": first_two},
    "optimizers": {"RULES": first_two, "DECAYS": first_two, "FULL_BATCH": first_two},
}


def run(name: str, folder: Path, *more: str) -> Any:
    return load_recipe(name).main(["--run-dir", str(folder), *RECIPES[name].split(), *more])
