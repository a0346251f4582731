"""Sampling at the places of a grid."""

import itertools

import numpy as np
from case import Case, Input, bad, sample

import lamina
from lamina.nn import functional as F

IMAGE, GRID = Input((2, 3, 5, 6)), Input((2, 4, 3, 2))
VOLUME, SPACE = Input((1, 2, 3, 4, 5)), Input((1, 2, 3, 2, 3))
MANY = Input((1, 19, 4, 5)), Input((1, 9, 8, 2))


def padded(at, n, padding, align):
    if padding == "zeros":
        return at
    if padding == "reflection":
        low, high = (0, n - 1) if align else (-0.5, n - 0.5)
        span = high - low
        if span == 0:
            return np.zeros_like(at)
        x = np.abs(at - low) % (2 * span)
        at = low + np.minimum(x, 2 * span - x)
    return np.clip(at, 0, n - 1)


def keys(x):
    x, a = np.abs(x), -0.75
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    return np.where(x < 1, near, np.where(x < 2, ((x - 5) * x + 8) * x * a - 4 * a, 0))


def axis(c, n, mode, padding, align):
    """[(index, weight)] of the taps along one axis; an index outside counts as zero."""
    at = (c + 1) / 2 * (n - 1) if align else ((c + 1) * n - 1) / 2
    if mode == "bicubic":
        low = np.floor(at)
        return [(padded(low + k, n, padding, align), keys(at - low - k)) for k in range(-1, 3)]
    at = padded(at, n, padding, align)
    if mode == "nearest":
        return [(np.rint(at), np.ones_like(at))]
    low = np.floor(at)
    return [(low, 1 - (at - low)), (low + 1, at - low)]


def grid_sample(x, grid, mode="bilinear", padding="zeros", align=False):
    rank = x.ndim - 2
    axes = [axis(grid[..., rank - 1 - d], x.shape[d + 2], mode, padding, align) for d in range(rank)]
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    image = np.arange(x.shape[0]).reshape(-1, *[1] * rank)
    for taps in itertools.product(*axes):
        inside = np.all([(i >= 0) & (i < n) for (i, _), n in zip(taps, x.shape[2:])], axis=0)
        index = [np.where(inside, i, 0).astype(int) for i, _ in taps]
        values = np.moveaxis(x[(image, slice(None), *index)], -1, 1)
        out += values * np.where(inside, np.prod([w for _, w in taps], axis=0), 0)[:, None]
    return out


def torch_sample(torch, x, grid, mode="bilinear", padding="zeros", align=False):
    return torch.nn.functional.grid_sample(x, grid, mode, padding, align)


OPTIONS = list(
    itertools.product(("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True))
)

CASES = [
    Case(
        "grid_sample.grid_sample",
        F.grid_sample,
        [
            *[sample(IMAGE, GRID, *o) for o in OPTIONS],
            *[sample(VOLUME, SPACE, *o) for o in OPTIONS if o[0] != "bicubic"],
            *[sample(*MANY, mode, "zeros", False) for mode in ("bilinear", "nearest", "bicubic")],
            sample(Input((1, 1, 1, 1)), GRID1 := Input((1, 2, 2, 2)), "bilinear", "reflection", True),
            sample(Input((1, 1, 1, 1)), GRID1, "bicubic", "border", False),
            sample(Input((0, 3, 2, 2)), Input((0, 2, 2, 2))),
            sample(Input((1, 3, 2, 2)), Input((1, 0, 2, 2))),
        ],
        grid_sample,
        torch_sample,
        errors=[
            bad(ValueError, "mode to be one of", IMAGE, GRID, "cubic"),
            bad(ValueError, "padding_mode to be one of", IMAGE, GRID, "nearest", "circular"),
            bad(ValueError, "a grid of 2 images and 2 coordinates", IMAGE, Input((1, 4, 3, 2))),
            bad(ValueError, "a grid of 2 images and 2 coordinates", IMAGE, Input((2, 4, 3, 3))),
            bad(ValueError, "an input of 4 or 5 dimensions", Input((2, 3, 4)), GRID),
            bad(ValueError, "an input of 4 dimensions for mode 'bicubic'", VOLUME, SPACE, "bicubic"),
            bad(ValueError, "spatial sizes of at least 1", Input((2, 3, 0, 4)), GRID),
            bad(TypeError, "float32 or float64 twice", IMAGE, Input((2, 4, 3, 2), "int")),
        ],
        benchmarks={
            "8x3x64x64": sample(Input((8, 3, 64, 64)), Input((8, 64, 64, 2), "uniform")),
            "4x32x32x32": sample(Input((4, 32, 32, 32)), Input((4, 32, 32, 2), "uniform")),
        },
    ),
    Case(
        "grid_sample.affine_grid",
        F.affine_grid,
        [
            sample(Input((2, 2, 3)), (2, 1, 4, 5)),
            sample(Input((2, 2, 3)), (2, 1, 4, 5), True),
            sample(Input((1, 3, 4)), (1, 2, 3, 4, 1)),
            sample(Input((1, 3, 4)), (1, 2, 3, 4, 2), True),
        ],
        None,
        lambda torch, theta, size, align=False: torch.nn.functional.affine_grid(theta, size, align),
        errors=[
            bad(ValueError, r"theta of shape \(2, 2, 3\)", Input((2, 3, 3)), (2, 1, 4, 5)),
            bad(ValueError, "4 or 5 sizes of at least 1", Input((2, 2, 3)), (2, 1, 4)),
            bad(TypeError, "a floating theta", Input((2, 2, 3), "int"), (2, 1, 4, 5)),
        ],
    ),
    # NaN and places far outside stay out of bounds, and a NaN in the image stays where it is.
    Case(
        "grid_sample.strange_places",
        lambda x, g: lamina.cat(
            [F.grid_sample(x, g, m, "zeros").flatten() for m in ("bilinear", "nearest", "bicubic")]
        ),
        [
            sample(
                Input((1, 1, 2, 2), "values", values=np.array([[[[np.nan, 1.0], [2.0, 3.0]]]])),
                Input(
                    (1, 1, 4, 2),
                    "values",
                    values=np.array([[[[1e20, 0.0], [-1e20, 0.5], [9.0, 9.0], [1.0, 1.0]]]]),
                ),
            )
        ],
        None,
        lambda torch, x, g: torch.cat(
            [torch_sample(torch, x, g, m).flatten() for m in ("bilinear", "nearest", "bicubic")]
        ),
        differentiable=False,
    ),
]
