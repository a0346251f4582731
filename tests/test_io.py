"""Checkpoints and state dicts: round trips, torch's reader, damaged files, interrupted writes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import lamina

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_state_dict_round_trip(tmp_path, dtype):
    values = lamina.tensor([[0.0, 1.0, 0.0], [2.5, 3.0, 100.0]]).to(getattr(lamina, dtype))
    state = {
        "layer.weight": values,
        "scalar": values[0, 1],
        "empty": values[:0],
        "strided": values.transpose(0, 1),
    }
    lamina.save(state, tmp_path / "s.safetensors")
    got = lamina.load(tmp_path / "s.safetensors")
    assert set(got) == set(state)
    for name, tensor in state.items():
        assert got[name].dtype == tensor.dtype
        assert got[name].shape == tensor.shape
        assert got[name].tolist() == tensor.tolist()


def test_files_are_what_torch_reads(tmp_path, torch):
    from safetensors.torch import load_file, save_file

    values = [[1.0, -2.5], [math.inf, 0.1]]
    ours = {
        dtype: lamina.tensor(values).to(getattr(lamina, dtype))
        for dtype in ("float32", "bfloat16", "float16")
    }
    lamina.save({**ours, "n": lamina.arange(3)}, tmp_path / "ours.safetensors")
    theirs = load_file(tmp_path / "ours.safetensors")
    for dtype, tensor in ours.items():
        assert theirs[dtype].dtype == getattr(torch, dtype)
        assert theirs[dtype].tolist() == tensor.tolist()
    save_file(theirs, tmp_path / "theirs.safetensors")
    back = lamina.load(tmp_path / "theirs.safetensors")
    assert back["bfloat16"].dtype == lamina.bfloat16
    assert {name: tensor.tolist() for name, tensor in back.items()} == {
        k: v.tolist() for k, v in theirs.items()
    }


def test_parameters_are_saved_without_their_graph(tmp_path):
    weight = lamina.ones(2, requires_grad=True)
    lamina.save({"w": weight}, tmp_path / "w.safetensors")
    assert not lamina.load(tmp_path / "w.safetensors")["w"].requires_grad


def test_checkpoint_round_trip(tmp_path):
    state = {
        "model": {"conv.weight": lamina.arange(6).reshape(2, 3), "b": lamina.ones(2, dtype=lamina.bfloat16)},
        "optimizer": {"state": {0: {"step": 3, "exp_avg": lamina.zeros(2)}, 1: {}}, "betas": (0.9, 0.999)},
        "rows": [{"loss": 1 / 3, "name": "é"}, None, True, [], ()],
        "array": np.arange(3, dtype=np.int32),
        "limits": [math.inf, -math.inf, 2**63],
        "scalar": np.float64(0.1),
    }
    lamina.save_checkpoint(state, tmp_path / "c.safetensors")
    got = lamina.load_checkpoint(tmp_path / "c.safetensors")
    assert list(got) == list(state)
    assert got["model"]["conv.weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert got["model"]["b"].dtype == lamina.bfloat16
    assert got["optimizer"]["state"][0]["step"] == 3
    assert got["optimizer"]["state"][0]["exp_avg"].tolist() == [0, 0]
    assert got["optimizer"]["state"][1] == {}
    assert got["optimizer"]["betas"] == (0.9, 0.999)
    assert got["rows"] == state["rows"]
    assert isinstance(got["rows"][4], tuple)
    assert isinstance(got["array"], np.ndarray)
    np.testing.assert_array_equal(got["array"], [0, 1, 2])
    assert got["limits"] == state["limits"]
    assert got["scalar"] == 0.1
    assert set(lamina.load(tmp_path / "c.safetensors")) == {
        *("model.conv.weight", "model.b", "optimizer.state.0.exp_avg", "array")
    }


def test_checkpoint_with_colliding_paths(tmp_path):
    state = {"a": {"b": lamina.zeros(1)}, "a.b": lamina.ones(1), "__metadata__": lamina.full((1,), 2.0)}
    lamina.save_checkpoint(state, tmp_path / "c.safetensors")
    got = lamina.load_checkpoint(tmp_path / "c.safetensors")
    assert [got["a"]["b"].item(), got["a.b"].item(), got["__metadata__"].item()] == [0, 1, 2]


@pytest.mark.parametrize("damage", ["empty", "truncated", "foreign", "header", "overlong"])
@pytest.mark.parametrize("read", ["load", "load_checkpoint"])
def test_damaged_files_are_named(tmp_path, damage, read):
    path = tmp_path / "damaged.safetensors"
    lamina.save_checkpoint({"w": lamina.ones(100)}, path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "truncated": whole[:-7],
            "foreign": b"PK\x03\x04" + bytes(100),
            "header": whole[:8] + b"\xff" * (len(whole) - 8),
            "overlong": whole + b"1234",
        }[damage]
    )
    with pytest.raises(ValueError, match=r"damaged\.safetensors"):
        getattr(lamina, read)(path)


def test_files_that_hold_something_else(tmp_path):
    path = tmp_path / "x.safetensors"
    lamina.save({"w": lamina.ones(2)}, path)
    with pytest.raises(ValueError, match=r"x\.safetensors: expected a checkpoint of lamina"):
        lamina.load_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        lamina.load(tmp_path / "absent.safetensors")
    header = json.dumps({"w": {"dtype": "U16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ValueError, match=r"x\.safetensors: .*got U16 of w"):
        lamina.load(path)
    from safetensors.numpy import save_file

    for tree in ('{"dict": [["a", {"tensor": "gone"}]]}', '{"what": 1}', "{}", "[1", "3"):
        save_file({"w": np.ones(2)}, path, {"lamina.checkpoint": tree})
        with pytest.raises(ValueError, match=r"x\.safetensors"):
            lamina.load_checkpoint(path)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda path: lamina.save({"a": 1}, path), r"\[save\].*got int under 'a'"),
        (lambda path: lamina.save({1: lamina.ones(1)}, path), r"\[save\]"),
        (lambda path: lamina.save_checkpoint({"a": [{"f": len}]}, path), r"a\.0\.f: .*got builtin"),
        (lambda path: lamina.save_checkpoint({"a": {1.5: 2}}, path), "keys of str or int, got 1.5"),
    ],
)
def test_saving_refuses(tmp_path, call, match):
    with pytest.raises(TypeError, match=match):
        call(tmp_path / "x.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    lamina.save_checkpoint({"epoch": 1}, path)

    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        lamina.save_checkpoint({"epoch": 2}, path)
    assert lamina.load_checkpoint(path)["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]
