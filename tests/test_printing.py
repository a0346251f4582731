"""repr of tensors is torch's, with lamina's name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina

rng = np.random.default_rng(0)
nan, inf = float("nan"), float("inf")

ARRAYS = {
    "scalar": np.array(1.5, np.float32),
    "whole scalar": np.array(-3.0, np.float32),
    "int scalar": np.array(7),
    "bool scalar": np.array(True),
    "empty": np.zeros(0, np.float32),
    "empty 2-d": np.zeros((0, 3), np.float32),
    "empty ints": np.zeros((2, 0), np.int64),
    "empty bools": np.zeros(0, bool),
    "vector": rng.standard_normal(7).astype(np.float32),
    "long vector": rng.standard_normal(60).astype(np.float32),
    "whole": np.array([1.0, -20.0, 300.0], np.float32),
    "wide range": np.array([1e-5, 1.0, 1e4], np.float32),
    "large": np.array([1.5e9, 2.0], np.float32),
    "large whole": np.array([1e9, 2e9], np.float32),
    "tiny": np.array([1e-6, 2e-6], np.float32),
    "nonfinite": np.array([nan, inf, -inf, 1.25], np.float32),
    "nonfinite whole": np.array([nan, inf, -inf, 1.0], np.float32),
    "only nan": np.array([nan, nan], np.float32),
    "zeros": np.zeros((2, 2), np.float32),
    "negative zero": np.array([-0.0, 0.5], np.float32),
    "ratio 1000": np.array([1.0, 1000.0, 0.0], np.float32),
    "ratio above 1000": np.array([1.0, 1001.0], np.float32),
    "ints": np.array([[1, -200], [30, 4]]),
    "int32": np.arange(12, dtype=np.int32).reshape(3, 4),
    "uint8": np.arange(250, 256, dtype=np.uint8),
    "bools": rng.standard_normal((3, 4)) > 0,
    "double": rng.standard_normal((2, 3)),
    "half": rng.standard_normal((2, 3)).astype(np.float16),
    "3-d": rng.standard_normal((2, 3, 4)).astype(np.float32),
    "4-d": rng.standard_normal((2, 2, 2, 3)).astype(np.float32),
    "summarised": rng.standard_normal(2000).astype(np.float32),
    "summarised 2-d": rng.standard_normal((50, 50)).astype(np.float32),
    "summarised tall": rng.standard_normal((1500, 2)).astype(np.float32),
    "summarised 3-d": np.arange(7 * 9 * 20).reshape(7, 9, 20),
    "summarised hidden": np.where(np.arange(5000) == 2500, 1e9, 1.0).astype(np.float32),
    "ones": np.ones((1, 1, 1), np.float32),
}
ARRAYS |= {
    f"random {i}": (
        rng.standard_normal(rng.integers(1, 6, rng.integers(1, 4))) * 10.0 ** rng.integers(-6, 4)
    ).astype(rng.choice(["float32", "float64", "float16"]))
    for i in range(40)
}


def both(torch: Any, array: np.ndarray[Any, Any]) -> tuple[str, str]:
    return repr(lamina.from_numpy(array.copy())), repr(torch.from_numpy(array.copy())).replace(
        "torch.", "lamina."
    )


@pytest.mark.parametrize("name", ARRAYS)
def test_repr(name: str, torch: Any) -> None:
    got, want = both(torch, ARRAYS[name])
    assert got == want


@pytest.mark.parametrize(
    "options",
    [
        {"precision": 2},
        {"edgeitems": 1, "threshold": 5},
        {"linewidth": 40},
        {"profile": "full"},
        {"profile": "short"},
        {"sci_mode": True},
        {"sci_mode": False},
    ],
)
def test_options(options: dict[str, Any], torch: Any) -> None:
    with lamina.printoptions(**options):
        torch.set_printoptions(**options)
        try:
            for array in ARRAYS.values():
                if array.dtype not in (np.float32, np.int64, bool) or array.size == 0:
                    continue  # the names of dtypes differ in length, and so break lines elsewhere
                got, want = both(torch, array)
                assert got == want
        finally:
            torch.set_printoptions(profile="default")
    assert lamina.get_printoptions()["precision"] == 4


def test_no_edges() -> None:
    with lamina.printoptions(edgeitems=0, threshold=5):
        assert repr(lamina.ones(7)) == "tensor([...], size=(7,))"


def test_gradients_and_dtypes(torch: Any) -> None:
    for t in (torch, lamina):
        x = t.tensor([1.0, 2.0], requires_grad=True)
        assert repr(x) == "tensor([1., 2.], requires_grad=True)"
        assert repr(x * 2) == "tensor([2., 4.], grad_fn=<MulBackward0>)"
        assert repr(x.exp().sum()) == "tensor(10.1073, grad_fn=<SumBackward0>)"
        assert repr(t.tensor([1.5], dtype=t.bfloat16)) == f"tensor([1.5000], dtype={t.__name__}.bfloat16)"


def test_default_dtype(torch: Any) -> None:
    for t in (torch, lamina):
        t.set_default_dtype(t.float64)
        try:
            assert repr(t.tensor([0.5])) == "tensor([0.5000])"
            assert repr(t.tensor([0.5], dtype=t.float32)) == f"tensor([0.5000], dtype={t.__name__}.float32)"
        finally:
            t.set_default_dtype(t.float32)


def test_unknown_profile() -> None:
    with pytest.raises(ValueError, match=r"\[set_printoptions\] expected a profile"):
        lamina.set_printoptions(profile="tall")


def test_format_and_subclass() -> None:
    assert f"{lamina.tensor(1.23456):.2f}" == "1.23"
    assert f"{lamina.tensor([1.0])}" == "tensor([1.])"

    class Named(lamina.Tensor):
        pass

    assert repr(Named(lamina.ones(1)._array)) == "Named([1.])"
