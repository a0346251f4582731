"""The cross product."""

import numpy as np
from case import Case, Input, bad, sample

import lamina


def cross(a, b, dim=None):
    if dim is None:
        dim = a.shape.index(3)
    a, b = np.broadcast_arrays(a, b)
    return np.cross(a, b, axis=dim)


CASES = [
    Case(
        "cross.cross",
        lamina.cross,
        [
            sample(Input((3,)), Input((3,))),
            sample(Input((5, 3)), Input((5, 3))),
            sample(Input((3, 5)), Input((3, 5))),
            sample(Input((2, 3, 4)), Input((2, 3, 4)), 1),
            sample(Input((2, 3, 4)), Input((1, 3, 1)), -2),
            sample(Input((1, 3)), Input((40, 3)), -1),
            sample(Input((0, 3)), Input((0, 3)), 1),
        ],
        cross,
        lambda torch, a, b, dim=None: torch.linalg.cross(a, b, dim=a.shape.index(3) if dim is None else dim),
        errors=[
            bad(
                ValueError,
                r"\[cross\] expected a dimension of 3 elements, got shape \(4,\)",
                Input((4,)),
                Input((4,)),
            ),
            bad(ValueError, "3 components in dimension 0", Input((2, 3)), Input((2, 3)), 0),
            bad(ValueError, "as many dimensions", Input((3,)), Input((2, 3))),
            bad(ValueError, "broadcast", Input((2, 3)), Input((4, 3)), 1),
            bad(IndexError, "dimension", Input((2, 3)), Input((2, 3)), 2),
        ],
        benchmarks={
            "3x10^5": sample(Input((3, 100_000)), Input((3, 100_000)), 0),
            "10^5x3": sample(Input((100_000, 3)), Input((100_000, 3)), 1),
        },
    ),
    Case(
        "cross.nan",
        lamina.cross,
        [sample(Input(kind="values", values=[[np.nan, 1.0, np.inf]]), Input((1, 3)))],
        cross,
        lambda torch, a, b: torch.linalg.cross(a, b),
        differentiable=False,
    ),
    Case(
        "cross.integers",
        lamina.cross,
        [sample(Input((4, 3), "int"), Input((4, 3), "int"), 1)],
        cross,
        lambda torch, a, b, dim: torch.linalg.cross(a, b, dim=dim),
        differentiable=False,
        dtypes=("float32",),
    ),
]
