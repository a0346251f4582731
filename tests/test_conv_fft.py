"""Convolution by FFT: the transform against NumPy's, all passes against plain loops, NaN, sameness of bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conv_passes import NAMES, draw, errors, passes, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
import lamina.nn.functional as F
from lamina import _C

BOUND = {"float32": 2e-6, "float64": 4e-15}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("h", "w"), [(1, 2), (2, 4), (3, 10), (8, 8), (5, 18), (16, 20), (24, 36), (50, 54), (90, 96), (256, 160)]
)
def test_rfft2_is_numpys(h: int, w: int, dtype: str) -> None:
    x = draw(19, h, w, dtype=dtype)
    y = lamina.Tensor(_C.rfft2(lamina.from_numpy(x)._array)).numpy().astype("float64")
    assert relative_error(y[..., 0] + 1j * y[..., 1], np.fft.rfft2(x.astype("float64"))) < BOUND[dtype] / 4


def test_rfft2_of_sizes_it_has_not() -> None:
    for shape in ((1, 8, 7), (1, 7, 8), (1, 512, 8)):
        with pytest.raises(
            ValueError, match=r"\[rfft2\] expected sizes of at most 256 with factors 2, 3 and 5"
        ):
            _C.rfft2(lamina.zeros(*shape)._array)


@st.composite
def convolutions(draw_from: st.DrawFn) -> dict[str, Any]:
    kernel = draw_from(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    padding = tuple(draw_from(st.integers(0, k)) for k in kernel)
    size = tuple(draw_from(st.integers(max(1, k - 2 * p), 40)) for k, p in zip(kernel, padding))
    groups = draw_from(st.sampled_from([1, 1, 2, 3, 17]))
    inputs, outputs = (1, 1) if groups == 17 else draw_from(st.tuples(st.integers(1, 20), st.integers(1, 36)))
    return {
        "x": (draw_from(st.integers(1, 3)), groups * inputs, *size),
        "w": (groups * outputs, inputs, *kernel),
        "options": {"padding": padding, "groups": groups},
        "dtype": draw_from(st.sampled_from(["float32", "float64"])),
        "order": draw_from(st.sampled_from(["NCHW", "NHWC"])),
    }


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_random_shapes_against_plain_loops(case: dict[str, Any]) -> None:
    x, w = draw(*case["x"], dtype=case["dtype"]), draw(*case["w"], dtype=case["dtype"])
    for name, error in zip(NAMES, errors(x, w, "fft", case["order"], **case["options"]), strict=True):
        assert error < (5e-7 if case["dtype"] == "float32" else 1e-15), name


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((4, 20, 56, 50), (20, 1, 31, 31), {"padding": 15, "groups": 20}),
        ((3, 18, 56, 56), (33, 18, 11, 11), {"padding": 5}),
        ((9, 40, 30, 30), (40, 40, 9, 9), {"padding": 4}),  # tiles in several chunks
    ],
)
def test_large_kernels(x: Any, w: Any, options: dict[str, Any]) -> None:
    """Rounding errors against float64 are those of a direct sum; one, two and seven threads give the same bits."""
    values, weights = draw(*x), draw(*w)
    exact = passes(values.astype("float64"), weights.astype("float64"), "automatic", **options)
    threads = lamina.get_num_threads()
    try:
        runs = []
        for n in (1, 2, 7):
            lamina.set_num_threads(n)
            runs.append(passes(values, weights, "fft", **options))
    finally:
        lamina.set_num_threads(threads)
    for name, a, b, c, want in zip(NAMES, *runs, exact, strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes(), name
        assert relative_error(a, want) < 1e-6, name


@pytest.mark.parametrize("groups", [1, 17])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", ["input", "weight", "gradient"])
def test_nan_and_infinities_reach_what_they_reach_directly(groups: int, value: float, place: str) -> None:
    """A transform would spread them over a tile: such a pass is done again by a direct algorithm."""
    x, w = draw(2, 17, 40, 40), draw(17, 17 // groups, 9, 9)
    dy = draw(2, 17, 40, 40)
    if place == "input":
        x[1, 5, 20, 3] = value
    elif place == "weight":
        w[4, 0, 2, 7] = value
    else:
        dy[0, 9, 33, 12] = value
    options: dict[str, Any] = {"padding": 4, "groups": groups, "dy": dy}
    direct = passes(x, w, "implicit" if groups == 1 else "depthwise", **options)
    want = passes(x, w, "reference", **options)
    reached = 0
    for name, a, b, c in zip(NAMES, passes(x, w, "fft", **options), direct, want, strict=True):
        if np.isfinite(c).all():
            assert relative_error(a, c) < BOUND["float32"], name
        else:
            reached += 1
            assert a.tobytes() == b.tobytes(), name
            assert not np.isfinite(a[~np.isfinite(c)]).any(), name
            assert np.isfinite(a).any() or name == "dw", name
    assert reached == 2


def test_sums_that_overflow_in_a_transform_alone() -> None:
    x = np.full((1, 2, 30, 30), 1e37, "float32")
    w = np.zeros((2, 2, 9, 9), "float32")
    w[:, :, 4, 4] = 1
    np.testing.assert_array_equal(passes(x, w, "fft", padding=4)[0], np.full((1, 2, 30, 30), 2e37, "float32"))


def test_chosen_for_large_kernels_only() -> None:
    """The choice shows in the bits."""
    for kernel, chosen in ((15, True), (3, False)):
        x, w = draw(4, 32, 40, 40), draw(32, 32, kernel, kernel)
        automatic, fft = (passes(x, w, name, padding=kernel // 2) for name in ("automatic", "fft"))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(automatic, fft, strict=True)) == chosen


@pytest.mark.parametrize("options", [{"stride": 2}, {"dilation": 2}])
def test_steps_it_does_not_take(options: dict[str, int]) -> None:
    x, w = lamina.zeros(1, 2, 20, 20), lamina.zeros(2, 2, 5, 5)
    with F.conv_algorithm("fft"), pytest.raises(ValueError, match=r"\[conv2d\] the algorithm asked for"):
        F.conv2d(x, w, **options)  # type: ignore[arg-type]


def test_conv1d() -> None:
    x, w = draw(3, 20, 300), draw(18, 20, 41)
    want = F.conv1d(lamina.tensor(x), lamina.tensor(w), padding=20).numpy()
    with F.conv_algorithm("fft"):
        got = F.conv1d(lamina.tensor(x), lamina.tensor(w), padding=20).numpy()
    assert relative_error(got, want) < 1e-6
