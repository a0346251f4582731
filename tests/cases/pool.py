"""Pooling."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def x(*shape):
    return Input(shape, "distinct")


MAX2D = [
    sample(x(2, 3, 8, 8), 2),
    sample(x(2, 3, 7, 9), 3, 2, 1),
    sample(x(2, 20, 9, 7), 3, 2, 1),
    sample(x(1, 2, 10, 11), (3, 2), (2, 3), (1, 0), (2, 1)),
    sample(x(1, 2, 7, 7), 2, 2, 0, 1, True),
    sample(x(2, 3, 12, 5), (5, 1), 1),
    sample(x(3, 6, 6), 2),
    sample(x(2, 3, 8, 8), 2, return_indices=True),
    sample(x(1, 1, 20, 20), 17, 1),
    sample(x(0, 3, 8, 8), 2),
    # rows of several vectors, and borders between them
    sample(x(1, 2, 9, 75), 3, 2, 1),
    sample(x(2, 1, 5, 81), 2),
    sample(x(1, 2, 6, 70), 5, (1, 2), 2),
    sample(x(1, 1, 7, 49), 3, 1, 1),
    sample(x(1, 2, 5, 61), (2, 4), (2, 1), (0, 1), (1, 3)),
    sample(x(1, 3, 11, 40), 3, 3, 1),
    sample(
        Input((1, 1, 2, 4), "values", values=np.array([[[[1.0, np.nan, 2, 3], [4, 5, 6, 7]]]]), grad=False), 2
    ),
]
AVG2D = [
    sample(x(2, 3, 8, 8), 2),
    sample(x(2, 20, 7, 9), 3, 2, 1),
    sample(x(2, 3, 7, 9), 3, 2, 1, False, False),
    sample(x(2, 3, 7, 9), 3, 2, 1, True, True),
    sample(x(2, 3, 7, 9), (3, 2), 2, (1, 0), True, False),
    sample(x(2, 3, 8, 8), 2, divisor_override=3),
    sample(x(1, 2, 9, 75), 3, 2, 1, False, False),
    sample(x(2, 1, 6, 81), 2),
    sample(x(1, 1, 7, 49), 3, 1, 1),
    sample(x(1, 2, 11, 40), (2, 4), 3, (1, 2), True),
    sample(x(2, 19, 4, 4), 4),  # the whole plane
    sample(x(3, 6, 6), 2),
    sample(x(0, 3, 8, 8), 2),
]
ADAPTIVE2D = [
    sample(x(2, 3, 8, 8), 1),
    sample(x(2, 20, 7, 9), (3, 4)),
    sample(x(2, 3, 7, 9), (None, 2)),
    sample(x(3, 5, 5), 5),
    sample(x(2, 3, 2, 3), (4, 7)),
    sample(x(1, 35, 2, 1), 1),
    sample(x(2, 9, 5, 7), 1),
    sample(x(1, 17, 6, 8), 1),
]
ADAPTIVE3D = [sample(x(1, 2, 4, 5, 6), (2, 3, None)), sample(x(2, 3, 2, 3, 4), 1), sample(x(2, 4, 4, 4), 3)]
ERRORS = [
    bad(ValueError, r"\[max_pool2d\] expected an input of 3 or 4 dimensions", x(4, 4), 2),
    bad(ValueError, r"\[max_pool2d\] expected an input at least as large", x(1, 1, 4, 4), 5),
    bad(ValueError, r"\[max_pool2d\] expected padding of at most half", x(1, 1, 4, 4), 2, 2, 2),
    bad(ValueError, r"\[max_pool2d\] expected stride of at least 1", x(1, 1, 4, 4), 2, 0),
    bad(ValueError, r"\[max_pool2d\] expected kernel_size of at least 1", x(1, 1, 4, 4), 0),
    bad(ValueError, r"\[max_pool2d\] expected dilation of at least 1", x(1, 1, 4, 4), 2, dilation=0),
    bad(ValueError, r"\[max_pool2d\] expected spatial sizes of at least 1", x(1, 1, 0, 4), 1),
    bad(TypeError, r"\[max_pool2d\] expected float32 or float64", Input((1, 1, 4, 4), "int"), 2),
]
AVG_ERRORS = [
    bad(ValueError, r"\[avg_pool2d\] expected a divisor_override", x(1, 1, 4, 4), 2, divisor_override=0),
    bad(ValueError, r"\[avg_pool2d\] expected padding of at most half", x(1, 1, 4, 4), 3, padding=2),
]
ADAPTIVE_ERRORS = [
    bad(ValueError, r"\[adaptive_avg_pool2d\] expected output_size of at least 0", x(1, 1, 4, 4), -1),
    bad(ValueError, r"\[adaptive_avg_pool2d\] expected an input of 3 or 4", x(4, 4), 1),
]


def big(*shape):
    return Input(shape)


CASES = [
    Case(
        "pool.max_pool2d",
        F.max_pool2d,
        MAX2D,
        None,
        "nn.functional.max_pool2d",
        benchmarks={
            "3x3s2 64@112 b8": sample(big(8, 64, 112, 112), 3, 2, 1),
            "2x2s2 64@32 b64": sample(big(64, 64, 32, 32), 2),
            "2x2s2 6@24 b64": sample(big(64, 6, 24, 24), 2),
        },
        errors=ERRORS,
    ),
    Case(
        "pool.max_pool1d",
        F.max_pool1d,
        [sample(x(2, 3, 17), 3, 2, 1), sample(x(3, 9), 2)],
        None,
        "nn.functional.max_pool1d",
    ),
    Case(
        "pool.max_pool3d",
        F.max_pool3d,
        [
            sample(x(1, 2, 5, 6, 7), 2),
            sample(x(2, 5, 6, 7), 3, 2, 1),
            sample(x(1, 2, 4, 5, 6), (2, 3, 2), (1, 2, 2), (1, 1, 0), return_indices=True),
            sample(x(1, 18, 4, 5, 6), 2),
        ],
        None,
        "nn.functional.max_pool3d",
        benchmarks={"2x2x2 32@16 b4": sample(big(4, 32, 16, 16, 16), 2)},
    ),
    Case(
        "pool.avg_pool2d",
        F.avg_pool2d,
        AVG2D,
        None,
        "nn.functional.avg_pool2d",
        benchmarks={
            "2x2s2 64@32 b64": sample(big(64, 64, 32, 32), 2),
            "3x3s1p1 192@35 b8": sample(big(8, 192, 35, 35), 3, 1, 1),
        },
        errors=AVG_ERRORS,
    ),
    Case("pool.avg_pool1d", F.avg_pool1d, [sample(x(2, 3, 17), 3, 2, 1)], None, "nn.functional.avg_pool1d"),
    Case(
        "pool.avg_pool3d", F.avg_pool3d, [sample(x(1, 2, 5, 6, 7), 2, 2, 1)], None, "nn.functional.avg_pool3d"
    ),
    Case(
        "pool.adaptive_avg_pool2d",
        F.adaptive_avg_pool2d,
        ADAPTIVE2D,
        None,
        "nn.functional.adaptive_avg_pool2d",
        benchmarks={"512@4 b64": sample(big(64, 512, 4, 4), 1), "2048@7 b8": sample(big(8, 2048, 7, 7), 1)},
        errors=ADAPTIVE_ERRORS,
    ),
    Case(
        "pool.adaptive_avg_pool3d",
        F.adaptive_avg_pool3d,
        ADAPTIVE3D,
        None,
        "nn.functional.adaptive_avg_pool3d",
    ),
    Case(
        "pool.adaptive_max_pool3d",
        F.adaptive_max_pool3d,
        ADAPTIVE3D,
        None,
        "nn.functional.adaptive_max_pool3d",
    ),
    Case(
        "pool.adaptive_avg_pool1d",
        F.adaptive_avg_pool1d,
        [sample(x(2, 3, 17), 5)],
        None,
        "nn.functional.adaptive_avg_pool1d",
    ),
    Case(
        "pool.adaptive_max_pool2d",
        F.adaptive_max_pool2d,
        [*ADAPTIVE2D, sample(x(2, 3, 7, 9), 3, return_indices=True)],
        None,
        "nn.functional.adaptive_max_pool2d",
    ),
    Case(
        "pool.adaptive_max_pool1d",
        F.adaptive_max_pool1d,
        [sample(x(2, 3, 17), 5)],
        None,
        "nn.functional.adaptive_max_pool1d",
    ),
]
