"""Elements repeated, reversed, rotated, or cut to a triangle."""

import numpy as np
from case import Case, Input, bad, sample

import lamina

X = Input((2, 3, 4))
ALL = ("float32", "float64", "int64", "bool", "bfloat16")
COUNTS = Input(kind="values", values=[2, 0, 3])


def torch_method(name):
    return lambda torch, x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


CASES = [
    Case(
        "rearrange.repeat",
        lambda x, *n: x.repeat(*n),
        [
            sample(X, 1, 2, 3),
            sample(Input((3,)), 2, 3),
            sample(X, 0, 1, 1),
            sample(X, (1, 1, 1)),
            sample(Input(()), 3),
        ],
        lambda x, *n: np.tile(x, n[0] if isinstance(n[0], tuple) else n),
        torch_method("repeat"),
        errors=[
            bad(ValueError, "3 or more counts", X, 2),
            bad(ValueError, "counts of at least 0", X, 1, 1, -1),
        ],
    ),
    Case(
        "rearrange.tile",
        lamina.tile,
        [sample(X, (2,)), sample(X, (2, 1, 1, 2)), sample(Input(()), (2, 2)), sample(X, ())],
        np.tile,
        "tile",
    ),
    Case(
        "rearrange.repeat_interleave",
        lamina.repeat_interleave,
        [
            sample(X, 2),
            sample(X, 3, 1),
            sample(X, 0, -1),
            sample(X, COUNTS, 1),
            sample(Input((3,)), COUNTS),
            sample(X, Input(kind="values", values=[2]), 0),
            sample(X, Input(kind="values", values=[2, 2, 2]), 1, output_size=6),
        ],
        lambda x, n, dim=None, output_size=None: np.repeat(x, n, dim),
        "repeat_interleave",
        errors=[
            bad(ValueError, "expected 2 counts for dimension 0", X, COUNTS, 0),
            bad(ValueError, "count of at least 0", X, -1),
            bad(ValueError, "counts of at least 0", X, Input(kind="values", values=[1, -1, 1]), 1),
            bad(ValueError, "output_size is 7", X, COUNTS, 1, output_size=7),
            bad(TypeError, "int64 or int32", X, Input((3,), grad=False), 1),
        ],
    ),
    Case(
        "rearrange.repeat_counts",
        lamina.repeat_interleave,
        [sample(COUNTS), sample(Input(kind="values", values=np.zeros(0, np.int64)))],
        lambda n: np.repeat(np.arange(len(n)), n),
        "repeat_interleave",
        differentiable=False,
        dtypes=("float32",),
        errors=[bad(ValueError, "needs more bytes", Input(kind="values", values=[2**61, 2**61]))],
    ),
    Case(
        "rearrange.flip",
        lamina.flip,
        [sample(X, (0,)), sample(X, (0, 2)), sample(X, (-2,)), sample(X, ()), sample(Input((0, 2)), (0, 1))],
        np.flip,
        "flip",
        dtypes=ALL,
        errors=[
            bad(ValueError, "each dimension once", X, (0, -3)),
            bad(IndexError, "expected a dimension", X, (3,)),
        ],
    ),
    Case("rearrange.fliplr", lamina.fliplr, [sample(X)], np.fliplr, "fliplr"),
    Case("rearrange.flipud", lamina.flipud, [sample(X)], np.flipud, "flipud"),
    Case(
        "rearrange.roll",
        lamina.roll,
        [
            sample(X, 5),
            sample(X, (1, -2), (0, 2)),
            sample(X, 7, -1),
            sample(X, (1, 1), (2, 2)),
            sample(X, (1, 2, 3), (0, 1, 2)),
            sample(Input((0, 2)), 1, 0),
            sample(Input(()), 1),
        ],
        np.roll,
        "roll",
        dtypes=ALL,
        errors=[
            bad(ValueError, "as many shifts as dimensions", X, (1, 2), (0,)),
            bad(ValueError, "one shift", X, (1, 2)),
        ],
    ),
    Case(
        "rearrange.rot90",
        lamina.rot90,
        [sample(X, k) for k in (-1, 0, 1, 2, 3)] + [sample(X, 1, (2, 0))],
        np.rot90,
        "rot90",
        errors=[bad(ValueError, "two different dimensions", X, 1, (0, 0))],
    ),
    *(
        Case(
            f"rearrange.{name}",
            getattr(lamina, name),
            [sample(Input((3, 5)), k) for k in (-9, -1, 0, 2, 9)]
            + [sample(Input((2, 3, 3))), sample(Input((0, 3)))],
            getattr(np, name),
            name,
            dtypes=ALL,
            errors=[bad(ValueError, "at least 2 dimensions", Input((3,)))],
            benchmarks={"1024x1024": sample(Input((1024, 1024)))},
        )
        for name in ("triu", "tril")
    ),
    *(
        Case(
            f"rearrange.{name}_indices",
            getattr(lamina, f"{name}_indices"),
            [sample(3, 5), sample(4, 2, -1), sample(2, 2, 5), sample(0, 3)],
            lambda r, c, k=0, name=name: np.stack(getattr(np, f"{name}_indices")(r, k, c)),
            f"{name}_indices",
            differentiable=False,
            dtypes=("float32",),
        )
        for name in ("triu", "tril")
    ),
]
