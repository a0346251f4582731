"""Order."""

import numpy as np
from case import Case, Input, bad, sample

import lamina

X = Input((3, 4, 5), "distinct")
TIES = Input((40, 7), "int", high=3)
NAN = Input(kind="values", values=[[np.nan, 1.0, -0.0, 0.0], [-np.inf, np.nan, np.inf, np.nan]])
DTYPES = ("float32", "float64", "int64", "int32", "int8", "uint8", "bool", "float16", "bfloat16")


def order(x, dim=-1, descending=False):
    x = np.asarray(x)
    if x.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x, dim, kind="stable")
    # Reversed twice, so that equal elements keep their order.
    flipped = np.argsort(np.flip(x, dim), dim, kind="stable")
    return np.flip(x.shape[dim] - 1 - flipped, dim)


def sort(x, dim=-1, descending=False, k=None):
    index = order(x, dim, descending)
    if x.ndim == 0:
        return x, index
    index = np.take(index, range(x.shape[dim] if k is None else k), dim)
    return np.take_along_axis(x, index, dim), index


def stable(torch, x, dim=-1, descending=False):
    return torch.sort(x, dim=dim, descending=descending, stable=True)


CASES = [
    Case(
        "sort.sort",
        lamina.sort,
        [
            sample(X),
            sample(X, 0),
            sample(X, 1, True),
            sample(Input((0, 3)), 0),
            sample(Input((3, 0))),
            sample(Input(())),
        ],
        sort,
        stable,
        errors=[bad(IndexError, "expected a dimension", X, 3)],
        benchmarks={"1000x1000": sample(Input((1000, 1000))), "10^6": sample(Input((1000000,)))},
    ),
    Case(
        "sort.long",
        lamina.sort,
        [sample(Input((1000,))), sample(Input((20000,)), -1, True), sample(Input((2, 8193)))],
        sort,
        stable,
        differentiable=False,
    ),
    Case("sort.ties", lamina.sort, [sample(TIES), sample(TIES, 0, True)], sort, stable, differentiable=False),
    Case(
        "sort.nan",
        lamina.sort,
        [sample(NAN), sample(NAN, -1, True)],
        sort,
        stable,
        differentiable=False,
        dtypes=("float32", "float64", "bfloat16"),
    ),
    Case(
        "sort.dtypes",
        lamina.sort,
        [sample(Input((500,))), sample(Input((9, 3)), 0, True)],
        sort,
        stable,
        dtypes=DTYPES,
        differentiable=False,
    ),
    Case(
        "sort.argsort",
        lamina.argsort,
        [sample(X), sample(X, 0, True)],
        order,
        "argsort",
        differentiable=False,
    ),
    Case("sort.msort", lamina.msort, [sample(X)], lambda x: np.sort(x, 0), "msort"),
    Case(
        "sort.topk",
        lamina.topk,
        [
            sample(X, 2),
            sample(X, 3, 1),
            sample(X, 0),
            sample(X, 5, -1, False),
            sample(Input((3000,), "distinct"), 5),
            sample(Input((3000,), "distinct"), 100),
            sample(Input(()), 1),
        ],
        lambda x, k, dim=-1, largest=True: sort(x, dim, largest, k),
        "topk",
        errors=[
            bad(ValueError, "k from 0 to the 5 elements", X, 6),
            bad(ValueError, "k of at least 0", X, -1),
        ],
        benchmarks={
            "5 of 256x1000": sample(Input((256, 1000)), 5),
            "100 of 10^6": sample(Input((1000000,)), 100),
        },
    ),
    Case(
        "sort.topk_ties",
        lamina.topk,
        [sample(Input((5000,), "int", high=50), k) for k in (3, 16, 17, 400)]
        + [sample(NAN, 2), sample(NAN, 2, -1, False)],
        lambda x, k, dim=-1, largest=True: sort(x, dim, largest, k),
        differentiable=False,
    ),
    Case(
        "sort.kthvalue",
        lamina.kthvalue,
        [sample(X, 2), sample(X, 1, 0), sample(X, 4, 1, True), sample(Input(()), 1)],
        None,
        "kthvalue",
        errors=[bad(ValueError, "k from 1 to 5", X, 0), bad(ValueError, "k from 1 to 5", X, 6)],
    ),
]
