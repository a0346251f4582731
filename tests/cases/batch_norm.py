"""Batch normalisation."""

import numpy as np
from case import Case, Input, sample

from lamina.nn import functional as F


def statistics(channels):
    return Input((channels,), grad=False), Input((channels,), "positive", grad=False)


def affine(channels):
    return Input((channels,)), Input((channels,))


TRAINING = [
    sample(Input((8, 5)), None, None, *affine(5), True),
    sample(Input((4, 19, 7)), None, None, *affine(19), True),
    sample(Input((3, 21, 5, 6)), None, None, *affine(21), True),
    sample(Input((3, 2, 37, 5)), None, None, None, None, True, eps=1e-3),
    sample(Input((2, 3, 3, 2, 4)), None, None, Input((3,)), None, True),
    sample(Input((300, 17)), None, None, *affine(17), True),
]
EVALUATION = [
    sample(Input((8, 5)), *statistics(5), *affine(5), False),
    sample(Input((3, 21, 5, 6)), *statistics(21), *affine(21), False),
    sample(Input((3, 2, 5, 6)), *statistics(2), None, None, False),
    sample(Input((0, 3, 4, 4)), *statistics(3), *affine(3), False),
]


def batch_norm(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    others = tuple(d for d in range(x.ndim) if d != 1)
    columns = [-1 if d == 1 else 1 for d in range(x.ndim)]
    if training or mean is None:
        mean, var = x.mean(axis=others), x.var(axis=others)
    y = (x - mean.reshape(columns)) / np.sqrt(var.reshape(columns) + eps)
    if weight is not None:
        y = y * weight.reshape(columns)
    return y if bias is None else y + bias.reshape(columns)


def big(n, c, size):
    return sample(Input((n, c, size, size)), None, None, *affine(c), True)


CASES = [
    Case(
        "batch_norm.training",
        F.batch_norm,
        TRAINING,
        batch_norm,
        "nn.functional.batch_norm",
        rtol=1e-4,
        atol=1e-5,
        benchmarks={
            "64@56 b8": big(8, 64, 56),
            "64@32 b64": big(64, 64, 32),
            "2048@7 b8": big(8, 2048, 7),
        },
    ),
    Case("batch_norm.evaluation", F.batch_norm, EVALUATION, batch_norm, "nn.functional.batch_norm"),
]
