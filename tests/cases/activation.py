"""Activations."""

import numpy as np
from case import Case, Input, sample

from lamina.nn import functional as F

SHAPES = [(3, 4), (33, 17), (0, 3), (2, 5, 3, 4), ()]


def samples(*args):
    return [sample(Input(shape), *args) for shape in SHAPES]


BIG = {"1e7": sample(Input((10_000_000,)))}

CASES = [
    Case("activation.relu", F.relu, samples(), lambda x: np.maximum(x, 0), "nn.functional.relu", benchmarks=BIG),
    Case(
        "activation.leaky_relu",
        F.leaky_relu,
        [*samples(), *samples(0.3)],
        lambda x, slope=0.01: np.where(x > 0, x, slope * x),
        "nn.functional.leaky_relu",
    ),
    Case(
        "activation.elu",
        F.elu,
        [*samples(), *samples(1.7)],
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
        "nn.functional.elu",
    ),
    Case("activation.sigmoid", F.sigmoid, samples(), lambda x: 1 / (1 + np.exp(-x)), "sigmoid", benchmarks=BIG),
    Case("activation.tanh", F.tanh, samples(), np.tanh, "tanh", benchmarks=BIG),
]
