"""Transposed convolution: strides, padding and output padding, dilation, groups, odd channel counts, every rank."""

from __future__ import annotations

import itertools
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
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> np.ndarray:
    """The definition: each tap of each input is added where it falls, on a canvas of which the padding is cut off."""
    rank = w.ndim - 2
    if x.ndim == rank + 1:
        return reference(x[None], w, bias, stride, padding, output_padding, groups, dilation)[0]
    stride, padding, extra, dilation = (
        np.broadcast_to(v, rank) for v in (stride, padding, output_padding, dilation)
    )
    n, c, *size = x.shape
    k, kernel = w.shape[1], w.shape[2:]
    canvas = [
        (s - 1) * t + d * (m - 1) + 1 + e for s, t, d, m, e in zip(size, stride, dilation, kernel, extra)
    ]
    y = np.zeros((n, groups, k, *canvas), x.dtype)
    x = x.reshape(n, groups, c // groups, *size)
    w = w.reshape(groups, c // groups, k, *kernel)
    for tap in itertools.product(*map(range, kernel)):
        places = tuple(
            slice(i * d, i * d + (s - 1) * t + 1, t) for i, d, s, t in zip(tap, dilation, size, stride)
        )
        y[(..., *places)] += np.einsum("ngc...,gck->ngk...", x, w[(..., *tap)])
    cut = tuple(slice(p, m - p) for p, m in zip(padding, canvas))
    y = y[(..., *cut)].reshape(n, groups * k, *(m - 2 * p for p, m in zip(padding, canvas)))
    return y if bias is None else y + bias.reshape(-1, *[1] * rank)


def up(x: tuple[int, ...], w: tuple[int, ...], bias: bool = True, **kwargs: Any) -> Any:
    channels = w[1] * kwargs.get("groups", 1)
    return sample(Input(x), Input(w), Input((channels,)) if bias else None, **kwargs)


SAMPLES_2D = [
    up((2, 3, 4, 5), (3, 4, 3, 3), padding=1),
    up((2, 3, 4, 5), (3, 4, 2, 2), stride=2),
    up((2, 3, 3, 4), (3, 4, 4, 4), stride=2, padding=1),
    up((1, 2, 3, 4), (2, 3, 3, 2), bias=False, stride=(2, 3), padding=(1, 0)),
    up((2, 2, 3, 3), (2, 3, 3, 3), stride=2, padding=1, output_padding=1),
    up((2, 2, 3, 2), (2, 3, 3, 3), stride=3, padding=(2, 1), output_padding=(2, 0)),
    up((1, 2, 4, 3), (2, 2, 3, 2), dilation=(2, 3), padding=1, output_padding=1),  # below the dilation alone
    up((2, 4, 3, 3), (4, 3, 3, 3), groups=2, stride=2),
    up((1, 5, 4, 3), (5, 1, 3, 3), groups=5, stride=2, padding=1),  # depthwise
    up((1, 2, 3, 3), (2, 2, 2, 2), stride=3),  # outputs that no input reaches
    up((1, 2, 1, 1), (2, 3, 4, 4)),
    up((0, 3, 4, 4), (3, 2, 3, 3), stride=2),
    up((3, 4, 4), (3, 2, 3, 3), stride=2),  # unbatched
    up((1, 17, 3, 4), (17, 18, 2, 2), stride=2),  # channels-last, partial vectors
    up((1, 20, 3, 3), (20, 37, 4, 4), stride=2, padding=1),
    up((1, 70, 2, 3), (70, 16, 2, 3), stride=(2, 1)),  # two blocks of channels
]
SAMPLES_1D = [
    up((2, 3, 5), (3, 4, 4), stride=2, padding=1),
    up((1, 2, 4), (2, 3, 3), stride=3, padding=1, output_padding=2, bias=False),
    up((1, 18, 4), (18, 17, 2), stride=2),
    up((3, 5), (3, 2, 3), dilation=2),
]
SAMPLES_3D = [
    up((1, 2, 2, 3, 3), (2, 3, 2, 2, 2), stride=2),
    up((1, 2, 2, 3, 2), (2, 3, 3, 3, 3), stride=(1, 2, 2), padding=1, output_padding=(0, 1, 1)),
    up((1, 4, 2, 2, 2), (4, 2, 2, 3, 1), groups=2, dilation=(2, 1, 1)),
    up((2, 2, 2, 2), (2, 16, 2, 2, 2), stride=2),
]

# The up-convolutions of U-Net, the generator of DCGAN, others of real networks.
LARGE_2D = {
    "2x2 s2 512>256 @16 b4": up((4, 512, 16, 16), (512, 256, 2, 2), stride=2),
    "2x2 s2 128>64 @64 b4": up((4, 128, 64, 64), (128, 64, 2, 2), stride=2),
    "4x4 s2 512>256 @4 b16": up((16, 512, 4, 4), (512, 256, 4, 4), bias=False, stride=2, padding=1),
    "4x4 s2 128>64 @16 b16": up((16, 128, 16, 16), (128, 64, 4, 4), bias=False, stride=2, padding=1),
    "4x4 s2 64>3 @32 b16": up((16, 64, 32, 32), (64, 3, 4, 4), bias=False, stride=2, padding=1),
    "4x4 100>512 @1 b64": up((64, 100, 1, 1), (100, 512, 4, 4), bias=False),
    "3x3 s2 64>32 @28 b8": up((8, 64, 28, 28), (64, 32, 3, 3), stride=2, padding=1, output_padding=1),
    "4x4 s2 21>21 @28 b2": up((2, 21, 28, 28), (21, 21, 4, 4), bias=False, stride=2, padding=1),
}
LARGE_3D = {"2x2x2 s2 64>32 @8 b4": up((4, 64, 8, 8, 8), (64, 32, 2, 2, 2), stride=2)}
LARGE_1D = {"4 s2 128>64 @256 b16": up((16, 128, 256), (128, 64, 4), stride=2, padding=1)}

x4, w4 = Input((2, 4, 5, 5)), Input((4, 6, 3, 3))
ERRORS = [
    bad(ValueError, r"\[conv_transpose2d\] expected an input of 4 dimensions", Input((4, 5)), w4),
    bad(
        ValueError,
        r"\[conv_transpose2d\] expected a weight of 4 dimensions \(in channels, out",
        x4,
        Input((4, 3)),
    ),
    bad(ValueError, r"\[conv_transpose2d\] expected an input of 3 channels", x4, Input((3, 6, 3, 3))),
    bad(
        ValueError, r"\[conv_transpose2d\] expected an input of 4 channels, which 3 groups", x4, w4, groups=3
    ),
    bad(ValueError, r"\[conv_transpose2d\] expected groups of at least 1, got 0", x4, w4, groups=0),
    bad(ValueError, r"\[conv_transpose2d\] expected a bias of shape \(6,\)", x4, w4, Input((5,))),
    bad(ValueError, r"\[conv_transpose2d\] expected stride of at least 1", x4, w4, stride=0),
    bad(ValueError, r"\[conv_transpose2d\] expected padding of at least 0", x4, w4, padding=-1),
    bad(ValueError, r"\[conv_transpose2d\] expected output_padding of at least 0", x4, w4, output_padding=-1),
    bad(ValueError, r"\[conv_transpose2d\] expected output_padding .* below", x4, w4, output_padding=1),
    bad(ValueError, r"\[conv_transpose2d\] expected padding that leaves an output", x4, w4, padding=4),
    bad(ValueError, r"\[conv_transpose2d\] expected sizes of at least 1", Input((1, 4, 0, 3)), w4),
    bad(ValueError, r"\[conv_transpose2d\] an output .* is too large", x4, w4, stride=2**39),
    bad(TypeError, r"\[conv_transpose2d\] expected an integer or 2 as padding", x4, w4, padding="same"),
    bad(
        TypeError,
        r"\[conv_transpose2d\] expected a weight of dtype",
        x4,
        Input((4, 6, 3, 3), dtype="float16"),
    ),
    bad(
        TypeError,
        r"\[conv_transpose2d\] expected float32 or float64",
        Input((1, 4, 5, 5), kind="int"),
        Input((4, 6, 3, 3), kind="int"),
    ),
    bad(TypeError, r"\[conv_transpose2d\] expected a tensor as weight", x4, None),
]

CASES = [
    Case(
        "conv_transpose.conv_transpose2d",
        F.conv_transpose2d,
        SAMPLES_2D,
        reference,
        "nn.functional.conv_transpose2d",
        atol=2e-5,
        benchmarks=LARGE_2D,
        errors=ERRORS,
    ),
    Case(
        "conv_transpose.conv_transpose1d",
        F.conv_transpose1d,
        SAMPLES_1D,
        reference,
        "nn.functional.conv_transpose1d",
        atol=1e-5,
        benchmarks=LARGE_1D,
    ),
    Case(
        "conv_transpose.conv_transpose3d",
        F.conv_transpose3d,
        SAMPLES_3D,
        reference,
        "nn.functional.conv_transpose3d",
        atol=1e-5,
        benchmarks=LARGE_3D,
    ),
]
