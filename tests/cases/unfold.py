"""Patches as columns, and back."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def pairs(*values: Any) -> list[np.ndarray]:
    return [np.broadcast_to(v, 2) for v in values]


def unfold(x: np.ndarray, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> np.ndarray:
    if x.ndim == 3:
        return unfold(x[None], kernel, dilation, padding, stride)[0]
    k, d, p, s = pairs(kernel, dilation, padding, stride)
    x = np.pad(x, [(0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])])
    out = [(n - d[i] * (k[i] - 1) - 1) // s[i] + 1 for i, n in enumerate(x.shape[2:])]
    taps = [
        x[:, :, a * d[0] : a * d[0] + s[0] * out[0] : s[0], b * d[1] : b * d[1] + s[1] * out[1] : s[1]]
        for a, b in itertools.product(range(k[0]), range(k[1]))
    ]
    return np.stack([t[:, :, : out[0], : out[1]] for t in taps], 2).reshape(
        x.shape[0], x.shape[1] * len(taps), out[0] * out[1]
    )


def fold(
    columns: np.ndarray, size: Any, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> np.ndarray:
    """The transpose of unfold, by unfolding where each pixel is."""
    if columns.ndim == 2:
        return fold(columns[None], size, kernel, dilation, padding, stride)[0]
    h, w = np.broadcast_to(size, 2)
    taps = int(np.prod(np.broadcast_to(kernel, 2)))
    places = unfold(
        np.arange(1, h * w + 1).reshape(1, 1, h, w), kernel, dilation, padding, stride
    )  # 0: padding
    n, c = columns.shape[0], columns.shape[1] // taps
    x = np.zeros((n, c, h * w + 1), columns.dtype)
    np.add.at(x, (slice(None), slice(None), places.reshape(-1)), columns.reshape(n, c, places.size))
    return x[:, :, 1:].reshape(n, c, h, w)


X = Input((2, 3, 6, 7))
CASES = [
    Case(
        "unfold.unfold",
        F.unfold,
        [
            sample(X, 2),
            sample(X, (3, 2), padding=(1, 0), stride=(2, 1)),
            sample(X, 3, dilation=2, padding=2),
            sample(X, (1, 3), stride=(1, 3)),
            sample(X, (2, 3), (2, 1), (1, 4), (1, 2)),  # columns of padding only
            sample(Input((3, 5, 5)), 5),
            sample(Input((0, 3, 5, 5)), 2),
            sample(Input((1, 1, 4, 40)), 3, padding=1),
        ],
        unfold,
        "nn.functional.unfold",
        benchmarks={
            "3x3p1 64@56 b4": sample(Input((4, 64, 56, 56)), 3, padding=1),
            "16x16s16 3@224 b8": sample(Input((8, 3, 224, 224)), 16, stride=16),
        },
        errors=[
            bad(ValueError, r"\[unfold\] expected an input \(N, C, H, W\)", Input((4, 5)), 2),
            bad(ValueError, r"\[unfold\] expected patches that fit", X, 8),
            bad(ValueError, r"\[unfold\] expected kernel_size of at least 1", X, 0),
            bad(ValueError, r"\[unfold\] expected dilation of at least 1", X, 2, dilation=0),
            bad(ValueError, r"\[unfold\] expected padding of at least 0", X, 2, padding=-1),
            bad(ValueError, r"\[unfold\] expected stride of at least 1", X, 2, stride=(1, 0)),
            bad(ValueError, r"\[unfold\] expected image size of at least 1", Input((1, 3, 0, 5)), 1),
            bad(TypeError, r"\[unfold\] expected float32 or float64", Input((1, 1, 4, 4), "int"), 2),
        ],
    ),
    Case(
        "unfold.fold",
        F.fold,
        [
            sample(Input((2, 12, 30)), (6, 7), 2),
            sample(Input((2, 6, 9)), (5, 4), (3, 2), padding=(1, 0), stride=(2, 1)),
            sample(Input((1, 9, 42)), (6, 7), 3, dilation=2, padding=2),
            sample(Input((4, 4)), (4, 4), 2, stride=2),
            sample(Input((0, 8, 16)), 5, 2),
            sample(Input((1, 9, 160)), (4, 40), 3, padding=1),
        ],
        fold,
        "nn.functional.fold",
        benchmarks={"3x3p1 64@56 b4": sample(Input((4, 576, 3136)), 56, 3, padding=1)},
        errors=[
            bad(ValueError, r"\[fold\] expected an input \(N, C \* kernel, positions\)", X, 5, 2),
            bad(ValueError, r"\[fold\] expected a multiple of 4 rows", Input((1, 6, 16)), 5, 2),
            bad(ValueError, r"\[fold\] expected 4 x 4 positions", Input((1, 8, 15)), 5, 2),
            bad(ValueError, r"\[fold\] expected patches that fit", Input((1, 8, 15)), 1, 2),
        ],
    ),
]
