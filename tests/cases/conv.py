"""Convolution: every algorithm, stride, padding, dilation, groups, odd channel counts, both ends of the layout rule."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from case import Case, Input, bad, sample

import lamina.nn.functional as F


def reference(
    x: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> np.ndarray:
    """The definition, tap by tap."""
    rank = w.ndim - 2
    if x.ndim == rank + 1:
        return reference(x[None], w, bias, stride, padding, dilation, groups)[0]
    stride, dilation = np.broadcast_to(stride, rank), np.broadcast_to(dilation, rank)
    kernel = np.array(w.shape[2:])
    if padding == "same":
        total = dilation * (kernel - 1)
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(p, p) for p in np.broadcast_to(0 if padding == "valid" else padding, rank)]
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    out = [
        (s - d * (k - 1) - 1) // t + 1
        for s, d, k, t in zip(x.shape[2:], dilation, kernel, stride, strict=True)
    ]
    n, k = x.shape[0], w.shape[0]
    y = np.zeros((n, groups, k // groups, *out), x.dtype)
    x = x.reshape(n, groups, x.shape[1] // groups, *x.shape[2:])
    w = w.reshape(groups, k // groups, *w.shape[1:])
    for tap in itertools.product(*map(range, kernel)):
        window = tuple(
            slice(t * d, t * d + s * (o - 1) + 1, s) for t, d, s, o in zip(tap, dilation, stride, out)
        )
        y += np.einsum("ngc...,gkc->ngk...", x[(..., *window)], w[(..., *tap)])
    y = y.reshape(n, k, *out)
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


def by(algorithm: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with one algorithm for its forward pass; the backward pass keeps the choice that forward made."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with F.conv_algorithm(algorithm):
            return function(*args, **kwargs)

    return call


def conv(x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **kwargs: Any) -> Any:
    return sample(Input(x), Input(w), Input((w[0],)) if bias else None, **kwargs)


SAMPLES_2D = [
    conv((2, 3, 6, 5), (4, 3, 3, 3), padding=1),
    conv((1, 2, 7, 8), (3, 2, 3, 2), bias=False, stride=(2, 3), padding=(1, 0)),
    conv((2, 2, 9, 9), (3, 2, 3, 3), dilation=(2, 3), padding=2),
    conv((2, 2, 6, 7), (3, 2, 4, 3), padding="same"),
    conv((1, 2, 9, 8), (2, 2, 2, 4), padding="same", dilation=(3, 1)),
    conv((2, 2, 5, 5), (2, 2, 3, 3), padding="valid"),
    conv((2, 6, 5, 4), (4, 3, 3, 3), groups=2, stride=2, padding=1),
    conv((1, 5, 5, 6), (5, 1, 3, 3), groups=5, padding=1),  # depthwise
    conv((2, 3, 7, 5), (3, 1, 5, 2), groups=3, padding=(2, 1), stride=2, dilation=(1, 2)),
    conv((1, 2, 4, 4), (4, 1, 3, 3), groups=2),  # two outputs a channel
    conv((3, 4, 3, 3), (5, 4, 1, 1)),
    conv((2, 4, 5, 5), (3, 4, 1, 1), stride=2),
    conv((2, 3, 4, 4), (2, 3, 4, 4)),  # kernel as large as the input
    conv((1, 2, 5, 5), (2, 2, 2, 2), stride=3),  # inputs that no window meets
    conv((1, 1, 3, 3), (2, 1, 3, 3), padding=3),  # windows of zeros only
    conv((0, 3, 5, 5), (4, 3, 3, 3), padding=1),
    conv((3, 6, 6), (2, 3, 3, 3), stride=2),  # unbatched
    conv((1, 17, 4, 5), (18, 17, 3, 3), padding=1),  # channels-last, partial vectors
    conv((1, 16, 3, 3), (37, 16, 1, 1)),
    conv((1, 70, 3, 2), (16, 70, 2, 2), padding=1),  # two blocks of channels
]

SAMPLES_1D = [
    conv((2, 3, 9), (4, 3, 3), padding=1),
    conv((2, 2, 12), (3, 2, 4), stride=3, dilation=2, padding=2, bias=False),
    conv((1, 2, 8), (2, 2, 4), padding="same"),
    conv((2, 4, 7), (4, 1, 3), groups=4, stride=2),
    conv((3, 10), (2, 3, 3)),
    conv((1, 18, 6), (17, 18, 3), padding=1),
    conv((0, 2, 6), (3, 2, 2)),
]

# Groups of so few channels that several share a vector: partial vectors, channel multipliers, every kind of step.
SAMPLES_DEPTHWISE = [
    conv((1, 17, 5, 6), (17, 1, 3, 3), groups=17, padding=1),
    conv((2, 5, 7, 9), (5, 1, 5, 2), bias=False, groups=5, padding=(2, 1), stride=2, dilation=(1, 2)),
    conv((1, 3, 6, 5), (6, 1, 3, 3), groups=3, padding=1),
    conv((1, 8, 6, 6), (4, 2, 3, 1), groups=4, padding=1, stride=(1, 3)),
    conv((2, 20, 4, 4), (20, 2, 2, 4), groups=10, padding=2),
    conv((1, 4, 3, 3), (4, 1, 3, 3), groups=4, padding=3),  # windows of zeros only
    conv((1, 2, 5, 5), (2, 1, 2, 2), groups=2, stride=3),  # inputs that no window meets
    conv((0, 3, 5, 5), (3, 1, 3, 3), groups=3),
]
SAMPLES_FFT = [
    conv((1, 2, 9, 12), (3, 2, 5, 7), padding=(2, 3)),
    conv((2, 3, 7, 5), (2, 3, 7, 5), bias=False),  # kernel as large as the input
    conv((1, 17, 6, 4), (18, 17, 3, 2), padding=1),
    conv((2, 5, 8, 8), (5, 1, 5, 5), groups=5, padding=2),
    conv((1, 4, 5, 6), (6, 2, 3, 3), groups=2),
    conv((0, 2, 6, 6), (2, 2, 5, 5)),
]

SAMPLES_3D = [
    conv((2, 2, 3, 4, 5), (3, 2, 3, 3, 3), padding=1),
    conv((1, 2, 5, 4, 6), (2, 2, 2, 3, 2), bias=False, stride=(1, 2, 3), padding=(1, 0, 1)),
    conv((1, 2, 5, 5, 5), (2, 2, 2, 2, 3), dilation=(3, 2, 1), padding="same"),
    conv((1, 4, 3, 3, 3), (4, 2, 2, 2, 2), groups=2, padding="valid"),
    conv((1, 3, 4, 3, 3), (3, 1, 3, 3, 3), groups=3, padding=1),  # depthwise
    conv((2, 3, 3, 4), (3, 2, 2, 2, 2)),  # unbatched
    conv((1, 17, 2, 3, 3), (18, 17, 3, 3, 3), padding=1),
    conv((0, 2, 3, 3, 3), (3, 2, 2, 2, 2)),
]

# Kernels of more work: tails of tiles and boxes, slices of channels, parts of the weight gradient.
LARGE = {
    "3x3 64>64 @32": conv((2, 64, 32, 32), (64, 64, 3, 3), padding=1),
    "3x3 64>128 @32 stride 2": conv((2, 64, 32, 32), (128, 64, 3, 3), stride=2, padding=1),
    "1x1 64>128 @32 stride 2": conv((2, 64, 32, 32), (128, 64, 1, 1), bias=False, stride=2),
    "1x1 256>64 @14": conv((2, 256, 14, 14), (64, 256, 1, 1), bias=False),
    "3x3 512>512 @4": conv((2, 512, 4, 4), (512, 512, 3, 3), bias=False, padding=1),
    "3x3 37>53 @29": conv((2, 37, 29, 29), (53, 37, 3, 3), padding=1),
    "7x7 3>64 @64 stride 2": conv((2, 3, 64, 64), (64, 3, 7, 7), bias=False, stride=2, padding=3),
    "5x5 1>6 @28": conv((8, 1, 28, 28), (6, 1, 5, 5)),
    "3x3 128 in 4 groups @28": conv((2, 128, 28, 28), (128, 32, 3, 3), groups=4, padding=1),
    "3x3 in 32 groups 128 @56": conv((8, 128, 56, 56), (128, 4, 3, 3), bias=False, groups=32, padding=1),
    "3x3 in 32 groups 256 @28": conv((8, 256, 28, 28), (256, 8, 3, 3), bias=False, groups=32, padding=1),
    "3x3 depthwise 32 @112": conv((8, 32, 112, 112), (32, 1, 3, 3), bias=False, groups=32, padding=1),
    "3x3 depthwise 512 @14": conv((8, 512, 14, 14), (512, 1, 3, 3), bias=False, groups=512, padding=1),
    "3x3 depthwise 64 @112 stride 2": conv(
        (8, 64, 112, 112), (64, 1, 3, 3), bias=False, groups=64, padding=1, stride=2
    ),
    "7x7 depthwise 96 @56": conv((8, 96, 56, 56), (96, 1, 7, 7), bias=False, groups=96, padding=3),
    "31x31 depthwise 64 @56": conv((4, 64, 56, 56), (64, 1, 31, 31), bias=False, groups=64, padding=15),
    "11x11 32>32 @56": conv((8, 32, 56, 56), (32, 32, 11, 11), bias=False, padding=5),
}

LARGE_1D = {
    "3 64>128 @512 b16": conv((16, 64, 512), (128, 64, 3), padding=1),
    "80 s4 1>32 @16000 b4": conv((4, 1, 16000), (32, 1, 80), stride=4),
}
LARGE_3D = {
    "3x3x3 32>32 @16 b4": conv((4, 32, 16, 16, 16), (32, 32, 3, 3, 3), padding=1),
    "3x3x3 s2 64>128 @8 b4": conv((4, 64, 8, 8, 8), (128, 64, 3, 3, 3), stride=2, padding=1),
    "3x7x7 s122 3>64 8@56 b1": conv((1, 3, 8, 56, 56), (64, 3, 3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3)),
    "1x1x1 64>64 @8 b4": conv((4, 64, 8, 8, 8), (64, 64, 1, 1, 1)),
}

x4, w4 = Input((2, 4, 5, 5)), Input((6, 4, 3, 3))
ERRORS_2D = [
    bad(ValueError, r"\[conv2d\] expected an input of 4 dimensions", Input((4, 5)), w4),
    bad(ValueError, r"\[conv2d\] expected a weight of 4 dimensions", x4, Input((6, 4, 3))),
    bad(ValueError, r"\[conv2d\] expected an input of 3 x 1 channels", x4, Input((6, 3, 3, 3))),
    bad(
        ValueError,
        r"\[conv2d\] expected a number of output channels that 4 groups",
        x4,
        Input((6, 1, 3, 3)),
        groups=4,
    ),
    bad(ValueError, r"\[conv2d\] expected groups of at least 1, got 0", x4, w4, groups=0),
    bad(ValueError, r"\[conv2d\] expected a kernel no larger than the padded input", x4, Input((6, 4, 6, 3))),
    bad(ValueError, r"\[conv2d\] expected a kernel no larger than the padded input", x4, w4, dilation=3),
    bad(ValueError, r"\[conv2d\] expected a bias of shape \(6,\), got \(5,\)", x4, w4, Input((5,))),
    bad(ValueError, r"\[conv2d\] expected stride of at least 1, got \(1, 0\)", x4, w4, stride=(1, 0)),
    bad(ValueError, r"\[conv2d\] expected dilation of at least 1", x4, w4, dilation=-1),
    bad(ValueError, r"\[conv2d\] expected padding of at least 0", x4, w4, padding=-1),
    bad(ValueError, r"\[conv2d\] expected an integer or 2 as stride", x4, w4, stride=(1, 2, 3)),
    bad(ValueError, r"\[conv2d\] expected padding to be 'same', 'valid' or integers", x4, w4, padding="full"),
    bad(ValueError, r"\[conv2d\] expected stride 1 with padding='same'", x4, w4, padding="same", stride=2),
    bad(ValueError, r"\[conv2d\] .*more bytes than an address has", x4, w4, padding=2**39),
    bad(ValueError, r"\[conv2d\] expected padding of at least 0 and below", x4, w4, padding=2**50),
    bad(TypeError, r"\[conv2d\] expected an integer or 2 as stride", x4, w4, stride=1.5),
    bad(TypeError, r"\[conv2d\] expected a weight of dtype", x4, Input((6, 4, 3, 3), dtype="float16")),
    bad(TypeError, r"\[conv2d\] expected float32 or float64", Input((1, 4, 5, 5), kind="int"), w4),
    bad(TypeError, r"\[conv2d\] expected a tensor as weight", x4, 3),
]
ERRORS_1D = [bad(ValueError, r"\[conv1d\] expected an input of 3 dimensions", x4, Input((6, 4, 3)))]
ERRORS_3D = [bad(ValueError, r"\[conv3d\] expected a weight of 5 dimensions", Input((1, 4, 5, 5, 5)), w4)]

# Sums of up to some hundred terms of either sign: float32 is exact to a part of their size, not of the result's.
CASES = [
    Case(
        "conv.conv2d",
        F.conv2d,
        SAMPLES_2D,
        reference,
        "nn.functional.conv2d",
        atol=2e-5,
        benchmarks=LARGE,
        errors=ERRORS_2D,
    ),
    Case(
        "conv.conv1d",
        F.conv1d,
        SAMPLES_1D,
        reference,
        "nn.functional.conv1d",
        atol=1e-5,
        benchmarks=LARGE_1D,
        errors=ERRORS_1D,
    ),
    Case(
        "conv.conv3d",
        F.conv3d,
        SAMPLES_3D,
        reference,
        "nn.functional.conv3d",
        atol=2e-5,
        benchmarks=LARGE_3D,
        errors=ERRORS_3D,
    ),
    Case("conv.conv2d_reference", by("reference", F.conv2d), SAMPLES_2D[:12], reference, atol=1e-5),
    Case("conv.conv2d_implicit", by("implicit", F.conv2d), SAMPLES_2D[6:10], reference, atol=1e-5),
    Case("conv.conv2d_depthwise", by("depthwise", F.conv2d), SAMPLES_DEPTHWISE, reference, atol=1e-5),
    Case("conv.conv2d_fft", by("fft", F.conv2d), SAMPLES_FFT, reference, atol=2e-5),
]
