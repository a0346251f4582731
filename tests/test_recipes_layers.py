"""Recipes without a training run of their own: the course notes' tables, and the convolution lab."""

from __future__ import annotations

import pytest
from recipe import is_png, load_recipe, run_recipe

import lamina

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

architectures, convolution_lab = load_recipe("architectures"), load_recipe("convolution_lab")


@pytest.fixture(scope="module")
def tables():
    return {name: architectures.measure(name) for name in architectures.NETWORKS}


def test_counts_are_those_of_the_literature(tables):
    assert {name: table.parameters for name, table in tables.items()} == {
        "alexnet": 62_378_344,
        "alexnet-2-gpus": 60_965_224,
        "vgg16": 138_357_544,
        "googlenet": 6_624_904,
        "resnet18": 11_689_512,
        "resnet50": 25_557_032,
        "resnet152": 60_192_808,
    }
    assert tables["vgg16"].multiply_adds == 15_470_264_320
    assert tables["alexnet-2-gpus"].multiply_adds == 724_406_816  # "724 M", as the two-GPU network is quoted


def test_sizes_are_those_of_the_notes(tables):
    rows = architectures.rows_of_the_notes(tables["alexnet"])
    assert [layer.outputs[0][2] for layer in rows if len(layer.outputs[0]) == 4] == [
        *(55, 27, 27, 13, 13, 13, 13, 6),
    ]
    rows = architectures.rows_of_the_notes(tables["vgg16"])
    counts = [architectures.values(layer) for layer in rows]
    assert counts[:3] == [224 * 224 * 64, 224 * 224 * 64, 112 * 112 * 64]
    assert 3 * 224 * 224 + sum(counts) == 15_237_608  # the header's 15.2 M
    assert rows[-3].parameters == 7 * 7 * 512 * 4096 + 4096


@pytest.mark.parametrize(
    "case", [(227, 11, 4, 0, 55), (5, 3, 2, 1, 3), (10, 3, 2, 0, 4), (224, 3, 1, 1, 224)]
)
def test_the_formula_of_the_notes_is_what_layers_do(case):
    size, kernel, stride, padding, expected = case
    layer = lamina.nn.Conv2d(1, 1, kernel, stride, padding)
    assert architectures.output_size(size, kernel, stride, padding) == expected
    assert layer(lamina.zeros(1, 1, size, size)).shape[-1] == expected


def test_architectures_as_a_program(tables, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(architectures, "measure", lambda name, device: tables[name])
    architectures.main(["--network", "alexnet", "--run-dir", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "62,378,344" in printed and "13x13x384" in printed
    assert is_png(tmp_path / "vgg16.png")


def test_convolution_lab_finds_one_answer_and_trains_its_blocks(tmp_path):
    short = "--data digits --limit 1000 --epochs 3 --channels 16 --kernels 3 9 --side 28"
    found = run_recipe("convolution_lab", tmp_path, *short.split())
    three, nine = found["algorithms"]
    assert (three["kernel"], nine["kernel"]) == (3, 9)
    assert 0 < three["deviation"] < 1e-5 and 0 < nine["deviation"] < 1e-5
    assert "winograd" in three["seconds"] and "winograd" not in nine["seconds"]
    assert list(found["blocks"]) == list(convolution_lab.BLOCKS)
    assert all(block["accuracy"] > 0.2 for block in found["blocks"].values())  # a guess has 10 %
    for name in ("algorithms", "blocks"):
        assert is_png(tmp_path / f"{name}.png")


def test_blocks_cost_what_the_notes_say_and_see_equally_far():
    x = lamina.zeros(1, 8, 15, 15)
    x[0, :, 7, 7] = 1
    weights = {}
    for name, make in convolution_lab.BLOCKS.items():
        block = make(8)
        weights[name] = sum(m.weight.numel() for m in block if isinstance(m, lamina.nn.Conv2d))
        with lamina.no_grad():
            for module in block:
                if isinstance(module, lamina.nn.Conv2d):
                    module.weight.fill_(1)
            seen = (block.eval()(x) > 0).any(1)[0].any(0)
        assert int(seen.sum()) == (7 if "7" in name or name == "3x3 3x3 3x3" else 5), name
    assert weights["3x3 3x3"] == 2 * 9 * 64 and weights["5x5"] == 25 * 64
    assert weights["3x3 3x3 3x3"] == 3 * 9 * 64 and weights["7x7"] == 49 * 64  # 27 C² against 49 C²
    assert weights["1x1 5x5 1x1"] == 16 + 25 * 4 + 16
