"""The kernels for few channels against plain loops: random shapes, threads, memory orders, what is not finite."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from conv_passes import draw, errors, passes, relative_error
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
import lamina.nn.functional as F
from lamina.nn.functional.conv import conv_fused

size = st.integers(1, 3)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes of x and w, and options: few channels on one side or on both, images below and above a vector's width."""
    few, many = st.integers(1, 17), st.integers(12, 40)
    c, k = draw(st.tuples(few, few) | st.tuples(few, many) | st.tuples(many, few))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride, dilation = draw(st.tuples(size, size)), draw(st.tuples(size, size))
    padding = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    reach = [(kernel[d] - 1) * dilation[d] + 1 - 2 * padding[d] for d in range(2)]
    h, w = (max(1, reach[0]) + draw(st.integers(0, 9))), (max(1, reach[1]) + draw(st.integers(0, 40)))
    n = draw(st.sampled_from((1, 2, 5, 9, 31)))
    return (n, c, h, w), (k, c, *kernel), {"stride": stride, "padding": padding, "dilation": dilation}


def check_against_loops(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], dtype: str, **options: Any
) -> None:
    x, w = draw(*x_shape, dtype=dtype), draw(*w_shape, dtype=dtype)
    bound = 5e-7 if dtype == "float32" else 1e-15  # of the sums of the products' sizes: sums may cancel
    assert max(errors(x, w, "small", "NCHW", **options)) < bound


@settings(max_examples=150, deadline=None)
@given(convolutions(), st.sampled_from(("float32", "float64")))
def test_random_shapes(shapes: Any, dtype: str) -> None:
    x_shape, w_shape, options = shapes
    check_against_loops(x_shape, w_shape, dtype, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((9, 1, 28, 28), (6, 1, 5, 5), {"padding": 2}),  # LeNet's
        ((13, 6, 14, 14), (16, 6, 5, 5), {}),
        (
            (2, 3, 70, 70),
            (64, 3, 7, 7),
            {"stride": 2, "padding": 3},
        ),  # stems: boxes of several rows and parts
        ((2, 3, 40, 90), (64, 3, 3, 3), {"padding": 1}),
        ((2, 15, 3, 100), (15, 15, 1, 1), {}),
        ((1, 200, 12, 12), (12, 200, 3, 3), {"padding": 1}),
        ((3, 2, 9, 40), (3, 2, 2, 3), {"stride": (1, 5), "padding": (0, 1)}),  # positions that no tap meets
        ((8, 40, 6, 6), (3, 40, 5, 5), {"padding": (4, 2), "dilation": (2, 1)}),  # tiles of images
        ((70, 6, 14, 14), (16, 6, 5, 5), {}),  # images in lanes, whole and half groups
        ((31, 7, 9, 3), (13, 7, 3, 2), {"stride": (2, 1), "padding": (2, 1), "dilation": (1, 2)}),
        ((33, 17, 5, 6), (18, 17, 3, 3), {"stride": 2, "padding": 1}),
    ],
)
def test_layers(x: tuple[int, ...], w: tuple[int, ...], options: dict[str, Any], dtype: str) -> None:
    check_against_loops(x, w, dtype, **options)


def test_volumes_and_sequences() -> None:
    for x, w, conv in (
        (draw(5, 3, 60), draw(4, 3, 7), F.conv1d),
        (draw(2, 2, 5, 6, 20), draw(3, 2, 2, 3, 3), F.conv3d),
        (draw(9, 20, 4, 4, 4), draw(3, 20, 3, 3, 3), F.conv3d),
        (draw(32, 5, 4, 3, 4), draw(4, 5, 3, 3, 3), F.conv3d),
        (draw(32, 5, 12), draw(17, 5, 5), F.conv1d),
    ):
        outputs = []
        for algorithm in ("small", "reference"):
            with F.conv_algorithm(algorithm):
                a, b = lamina.tensor(x, requires_grad=True), lamina.tensor(w, requires_grad=True)
                y = conv(a, b, padding=1)
                grads = lamina.autograd.grad((y * y).sum(), (a, b))
                outputs.append([t.detach().numpy() for t in (y, *grads)])
        for got, want in zip(*outputs, strict=True):
            assert relative_error(got, want) < 3e-6


LAYERS = [
    ((21, 1, 28, 28), (6, 1, 5, 5)),
    ((21, 6, 14, 14), (16, 6, 5, 5)),
    ((61, 6, 14, 14), (16, 6, 5, 5)),
    ((3, 3, 40, 40), (64, 3, 3, 3)),
    ((3, 40, 30, 31), (2, 40, 3, 3)),
]


@pytest.mark.parametrize(("x", "w"), LAYERS)
def test_same_bits_for_any_number_of_threads_and_memory_order(x: tuple[int, ...], w: tuple[int, ...]) -> None:
    images, weight = draw(*x), draw(*w)
    before = lamina.get_num_threads()
    try:
        lamina.set_num_threads(1)
        want = [a.tobytes() for a in passes(images, weight, "small", padding=2)]
        last = np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        for threads in (1, 2, 7):
            lamina.set_num_threads(threads)
            for order in (images, last):
                assert [a.tobytes() for a in passes(order, weight, "small", padding=2)] == want
    finally:
        lamina.set_num_threads(before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("x", "w"), LAYERS)
def test_what_is_not_finite_goes_where_it_should(
    x: tuple[int, ...], w: tuple[int, ...], value: float
) -> None:
    """From the ends of rows, where a vector of neighbours reaches into what is not its own."""
    images, weight = draw(*x), draw(*w)
    seed = draw(x[0], w[0], x[2] - w[2] + 1, x[3] - w[3] + 1)
    for where in (images, seed):
        where[1, -1, 3, -1] = where[0, 0, 0, 0] = value
        results = []
        for algorithm in ("small", "reference"):
            with F.conv_algorithm(algorithm):
                a, b = (lamina.tensor(t, requires_grad=True) for t in (images, weight))
                y = F.conv2d(a, b)
                results.append([y, *lamina.autograd.grad(y, (a, b), lamina.tensor(seed))])
        for got, want in zip(*results, strict=True):
            np.testing.assert_array_equal(
                np.isfinite(got.detach().numpy()), np.isfinite(want.detach().numpy())
            )
        where[1, -1, 3, -1] = where[0, 0, 0, 0] = 0


@pytest.mark.parametrize(("c", "k"), [(1, 3), (3, 17), (17, 2)])
def test_gradients(c: int, k: int) -> None:
    x, w = lamina.tensor(draw(2, c, 5, 6, dtype="float64")), lamina.tensor(draw(k, c, 3, 2, dtype="float64"))
    b = lamina.tensor(draw(k, dtype="float64"))
    with F.conv_algorithm("small"):
        assert lamina.autograd.gradcheck(
            lambda *a: F.conv2d(*a, stride=(2, 1), padding=1), [t.requires_grad_() for t in (x, w, b)]
        )


@pytest.mark.parametrize(("c", "k", "width"), [(2, 3, 37), (40, 3, 37), (2, 3, 5)])
@pytest.mark.parametrize("n", [4, 31])
def test_fused_bias_residual_and_relu(n: int, c: int, k: int, width: int) -> None:
    """What inference_mode folds into a convolution goes through the same last step."""
    x, w, b = (lamina.tensor(draw(*s)) for s in ((n, c, 6, width), (k, c, 3, 3), (k,)))
    residual = lamina.tensor(draw(n, k, 6, width))
    outputs = []
    for algorithm in ("small", "reference"):
        with F.conv_algorithm(algorithm):
            y = conv_fused(x, w, b, (1, 1), (1, 1), (1, 1), 1, residual, (0.0, math.inf))
            outputs.append(y.numpy())
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-5)
    assert (outputs[0] == 0).any() and (outputs[0] > 0).any()
