"""Power-average pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def lp_pool(x: np.ndarray, p: float, kernel: Any, stride: Any = None, ceil_mode: bool = False) -> np.ndarray:
    """Windows that fit, by brute force, over all dimensions but the first two."""
    rank = x.ndim - 2
    kernel = np.broadcast_to(kernel, rank)
    stride = kernel if stride is None else np.broadcast_to(stride, rank)
    out = [
        -(-(n - k) // s) + 1 if ceil_mode else (n - k) // s + 1
        for n, k, s in zip(x.shape[2:], kernel, stride)
    ]
    out = [o - ((o - 1) * s >= n) for o, s, n in zip(out, stride, x.shape[2:])]
    y = np.zeros((*x.shape[:2], *out))
    for place in np.ndindex(*out):
        window = tuple(slice(o * s, o * s + k) for o, s, k in zip(place, stride, kernel))
        inside = x[(slice(None), slice(None), *window)]
        scale = np.prod(kernel) / np.prod(inside.shape[2:])  # a window that leaves the input counts as whole
        y[(slice(None), slice(None), *place)] = ((inside**p).sum(axis=tuple(range(2, x.ndim))) * scale) ** (
            1 / p
        )
    return y


def x(*shape: int) -> Input:
    return Input(shape, "positive")


ZEROS = Input((1, 1, 2, 4), "values", values=np.array([[[[0.0, 0, 1, 2], [0, 0, 3, 4]]]]))
CASES = [
    Case(
        "lp_pool.lp_pool2d",
        F.lp_pool2d,
        [
            sample(x(2, 3, 6, 6), 2, 2),
            sample(x(2, 3, 7, 8), 3.0, (3, 2), 2),
            sample(x(2, 3, 7, 8), 1, 3, 2, True),
            sample(x(0, 3, 6, 6), 2, 2),
        ],
        lp_pool,
        "nn.functional.lp_pool2d",
        benchmarks={"2x2s2 64@32 b16": sample(x(16, 64, 32, 32), 2, 2)},
        errors=[
            bad(ValueError, r"\[lp_pool2d\] expected a norm_type other than 0", x(1, 1, 4, 4), 0, 2),
            bad(ValueError, r"\[avg_pool2d\] expected an input at least as large", x(1, 1, 4, 4), 2, 5),
        ],
    ),
    # torch alone: no gradient where a window holds nothing but zeros, where there is no derivative.
    Case(
        "lp_pool.zeros",
        lambda t: F.lp_pool2d(t, 2, 2),
        [sample(ZEROS)],
        None,
        lambda torch, t: torch.nn.functional.lp_pool2d(t, 2, 2),
        double=False,
    ),
    Case("lp_pool.lp_pool1d", F.lp_pool1d, [sample(x(2, 3, 9), 2, 3, 2)], lp_pool, "nn.functional.lp_pool1d"),
    Case(
        "lp_pool.lp_pool3d", F.lp_pool3d, [sample(x(1, 2, 4, 5, 4), 2, 2)], lp_pool, "nn.functional.lp_pool3d"
    ),
]
