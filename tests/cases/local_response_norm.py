"""Local response normalisation."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    squares = np.pad(x * x, [(0, 0), (size // 2, (size - 1) // 2)] + [(0, 0)] * (x.ndim - 2))
    total = sum(squares[:, t : t + x.shape[1]] for t in range(size))
    return x / (k + alpha / size * total) ** beta


CASES = [
    Case(
        "local_response_norm",
        F.local_response_norm,
        [
            sample(Input((2, 7, 5)), 3, 0.3),
            sample(Input((2, 19, 4, 5)), 4, 0.5, 0.6, 2.0),
            sample(Input((1, 33, 3, 6)), 5, 1e-1),
            sample(Input((2, 3, 17)), 1, 0.5, 1.0, 0.5),
            sample(Input((2, 3, 2, 3, 2)), 9, 0.5),
            sample(Input((2, 20, 1, 1)), 5, 0.5),
            sample(Input((2, 3, 4)), 2, 0.5, 0.0),
            sample(Input((0, 3, 4)), 2),
        ],
        local_response_norm,
        "nn.functional.local_response_norm",
        rtol=2e-5,
        errors=[
            bad(ValueError, r"\[local_response_norm\] expected at least 3", Input((2, 3)), 2),
            bad(ValueError, r"\[local_response_norm\] expected a size of at least 1", Input((2, 3, 4)), 0),
            bad(TypeError, r"\[local_response_norm\] expected float32", Input((2, 3, 4), "int"), 2),
        ],
        benchmarks={"AlexNet 64@55 b8": sample(Input((8, 64, 55, 55)), 5, 1e-4, 0.75, 2.0)},
    ),
]
