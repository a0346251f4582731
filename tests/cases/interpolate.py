"""Resizing in every mode."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F

SEQUENCE, IMAGE, VOLUME = Input((2, 3, 7)), Input((2, 3, 5, 6)), Input((1, 2, 3, 4, 5))
WIDE = Input((1, 19, 6, 5))


def cubic(x, a):
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    return np.where(x < 1, near, np.where(x < 2, ((x - 5) * x + 8) * x * a - 4 * a, 0))


def matrix(n, m, scale, mode, align, antialias):
    """(m, n): what each of m outputs takes of each of n inputs."""
    o, i = np.arange(m)[:, None], np.arange(n)[None]
    ratio = (n - 1) / max(m - 1, 1) if align else 1 / scale if scale else n / m
    if mode == "area":
        inside = (i >= o * n // m) & (i < -(-(o + 1) * n // m))
        return inside / inside.sum(1, keepdims=True)
    if mode.startswith("nearest"):
        at = np.floor((o + (0.5 if mode == "nearest-exact" else 0)) * ratio)
        return (i == np.minimum(at, n - 1)).astype(float)
    if antialias:
        spread = max(ratio, 1)
        x = (i + 0.5 - ratio * (o + 0.5)) / spread
        w = cubic(x, -0.5) if mode == "bicubic" else np.maximum(1 - np.abs(x), 0)
        return w / w.sum(1, keepdims=True)
    at = ratio * o if align else ratio * (o + 0.5) - 0.5
    out = np.zeros((m, n))
    if mode == "bicubic":
        low = np.floor(at).astype(int)
        for k in range(-1, 3):
            np.add.at(out, (o, np.clip(low + k, 0, n - 1)), cubic(at - low - k, -0.75))
        return out
    return np.maximum(1 - np.abs(np.clip(at, 0, n - 1) - i), 0)


def interpolate(x, size=None, scale_factor=None, mode="nearest", align=None, recompute=None, antialias=False):
    rank = x.ndim - 2
    scales = scale_factor if isinstance(scale_factor, tuple) else (scale_factor,) * rank
    for d in range(rank):
        n = x.shape[d + 2]
        if size is not None:
            m, scale = size if isinstance(size, int) else size[d], None
        else:
            m, scale = int(np.floor(n * scales[d])), None if recompute else scales[d]
        w = matrix(n, m, scale, mode, bool(align), antialias)
        x = np.moveaxis(np.tensordot(w, x, (1, d + 2)), 0, d + 2)
    return x


def call(function):
    def run(x, size=None, scale=None, mode="nearest", align=None, recompute=None, antialias=False):
        return function(x, size, scale, mode, align, recompute_scale_factor=recompute, antialias=antialias)

    return run


def linear(mode, x, up, down):
    return [
        sample(x, up, None, mode),
        sample(x, down, None, mode),
        sample(x, up, None, mode, True),
        sample(x, down, None, mode, True),
        sample(x, None, 1.7, mode),
        sample(x, None, 0.6, mode, None, True),
        sample(x, x.shape[2:], None, mode),
        sample(x, 1, None, mode),
        sample(x, 1, None, mode, True),
    ]


SAMPLES = [
    *[
        s
        for mode in ("nearest", "nearest-exact", "area")
        for s in (
            sample(SEQUENCE, 10, None, mode),
            sample(IMAGE, (8, 3), None, mode),
            sample(VOLUME, (6, 3, 5), None, mode),
            sample(IMAGE, None, (2, 1.3), mode),
            sample(WIDE, None, 2, mode),
        )
    ],
    *linear("linear", SEQUENCE, 11, 4),
    *linear("bilinear", IMAGE, (9, 7), (2, 4)),
    *linear("bicubic", IMAGE, (9, 7), (2, 4)),
    *linear("trilinear", VOLUME, (4, 7, 6), (2, 2, 4)),
    sample(WIDE, (9, 11), None, "bilinear"),
    sample(WIDE, (9, 11), None, "bicubic"),
    sample(Input((0, 3, 4, 4)), 8, None, "bilinear"),
    sample(Input((2, 1, 1, 1)), (2, 3), None, "bicubic"),
    *[
        sample(x, size, None, mode, None, None, True)
        for mode in ("bilinear", "bicubic")
        for x, size in ((IMAGE, (2, 3)), (IMAGE, (9, 4)), (WIDE, (3, 2)), (Input((1, 2, 30, 31)), (4, 7)))
    ],
    sample(IMAGE, None, 0.4, "bilinear", None, None, True),
]

CASES = [
    Case(
        "interpolate.interpolate",
        call(F.interpolate),
        SAMPLES,
        interpolate,
        lambda torch, *a, **k: call(torch.nn.functional.interpolate)(*a, **k),
        errors=[
            bad(ValueError, "one of size and scale_factor", IMAGE),
            bad(ValueError, "one of size and scale_factor", IMAGE, 2, 2),
            bad(ValueError, "mode to be one of", IMAGE, 2, None, "cubic"),
            bad(ValueError, "expected 4 dimensions for mode 'bilinear'", SEQUENCE, 2, None, "bilinear"),
            bad(ValueError, "expected 3 to 5 dimensions", Input((2, 3)), 2),
            bad(ValueError, "align_corners goes with linear", IMAGE, 2, None, "nearest", True),
            bad(ValueError, "antialias goes with", IMAGE, 2, None, "nearest", None, None, True),
            bad(ValueError, "size to be 1 or 2 numbers", IMAGE, (2, 2, 2)),
            bad(ValueError, "scale_factor above 0", IMAGE, None, 0.0),
            bad(ValueError, "spatial sizes of at least 1", IMAGE, 0),
            bad(ValueError, "spatial sizes of at least 1", Input((2, 3, 0, 4)), 2),
            bad(ValueError, "goes with scale_factor, not with size", IMAGE, 2, None, "nearest", None, True),
            bad(TypeError, "size to hold integers", IMAGE, 2.5),
            bad(TypeError, "a floating dtype", Input((1, 1, 2, 2), "int"), 4),
        ],
        benchmarks={
            f"8x32x32x32 by 2 {mode}": sample(Input((8, 32, 32, 32)), None, 2, mode)
            for mode in ("nearest", "bilinear", "bicubic")
        },
    ),
    Case(
        "interpolate.halves",
        call(F.interpolate),
        [sample(IMAGE, (9, 4), None, "bilinear"), sample(IMAGE, 3)],
        interpolate,
        lambda torch, *a, **k: call(torch.nn.functional.interpolate)(*a, **k),
        dtypes=("bfloat16", "float16"),
        differentiable=False,
    ),
]
