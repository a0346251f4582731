"""Depthwise convolution and narrow groups: all passes against plain loops, layouts, borders, sameness of bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conv_passes import NAMES, draw, errors, passes
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lamina
import lamina.nn.functional as F


@st.composite
def convolutions(draw_from: st.DrawFn) -> dict[str, Any]:
    """Groups of up to 4 channels (a vector of the smallest instruction set) in and out."""
    inputs, outputs = draw_from(
        st.sampled_from([(1, 1), (1, 1), (2, 2), (4, 4), (1, 2), (3, 3), (2, 1), (4, 3)])
    )
    dtype = draw_from(
        st.sampled_from(["float32", "float64"]) if max(inputs, outputs) <= 2 else st.just("float32")
    )
    kernel = draw_from(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    stride, dilation, padding = (
        draw_from(st.tuples(st.integers(low, high), st.integers(low, high)))
        for low, high in ((1, 3), (1, 3), (0, 4))
    )
    size = draw_from(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    assume(all(s + 2 * p > d * (k - 1) for s, p, d, k in zip(size, padding, dilation, kernel)))
    groups = draw_from(st.integers(2, 40))
    return {
        "x": (draw_from(st.integers(1, 3)), groups * inputs, *size),
        "w": (groups * outputs, inputs, *kernel),
        "options": {"padding": padding, "stride": stride, "dilation": dilation, "groups": groups},
        "dtype": dtype,
        "order": draw_from(st.sampled_from(["NCHW", "NHWC"])),
    }


@settings(max_examples=150, deadline=None)
@given(convolutions())
def test_random_shapes_against_plain_loops(case: dict[str, Any]) -> None:
    x, w = draw(*case["x"], dtype=case["dtype"]), draw(*case["w"], dtype=case["dtype"])
    for name, error in zip(NAMES, errors(x, w, "depthwise", case["order"], **case["options"]), strict=True):
        assert error < (3e-7 if case["dtype"] == "float32" else 5e-16), name


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([16, 19, 40, 1024]),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.integers(1, 2),
    st.tuples(st.integers(0, 5), st.integers(0, 5)),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from(["NCHW", "NHWC"]),
)
def test_3x3_of_whole_vectors(
    channels: int, size: tuple[int, int], stride: int, padding: tuple[int, int], dtype: str, order: str
) -> None:
    """Kernels of their own, which stage rows of 1024 channels; odd sizes leave rows of dx without a tap."""
    assume(all(s + 2 * p >= 3 for s, p in zip(size, padding)))
    x, w = draw(2, channels, *size, dtype=dtype), draw(channels, 1, 3, 3, dtype=dtype)
    options = {"padding": padding, "stride": stride, "groups": channels}
    for name, error in zip(NAMES, errors(x, w, "depthwise", order, **options), strict=True):
        assert error < (3e-7 if dtype == "float32" else 5e-16), name


@pytest.mark.parametrize("stride", [1, 2])
def test_an_infinite_gradient_reaches_no_tap_that_it_does_not_meet(stride: int) -> None:
    x, w = draw(1, 16, 9, 9), draw(16, 1, 3, 3)
    dy = np.ones((1, 16, *[(9 - 3) // stride + 1] * 2), "float32")
    x[:, :, 0, 0] = np.inf  # only the first tap of the first output meets it
    dw = passes(x, w, "depthwise", "NHWC", dy, stride=stride, groups=16)[2]
    assert np.isinf(dw[:, :, 0, 0]).all()
    dw[:, :, 0, 0] = 0
    assert np.isfinite(dw).all()


@pytest.mark.parametrize(
    ("channels", "inputs", "size", "kernel", "options"),
    [
        (37, 1, 29, 3, {"padding": 1}),
        (96, 1, 30, 7, {"padding": 3}),
        (64, 1, 40, 3, {"padding": 1, "stride": 2}),
        (40, 1, 21, 3, {"padding": 2, "dilation": 2}),
        (72, 4, 28, 3, {"padding": 1}),
        (6, 1, 28, 5, {"padding": 2}),
    ],
)
def test_same_bits_on_any_number_of_threads_in_any_order(
    channels: int, inputs: int, size: int, kernel: int, options: dict[str, int]
) -> None:
    x, w = draw(4, channels, size, size), draw(channels, inputs, kernel, kernel)
    threads = lamina.get_num_threads()
    try:
        runs = []
        for n, order in ((1, "NCHW"), (2, "NHWC"), (7, "NCHW")):
            lamina.set_num_threads(n)
            runs.append(passes(x, w, "depthwise", order, groups=channels // inputs, **options))
    finally:
        lamina.set_num_threads(threads)
    for name, a, b, c in zip(NAMES, *runs, strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes(), name


@pytest.mark.parametrize("inputs", [1, 4])
def test_nan_reaches_its_groups_outputs_alone(inputs: int) -> None:
    x = draw(2, 32, 12, 12)
    x[1, 9, 4, 6] = np.nan
    y = passes(x, draw(32, inputs, 3, 3), "depthwise", padding=1, groups=32 // inputs)[0]
    group = slice(9 // inputs * inputs, 9 // inputs * inputs + inputs)
    assert np.isnan(y[1, group, 3:6, 5:8]).all()
    y[1, group, 3:6, 5:8] = 0
    assert np.isfinite(y).all()


def test_wide_groups_are_for_other_algorithms() -> None:
    x, w = lamina.zeros(1, 64, 5, 5), lamina.zeros(64, 32, 3, 3)
    with (
        F.conv_algorithm("depthwise"),
        pytest.raises(ValueError, match=r"\[conv2d\] the algorithm asked for"),
    ):
        F.conv2d(x, w, groups=2)


def test_conv1d() -> None:
    x, w = draw(3, 20, 50), draw(20, 1, 5)
    want = F.conv2d(lamina.tensor(x[:, :, None]), lamina.tensor(w[:, :, None]), padding=(0, 2), groups=20)
    got = F.conv1d(lamina.tensor(x), lamina.tensor(w), padding=2, groups=20)
    assert got.numpy().tobytes() == want.numpy().tobytes()
