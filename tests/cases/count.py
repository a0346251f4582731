"""Which values there are, how often, and where they belong."""

import numpy as np
from case import Case, Input, bad, sample

import lamina

TIES = Input((40, 7), "int", high=9)
ROWS = Input(kind="values", values=np.sort(np.random.default_rng(0).integers(0, 20, (3, 8))))
EDGES = Input(kind="values", values=[-1.5, 0.0, 0.0, 2.0], dtype="float64")


def searched(rows, x, right=False, side=None, out_int32=False):
    side = side or ("right" if right else "left")
    if rows.ndim == 1:
        return np.searchsorted(rows, x, side)
    return np.stack([np.searchsorted(r, v, side) for r, v in zip(rows, x, strict=True)])


CASES = [
    Case(
        "count.unique",
        lamina.unique,
        [
            sample(TIES),
            sample(TIES, return_counts=True),
            sample(TIES, return_inverse=True, return_counts=True),
            sample(Input((0,), grad=False)),
            sample(Input((20,), grad=False)),
        ],
        None,
        "unique",
        differentiable=False,
    ),
    Case(
        "count.unique_consecutive",
        lamina.unique_consecutive,
        [
            sample(TIES),
            sample(Input(kind="values", values=[1, 1, 2, 1]), return_inverse=True, return_counts=True),
        ],
        None,
        "unique_consecutive",
        differentiable=False,
    ),
    Case(
        "count.bincount",
        lamina.bincount,
        [
            sample(Input((100,), "int", high=7)),
            sample(Input((100,), "int", high=7), minlength=12),
            sample(Input((100,), "int", high=7), Input((100,), grad=False)),
            sample(Input((100,), "int", high=7), Input((100,), "int")),
            sample(Input((0,), "int")),
        ],
        lambda x, weights=None, minlength=0: np.bincount(x, weights, minlength),
        "bincount",
        differentiable=False,
        errors=[
            bad(ValueError, "integers of at least 0, got -2", Input(kind="values", values=[1, -2])),
            bad(ValueError, "a vector of integers", Input((2, 2), "int")),
            bad(ValueError, "a vector of integers", Input((2,))),
            bad(ValueError, "weights of shape", Input((2,), "int"), Input((3,))),
            bad(ValueError, "minlength", Input((2,), "int"), None, -1),
        ],
        benchmarks={"10^6": sample(Input((1000000,), "int", high=1000))},
    ),
    Case(
        "count.searchsorted",
        lamina.searchsorted,
        [
            sample(EDGES, Input((3, 4), grad=False, dtype="float64")),
            sample(EDGES, EDGES, right=True),
            sample(EDGES, EDGES, side="left", out_int32=True),
            sample(ROWS, Input((3, 5), "int", high=20)),
            sample(EDGES, 0.0),
            sample(Input((0,), "int"), TIES),
        ],
        searched,
        "searchsorted",
        differentiable=False,
        dtypes=("float64",),
        errors=[
            bad(ValueError, "agrees with", ROWS, Input((2, 5), "int")),
            bad(ValueError, "'left' or 'right'", EDGES, EDGES, side="middle"),
        ],
    ),
    Case(
        "count.bucketize",
        lamina.bucketize,
        [
            sample(Input((3, 4), grad=False, dtype="float64"), EDGES),
            sample(EDGES, EDGES, right=True),
            sample(2.0, EDGES),
        ],
        lambda x, edges, right=False: np.searchsorted(edges, x, "right" if right else "left"),
        "bucketize",
        differentiable=False,
        dtypes=("float64",),
        errors=[bad(ValueError, "boundaries of 1 dimension", EDGES, ROWS)],
    ),
]
