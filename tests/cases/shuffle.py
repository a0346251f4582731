"""Pixels from channels and back; channels dealt out."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def shuffle(x, r):
    *n, c, h, w = x.shape
    blocks = np.moveaxis(x.reshape(*n, c // (r * r), r, r, h, w), (-4, -3), (-3, -1))
    return blocks.reshape(*n, c // (r * r), h * r, w * r)


def unshuffle(x, r):
    *n, c, h, w = x.shape
    blocks = np.moveaxis(x.reshape(*n, c, h // r, r, w // r, r), (-3, -1), (-4, -3))
    return blocks.reshape(*n, c * r * r, h // r, w // r)


def deal(x, groups):
    n, c, *spatial = x.shape
    return x.reshape(n, groups, c // groups, *spatial).swapaxes(1, 2).reshape(x.shape)


CASES = [
    Case(
        "shuffle.pixel_shuffle",
        F.pixel_shuffle,
        [
            sample(Input((2, 8, 3, 5)), 2),
            sample(Input((9, 2, 1)), 3),
            sample(Input((2, 1, 4, 2, 3)), 2),
            sample(Input((0, 4, 2, 2), grad=False), 2),  # torch's backward fails here
            sample(Input((1, 3, 2, 2)), 1),
        ],
        shuffle,
        "nn.functional.pixel_shuffle",
        errors=[
            bad(ValueError, r"\[pixel_shuffle\] expected channels that 2\^2 divides", Input((1, 6, 2, 2)), 2),
            bad(ValueError, r"\[pixel_shuffle\] expected at least 3 dimensions", Input((4, 4)), 2),
            bad(ValueError, r"\[pixel_shuffle\] expected a factor of at least 1", Input((1, 4, 2, 2)), 0),
        ],
        benchmarks={"8x64x32x32 by 2": sample(Input((8, 64, 32, 32)), 2)},
    ),
    Case(
        "shuffle.pixel_unshuffle",
        F.pixel_unshuffle,
        [
            sample(Input((2, 2, 6, 10)), 2),
            sample(Input((1, 6, 3)), 3),
            sample(Input((2, 1, 4, 2, 6)), 2),
        ],
        unshuffle,
        "nn.functional.pixel_unshuffle",
        errors=[
            bad(
                ValueError,
                r"\[pixel_unshuffle\] expected height and width that 2 divides",
                Input((1, 6, 3, 2)),
                2,
            ),
        ],
        benchmarks={"8x16x64x64 by 2": sample(Input((8, 16, 64, 64)), 2)},
    ),
    Case(
        "shuffle.channel_shuffle",
        F.channel_shuffle,
        [sample(Input((2, 6, 3, 5)), 2), sample(Input((2, 6, 4)), 3), sample(Input((1, 4, 2, 2, 3)), 1)],
        deal,
        "nn.functional.channel_shuffle",
        errors=[
            bad(
                ValueError,
                r"\[channel_shuffle\] expected channels that 4 groups divide",
                Input((1, 6, 2, 2)),
                4,
            ),
            bad(ValueError, r"\[channel_shuffle\] expected at least 3 dimensions", Input((1, 6)), 2),
        ],
        benchmarks={"8x64x32x32 by 4": sample(Input((8, 64, 32, 32)), 4)},
    ),
]
