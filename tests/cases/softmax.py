"""Softmax and its logarithm."""

import numpy as np
from case import Case, Input, sample

from lamina.nn import functional as F


def softmax(x, dim):
    e = np.exp(x - x.max(axis=dim, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=dim, keepdims=True)


def log_softmax(x, dim):
    shifted = x - x.max(axis=dim, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


SAMPLES = [
    sample(Input((3, 10)), 1),
    sample(Input((10, 37)), 0),
    sample(Input((2, 5, 3, 4)), 1),
    sample(Input((2, 19, 7)), -1),
    sample(Input((1000,)), 0),
    sample(Input((3, 1)), 1),
    sample(Input((0, 4)), 1),
    sample(Input((2, 3), "values", values=np.array([[1e4, 0.0, -1e4], [-np.inf, 0.0, 1.0]]), grad=False), 1),
]

CASES = [
    Case(
        "softmax.softmax",
        F.softmax,
        SAMPLES,
        softmax,
        "softmax",
        benchmarks={"4096x4096": sample(Input((4096, 4096)), 1), "64x10": sample(Input((64, 10)), 1)},
    ),
    Case("softmax.log_softmax", F.log_softmax, SAMPLES[:-1], log_softmax, "log_softmax"),
]
