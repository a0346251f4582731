"""Convolution's kernels for CUDA against plain loops on the CPU, over shapes that cut tiles, phases and splits.

Runs on a device, real or emulated; tests/test_cuda_cases.py runs the cases of every op.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
import lamina.nn.functional as F
from lamina import cuda
from lamina.nn.functional.conv import conv_fused

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())
CONVOLUTIONS = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}


def draw(*shape: int, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def on(device: str, values: np.ndarray, channels_last: bool) -> lamina.Tensor:
    if channels_last:
        values = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)
    return lamina.from_numpy(values).to(device)


def passes(
    device: str, algorithm: str, x: np.ndarray, w: np.ndarray, last: tuple[bool, bool], **options: Any
) -> list[np.ndarray]:
    """Output and gradients of input, weight and bias; `last`: whether x and dy are channels-last."""
    inputs = [
        on(device, x, last[0]),
        on(device, w, False),
        on(device, draw(w.shape[0], dtype=x.dtype.name), False),
    ]
    for t in inputs:
        t.requires_grad_()
    with F.conv_algorithm(algorithm):
        y = CONVOLUTIONS[x.ndim](*inputs, **options)
        dy = on(device, draw(*y.shape, dtype=x.dtype.name), last[1])
        return [t.detach().cpu().numpy() for t in (y, *lamina.autograd.grad(y, inputs, dy))]


def check(algorithm: str, x: np.ndarray, w: np.ndarray, last: tuple[bool, bool], **options: Any) -> None:
    want = passes("cpu", "reference", x.astype("float64"), w.astype("float64"), last, **options)
    got = passes("cuda", algorithm, x, w, last, **options)
    bound = 2e-5 if x.dtype == np.float32 else 1e-12
    for name, a, b in zip(("y", "dx", "dw", "db"), got, want, strict=True):
        assert np.abs(a - b).max() <= bound * np.abs(b).max(), name


GEOMETRIES = {
    "1x1": ((2, 8, 5, 7), (12, 8, 1, 1), {}),
    "3x3": ((2, 20, 9, 8), (24, 20, 3, 3), {"padding": 1}),
    "odd channels": ((2, 7, 9, 8), (5, 7, 3, 3), {"padding": 1}),
    "stride 2": ((2, 8, 9, 8), (12, 8, 3, 3), {"padding": 1, "stride": 2}),
    "stride beyond the kernel": ((1, 4, 11, 13), (8, 4, 2, 2), {"stride": (3, 5)}),
    "stride and dilation": (
        (1, 4, 17, 18),
        (8, 4, 3, 4),
        {"stride": (4, 2), "dilation": (2, 3), "padding": (3, 1)},
    ),
    "dilation no phase meets": ((1, 4, 17, 18), (4, 4, 3, 3), {"stride": 2, "dilation": 2}),
    "groups": ((2, 24, 7, 6), (42, 8, 3, 3), {"groups": 3, "padding": 1}),
    "1d": ((2, 8, 37), (16, 8, 5), {"padding": 2, "stride": 3}),
    "3d": ((1, 4, 5, 6, 7), (8, 4, 3, 2, 3), {"padding": 1, "stride": (2, 1, 2)}),
    "split depth": ((1, 96, 4, 4), (8, 96, 3, 3), {"padding": 1}),
    "split positions": ((4, 4, 20, 20), (4, 4, 3, 3), {"padding": 1}),
}


@pytest.mark.parametrize("last", [(True, True), (False, False), (False, True), (True, False)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_implicit(name: str, dtype: str, last: tuple[bool, bool]) -> None:
    x, w, options = GEOMETRIES[name]
    check("implicit", draw(*x, dtype=dtype), draw(*w, dtype=dtype), last, **options)


def test_large_tiles() -> None:
    """Outputs of at least 128 tiles of 128 x 128, and rows and columns that do not fill the last ones."""
    check("implicit", draw(4, 8, 66, 66), draw(132, 8, 1, 1), (True, True))
    check("implicit", draw(4, 132, 66, 66), draw(8, 132, 1, 1), (True, True))  # dgrad


DEPTHWISE = {
    "3x3": ((2, 8, 9, 10), (8, 1, 3, 3), {"padding": 1}),
    "5x5 stride 2": ((2, 8, 9, 10), (8, 1, 5, 5), {"padding": 2, "stride": 2}),
    "7x7": ((1, 4, 9, 10), (4, 1, 7, 7), {"padding": 3}),
    "1x9": ((1, 4, 5, 20), (4, 1, 1, 9), {"padding": (0, 4)}),
    "dilated": ((2, 8, 9, 10), (8, 1, 3, 3), {"padding": 2, "dilation": 2}),
    "odd channels": ((2, 5, 9, 10), (5, 1, 3, 3), {"padding": 1}),
    "multiplier": ((2, 4, 6, 6), (12, 1, 3, 3), {"padding": 1}),
    "narrow groups": ((2, 12, 6, 6), (8, 3, 3, 3), {"padding": 1, "stride": 3}),
    "split positions": ((4, 4, 40, 40), (4, 1, 3, 3), {"padding": 1}),
}


@pytest.mark.parametrize("last", [(True, True), (False, False), (False, True)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DEPTHWISE)
def test_depthwise(name: str, dtype: str, last: tuple[bool, bool]) -> None:
    x, w, options = DEPTHWISE[name]
    check("depthwise", draw(*x, dtype=dtype), draw(*w, dtype=dtype), last, groups=x[1] // w[1], **options)


@pytest.fixture(params=range(cuda.device_count() if cuda.is_emulated() else 1), ids="cuda:{}".format)
def architecture(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each emulated device has another compute capability; the one in use is the current device."""
    with cuda.device(request.param):
        yield


HALF_PRECISION = {
    **GEOMETRIES,
    "several tiles": ((1, 72, 13, 12), (136, 72, 3, 3), {"padding": 1}),
    "several tiles of groups": ((1, 48, 13, 12), (32, 24, 3, 3), {"stride": 2, "groups": 2}),
}


@pytest.mark.parametrize("dtype", [lamina.bfloat16, lamina.float16], ids=str)
@pytest.mark.parametrize("last", [(True, True), (False, False)])
@pytest.mark.parametrize("name", HALF_PRECISION)
def test_half_precision(architecture: None, name: str, last: tuple[bool, bool], dtype: lamina.dtype) -> None:
    algorithms = ("implicit", "reference") if name in GEOMETRIES else ("implicit",)
    check_half_precision(algorithms, *HALF_PRECISION[name], last, dtype)


def test_tiles_of_many_columns() -> None:
    """As many tiles as make Hopper's loop take wide ones."""
    shapes = (1, 8, 128, 130), (256, 8, 1, 1)
    check_half_precision(("implicit",), *shapes, {}, (True, True), lamina.bfloat16)


@pytest.mark.parametrize("dtype", [lamina.bfloat16, lamina.float16], ids=str)
@pytest.mark.parametrize("last", [(True, True), (False, False)])
@pytest.mark.parametrize("name", DEPTHWISE)
def test_depthwise_in_half_precision(name: str, last: tuple[bool, bool], dtype: lamina.dtype) -> None:
    x, w, options = DEPTHWISE[name]
    check_half_precision(("depthwise",), x, w, {**options, "groups": x[1] // w[1]}, last, dtype)


def test_depthwise_is_chosen_under_autocast() -> None:
    layer = lamina.nn.Conv2d(16, 16, 3, padding=1, groups=16).cuda()
    x = on("cuda", draw(2, 16, 6, 6), True)
    with lamina.autocast("cuda", lamina.bfloat16):
        y = layer(x)
        with F.conv_algorithm("depthwise"):
            same = layer(x)
    assert y.dtype == lamina.bfloat16
    assert lamina.equal(y, same)


def check_half_precision(
    algorithms: tuple[str, ...],
    shape: tuple[int, ...],
    kernel: tuple[int, ...],
    options: dict[str, Any],
    last: tuple[bool, bool],
    dtype: lamina.dtype,
) -> None:
    """Products of rounded factors, summed in float32 and rounded once."""
    bound = 2.0**-8 if dtype == lamina.bfloat16 else 2.0**-11
    for algorithm in algorithms:
        x, w = (on("cpu", draw(*s), False).to(dtype) for s in (shape, kernel))
        exact = [t.to(lamina.float64).requires_grad_() for t in (x, w)]
        y = CONVOLUTIONS[len(shape)](*exact, **options)
        dy = on("cpu", draw(*y.shape), False).to(dtype)
        want = [y, *lamina.autograd.grad(y, exact, dy.to(lamina.float64))]
        inputs = [
            on("cuda", t.to(lamina.float32).numpy(), last[0]).to(dtype).requires_grad_() for t in (x, w)
        ]
        with F.conv_algorithm(algorithm):
            y = CONVOLUTIONS[len(shape)](*inputs, **options)
            seed = on("cuda", dy.to(lamina.float32).numpy(), last[1]).to(dtype)
            got = [y, *lamina.autograd.grad(y, inputs, seed)]
        for what, a, b in zip(("y", "dx", "dw"), got, want, strict=True):
            assert a.dtype == dtype
            difference = a.detach().cpu().to(lamina.float64).numpy() - b.detach().numpy()
            assert np.abs(difference).max() <= bound * np.abs(b.detach().numpy()).max(), (what, algorithm)


def test_sizes_beyond_the_fast_kernels() -> None:
    x, w = draw(1, 2, 5, 5), draw(3, 2, 3, 3)
    for options in ({"stride": 2**39}, {"padding": 2**20, "dilation": 2**20}):
        check("automatic", x, w, (False, False), **options)
    check("automatic", draw(1, 2, 4000), draw(3, 2, 1), (False, False), stride=500)  # more phases than taps


def test_what_is_not_finite_stays_where_it_belongs() -> None:
    x, w = draw(2, 20, 9, 9), draw(24, 20, 3, 3)
    x[1, 3, 4, 5], x[0, 7, 8, 0] = np.nan, np.inf
    args = x, w, (True, True)
    for got, want in zip(
        passes("cuda", "implicit", *args, padding=1),
        passes("cpu", "reference", *args, padding=1),
        strict=True,
    ):
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))


@pytest.mark.parametrize("channels", [6, 16])
@pytest.mark.parametrize("algorithm", ["implicit", "depthwise", "reference"])
def test_epilogue(algorithm: str, channels: int) -> None:
    """Bias, residual and ReLU in the kernel give what they give as ops of their own."""
    groups = channels if algorithm == "depthwise" else 1
    x, w, b = draw(2, channels, 6, 5), draw(channels, channels // groups, 3, 3), draw(channels)
    arguments = (1, 1), (1, 1), (1, 1), groups
    with F.conv_algorithm(algorithm):
        got = conv_fused(
            *(lamina.tensor(a, device="cuda") for a in (x, w, b)),
            *arguments,
            lamina.tensor(x).cuda(),
            (0.0, math.inf),
        )
    want = F.relu(F.conv2d(*map(lamina.tensor, (x, w, b)), 1, 1, 1, groups) + lamina.tensor(x))
    np.testing.assert_allclose(got.cpu().numpy(), want.numpy(), rtol=1e-5, atol=2e-5)


def test_algorithms_without_a_kernel_say_so() -> None:
    x, w = lamina.ones(1, 4, 8, 8, device="cuda"), lamina.ones(4, 4, 3, 3, device="cuda")
    for algorithm in ("winograd", "fft", "small", "phases"):
        with F.conv_algorithm(algorithm), pytest.raises(NotImplementedError, match=rf"\[conv.{algorithm}\]"):
            F.conv2d(x, w)
    with (
        F.conv_algorithm("depthwise"),
        pytest.raises(ValueError, match=r"\[conv2d\] the algorithm asked for"),
    ):
        F.conv2d(x, w)
