"""Recipes on sequences: the character model with each kind of cell, and the classifier of names."""

from __future__ import annotations

import numpy as np
import pytest
from recipe import is_png, load_recipe, run_recipe

import lamina

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")

SHORT_TEXT = [
    *("--limit", "30000", "--hidden", "64", "--layers", "1", "--epochs", "2"),
    *("--streams", "8", "--window", "32", "--lr", "1e-2", "--sample", "40"),
]


def test_char_rnn_learns_with_every_kind_of_cell(tmp_path):
    bits = run_recipe("char_rnn", tmp_path, *SHORT_TEXT)
    assert set(bits) == {"rnn", "gru", "lstm"}
    for kind, value in bits.items():
        assert 1 < value < 3.7, kind  # 6.7 would be a guess among the characters, 4.7 one by their frequency
        samples = (tmp_path / kind / "samples.txt").read_text()
        assert samples.count("--- temperature") == 4 and len(samples) > 4 * 40
        assert is_png(tmp_path / kind / "cells.png")
    assert is_png(tmp_path / "curves.png")


def test_windows_continue_each_other():
    parts = load_recipe("char_rnn").windows(np.arange(100), streams=3, length=8)
    assert parts.shape == (4, 3, 9)
    assert parts[0, :, 0].tolist() == [0, 32, 64]
    assert (parts[1:, :, 0] == parts[:-1, :, -1]).all()  # the last target is the next window's first input


def test_fortunes_are_read_where_they_are(tmp_path, monkeypatch, capsys):
    """As Debian lays them out: beside each collection its index, and a link to it."""
    text = load_recipe("_text")
    monkeypatch.setattr(text, "FORTUNES", tmp_path)
    for name, content in (("riddles", b"Q: why?\n%\n"), ("art", b"a caf\xe9\n%\n"), ("art.dat", b"\0\0\0\2")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "riddles.u8").symlink_to("riddles")
    assert text.read_text(None) == "a caf\ufffd\n%\nQ: why?\n%\n"
    assert f"text: 2 files of {tmp_path}" in capsys.readouterr().out


@pytest.mark.skipif(not load_recipe("_text").FORTUNES.is_dir(), reason="needs Debian's package fortunes")
def test_installed_fortunes_teach_a_network(tmp_path, capsys):
    bits = run_recipe("char_rnn", tmp_path, *SHORT_TEXT, "--kinds", "gru")
    assert "files of /usr/share/games/fortunes" in capsys.readouterr().out and bits["gru"] < 4.7


def test_without_fortunes_it_says_what_it_reads_instead(tmp_path, monkeypatch, capsys):
    text = load_recipe("_text")
    monkeypatch.setattr(text, "FORTUNES", tmp_path / "none")
    pages = text.read_text(None)
    assert len(pages) > 300_000 and "lambda" in pages
    printed = capsys.readouterr().out
    assert (
        "Python's reference pages, for there are no fortunes" in printed and "apt install fortunes" in printed
    )


def test_texts_that_are_none_are_named(tmp_path):
    (tmp_path / "latin1.txt").write_bytes(b"caf\xe9")
    for name in ("missing.txt", "latin1.txt"):
        with pytest.raises(SystemExit, match=f"{name}: expected a file of UTF-8 text"):
            run_recipe("char_rnn", tmp_path / "run", "--text", str(tmp_path / name))


def test_short_texts_are_refused(tmp_path):
    (tmp_path / "short.txt").write_text("abc" * 100)
    with pytest.raises(SystemExit, match="expected a text of more than 2048 characters, got 270"):
        run_recipe("char_rnn", tmp_path / "run", "--text", str(tmp_path / "short.txt"))


def test_units_are_found_by_what_they_follow():
    recipe = load_recipe("char_rnn")
    wanted = recipe.features('f(a)\n  "B c"')
    assert wanted["inside brackets"].tolist() == [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert wanted["inside quotes"].tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0]
    assert wanted["indentation"].tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0]
    assert wanted["upper case"].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    noise = np.random.default_rng(0).normal(size=(12, 5))
    noise[:, 3] = -wanted["inside quotes"]
    unit, correlation = recipe.best_units(noise, wanted)["inside quotes"]
    assert unit == 3 and correlation == pytest.approx(-1)


def test_sequence_classifier_beats_the_commonest_class(tmp_path):
    result = run_recipe("sequence_classifier", tmp_path, "--limit", "4000", "--epochs", "3", "--hidden", "48")
    assert result["accuracy"] > 0.6  # the commonest class has 48 %
    assert result["balanced"] > 0.25  # a guess has 12.5 %
    assert is_png(tmp_path / "confusion.png") and is_png(tmp_path / "curves.png")


def test_sequence_classifier_ignores_padding():
    recipe = load_recipe("sequence_classifier")
    names = recipe.Names(False, 200)
    lamina.manual_seed(0)
    model = recipe.NameClassifier(8).eval()
    short, long = names[0], max((names[i] for i in range(len(names))), key=lambda sample: len(sample[0]))
    alone, _ = (model(*recipe.collate(group)[:2])[0] for group in ([short], [long]))
    beside = model(*recipe.collate([short, long])[:2])[0]
    assert lamina.allclose(alone, beside, atol=1e-6)


def test_batches_hold_names_of_about_one_length_and_every_name_once():
    recipe = load_recipe("sequence_classifier")
    lengths = np.random.default_rng(1).integers(2, 80, 1000).tolist()
    batches = recipe.AboutEqualLengths(lengths, 32)
    first = list(batches)
    assert sorted(i for batch in first for i in batch) == list(range(1000)) and len(first) == len(batches)
    assert max(np.ptp([lengths[i] for i in batch]) for batch in first) <= 10
    batches.set_epoch(1)
    assert list(batches) != first
