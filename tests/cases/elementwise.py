"""Elementwise arithmetic."""

import numpy as np
from case import Case, Input, sample

import lamina

BINARY_SAMPLES = [
    sample(Input((3, 4)), Input((3, 4))),
    sample(Input((2, 1, 5)), Input((3, 1))),
    sample(Input(()), Input((7,))),
    sample(Input((0, 3)), Input((3,))),
    sample(Input((33, 17)), 1.5),
]

CASES = [
    Case("elementwise.add", lamina.add, BINARY_SAMPLES, np.add, "add"),
    Case("elementwise.mul", lamina.mul, BINARY_SAMPLES, np.multiply, "mul"),
]
