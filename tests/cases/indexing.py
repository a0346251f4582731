"""Gather, scatter and their kin.  Keys between brackets are in tests/test_indexing.py."""

import numpy as np
from case import Case, Input, bad, sample

import lamina

X = Input((3, 4, 5))


def ints(*values):
    return Input(kind="values", values=np.array(values, np.int64))


ROWS = ints(2, 0, 2)
FULL = Input((2, 4, 5), "int", high=3)
MASK = Input((3, 4, 5), "bool")
FAR = r"index 7 is out of range for dimension 0 of size 3"


def written(function):
    def apply(x, *args, **kwargs):
        y = x.copy()
        function(y, *args, **kwargs)
        return y

    return apply


def at(dim, index):
    return (slice(None),) * dim + (index,)


def grid(index, dim):
    coordinates = list(np.indices(index.shape))
    coordinates[dim] = index
    return tuple(coordinates)


@written
def scatter(x, dim, index, src):
    x[grid(index, dim)] = src if np.isscalar(src) else src[tuple(slice(n) for n in index.shape)]


@written
def scatter_add(x, dim, index, src):
    np.add.at(x, grid(index, dim), src[tuple(slice(n) for n in index.shape)])


@written
def index_add(x, dim, index, source, alpha=1):
    np.add.at(x, at(dim, index), alpha * source)


@written
def index_copy(x, dim, index, source):
    x[at(dim, index)] = source


def cut(src, index):
    """torch's gradient fails where the source is larger than the index."""
    return src[tuple(slice(n) for n in index.shape)] if hasattr(src, "shape") else src


DISTINCT = Input(
    kind="values", values=np.array([[[2, 0, 1, 3]], [[1, 0, 3, 2]]], np.int64).transpose(0, 2, 1)
)

CASES = [
    Case(
        "indexing.gather",
        lamina.gather,
        [
            sample(X, 0, FULL),
            sample(X, 1, ints([[3, 0], [1, 1]])),
            sample(X, -1, Input((3, 4, 7), "int", high=5)),
            sample(Input((5,)), 0, ROWS),
            sample(Input(()), 0, Input(kind="values", values=np.int64(0))),
            sample(X, 0, Input((0, 4, 5), "int", high=3)),
        ],
        lambda x, dim, index: x[grid(index, dim)] if x.ndim else x,
        "gather",
        dtypes=("float32", "float64", "int64", "bool", "bfloat16"),
        errors=[
            bad(
                IndexError,
                "index 3 is out of range for dimension 1 of size 3",
                Input((2, 3)),
                1,
                ints([0], [3]),
            ),
            bad(IndexError, "index -1 is out of range", Input((2, 3)), 1, ints([0], [-1])),
            bad(ValueError, "within shape", Input((2, 3)), 1, ints([0], [0], [0])),
            bad(ValueError, "an index of 2 dimensions", Input((2, 3)), 1, ints(0)),
            bad(TypeError, "an index of int64 or int32", Input((2, 3)), 1, Input((2, 3), grad=False)),
            bad(TypeError, "expected an index tensor", Input((2, 3)), 1, [0]),
        ],
        benchmarks={
            "last of 256x10": sample(Input((256, 10)), 1, Input((256, 1), "int", high=10)),
            "first of 4096x64": sample(Input((4096, 64)), 0, Input((4096, 64), "int", high=4096)),
        },
    ),
    Case(
        "indexing.scatter",
        lamina.scatter,
        [
            sample(X, 1, DISTINCT, Input((2, 4, 1))),
            sample(X, 1, DISTINCT, Input((3, 4, 2))),
            sample(X, 1, DISTINCT, 2.5),
            sample(Input((5,)), 0, ints(3, 1), Input((2,))),
            sample(X, 0, Input((0, 4, 5), "int", high=3), Input((0, 4, 5))),
        ],
        scatter,
        lambda torch, x, dim, index, src: torch.scatter(x, dim, index, cut(src, index)),
        errors=[
            bad(IndexError, FAR, Input((3, 2)), 0, ints([7, 0]), 1.0),
            bad(ValueError, "at least shape", Input((3, 2)), 0, ints([0, 1]), Input((1, 1))),
            bad(TypeError, "a source of float32", Input((3, 2)), 0, ints([0, 1]), ints([0, 1])),
            bad(TypeError, "either src or value", Input((3, 2)), 0, ints([0, 1])),
            bad(ValueError, "'add' or 'multiply'", Input((3, 2)), 0, ints([0, 1]), 1.0, reduce="mean"),
            bad(RuntimeError, "no gradient", Input((3, 2)), 0, ints([0, 1]), 1.0, reduce="multiply"),
        ],
        benchmarks={
            "one-hot 4096x100": sample(Input((4096, 100)), 1, Input((4096, 1), "int", high=100), 1.0)
        },
    ),
    Case(
        "indexing.scatter_reduce_add",
        lambda *args: lamina.scatter(*args, reduce="add"),
        [sample(X, 0, FULL, Input((2, 4, 5))), sample(Input((3, 2)), 1, ints([0, 0], [1, 0]), Input((2, 2)))],
        scatter_add,
        lambda torch, x, dim, index, src: torch.scatter_add(x, dim, index, src),
    ),
    Case(
        "indexing.scatter_multiply",
        lambda *args: lamina.scatter(*args, reduce="multiply"),
        [sample(Input((3, 4), grad=False), 0, ints([0, 1, 0, 2], [0, 2, 1, 2]), 3.0)],
        None,
        lambda torch, *args: torch.scatter(*args, reduce="multiply"),
        differentiable=False,
    ),
    Case(
        "indexing.scatter_add",
        lamina.scatter_add,
        [
            sample(X, 0, FULL, Input((2, 4, 5))),
            sample(X, 2, Input((3, 4, 9), "int", high=5), Input((3, 4, 9))),
            sample(X, 1, Input((2, 6, 3), "int", high=4), Input((2, 7, 5))),
            sample(Input((5,)), 0, Input((100,), "int", high=5), Input((100,))),
        ],
        scatter_add,
        lambda torch, x, dim, index, src: torch.scatter_add(x, dim, index, cut(src, index)),
        errors=[bad(IndexError, FAR, Input((3, 2)), 0, ints([7, 0]), Input((1, 2)))],
        benchmarks={
            "first of 4096x64": sample(
                Input((4096, 64)), 0, Input((4096, 64), "int", high=4096), Input((4096, 64))
            )
        },
    ),
    Case(
        "indexing.index_select",
        lamina.index_select,
        [
            sample(X, 0, ROWS),
            sample(X, -2, ints(3, 3)),
            sample(X, 2, ints()),
            sample(X, 1, Input(kind="values", values=np.int64(2))),
            sample(Input(()), 0, ints(0)),
        ],
        lambda x, dim, index: np.take(x, np.atleast_1d(index), dim) if x.ndim else x,
        "index_select",
        dtypes=("float32", "float64", "int32", "bool", "float16"),
        errors=[
            bad(IndexError, FAR, X, 0, ints(7)),
            bad(IndexError, "index -1 is out of range", X, 0, ints(-1)),
            bad(ValueError, "at most 1 dimension", X, 0, ints([0])),
            bad(IndexError, "of size 0", Input((0, 2)), 0, ints(0)),
        ],
        benchmarks={
            f"4096 of 10000x{n}": sample(Input((10000, n)), 0, Input((4096,), "int", high=10000))
            for n in (16, 128, 512)
        },
    ),
    Case(
        "indexing.index_add",
        lamina.index_add,
        [
            sample(X, 0, ROWS, X),
            sample(X, 1, ints(1, 1), Input((3, 2, 5)), alpha=-2),
            sample(X, 2, ints(0, 4, 0), Input((3, 4, 3))),
            sample(Input((40, 300)), 0, Input((500,), "int", high=40), Input((500, 300))),
        ],
        index_add,
        "index_add",
        errors=[
            bad(IndexError, FAR, X, 0, ints(7), Input((1, 4, 5))),
            bad(ValueError, "a source of shape", X, 0, ints(1), Input((2, 4, 5))),
        ],
        benchmarks={
            f"4096 into 10000x{n}": sample(
                Input((10000, n)), 0, Input((4096,), "int", high=10000), Input((4096, n))
            )
            for n in (16, 128, 512)
        },
    ),
    Case(
        "indexing.index_copy",
        lamina.index_copy,
        [sample(X, 0, ints(2, 0), Input((2, 4, 5))), sample(X, 2, ints(1), Input((3, 4, 1)))],
        index_copy,
        "index_copy",
    ),
    Case(
        "indexing.index_fill",
        lamina.index_fill,
        [sample(X, 0, ROWS, 2.5), sample(X, 1, ints(1), Input(())), sample(X, 2, ints(), 1)],
        index_copy,
        "index_fill",
        errors=[bad(ValueError, "a number or a 0-d tensor", X, 0, ROWS, Input((3,)))],
    ),
    Case(
        "indexing.index_put",
        lamina.index_put,
        [
            sample(X, (ROWS,), Input((4, 5)), accumulate=True),
            sample(X, (ROWS, ints(1, 1, 1)), Input((3, 5)), accumulate=True),
            sample(X, (ints(0, 2), ints(1, 3)), Input((2, 1))),
            sample(X, (MASK,), Input(())),
        ],
        None,
        lambda torch, x, i, v, accumulate=False: torch.index_put(x, i, v, accumulate),
        errors=[
            bad(IndexError, FAR, X, (ints(7),), Input(())),
            bad(IndexError, "too many indices", X, (ROWS,) * 4, Input(())),
            bad(ValueError, "broadcast", X, (ROWS,), Input((2, 2))),
            bad(TypeError, "a tuple of tensors", X, ROWS, Input(())),
            bad(ValueError, "at least one index", X, (), Input(())),
        ],
    ),
    Case(
        "indexing.take",
        lamina.take,
        [sample(X, ints(0, 59, 7, 7)), sample(X, ints([-1], [3])), sample(Input((2,)), ints())],
        lambda x, index: np.take(x.reshape(-1), index),
        "take",
        errors=[bad(IndexError, "index 60 is out of range", X, ints(60))],
    ),
    Case(
        "indexing.take_along_dim",
        lamina.take_along_dim,
        [
            sample(X, Input((3, 2, 5), "int", high=4), 1),
            sample(X, Input((3, 1, 1), "int", high=4), 1),
            sample(Input((1, 4)), Input((3, 2), "int", high=4), -1),
            sample(X, ints(3, 9)),
        ],
        lambda x, index, dim=None: np.take_along_axis(x, index, dim),
        "take_along_dim",
    ),
    Case(
        "indexing.masked_select",
        lamina.masked_select,
        [sample(X, MASK), sample(Input((4, 1)), Input((3,), "bool")), sample(Input(()), Input((), "bool"))],
        lambda x, mask: (lambda a, m: a[m])(*np.broadcast_arrays(x, mask)),
        "masked_select",
        errors=[bad(TypeError, "a bool tensor as mask", X, FULL)],
        benchmarks={"half of 1024x1024": sample(Input((1024, 1024)), Input((1024, 1024), "bool"))},
    ),
    Case(
        "indexing.masked_scatter",
        lamina.masked_scatter,
        [sample(X, MASK, X), sample(X, Input((4, 1), "bool"), Input((70,)))],
        None,
        "masked_scatter",
        errors=[
            bad(
                ValueError,
                "at least 3 elements",
                Input((3,)),
                Input(kind="values", values=[True] * 3),
                Input((2,)),
            )
        ],
    ),
    Case(
        "indexing.nonzero",
        lamina.nonzero,
        [
            sample(MASK),
            sample(Input((0, 3))),
            sample(Input((70000,), "bool")),
            sample(Input(kind="values", values=[0, 3])),
            sample(Input((), "values", values=True)),
            sample(Input((300, 200), "bool")),
        ],
        lambda x: np.argwhere(x),
        "nonzero",
        differentiable=False,
        benchmarks={"1024x1024": sample(Input((1024, 1024), "bool"))},
    ),
    Case(
        "indexing.nonzero_tuple",
        lambda x: lamina.nonzero(x, as_tuple=True),
        [sample(MASK), sample(Input((70000,), "bool")), sample(Input((), "values", values=True))],
        lambda x: list(np.nonzero(np.atleast_1d(x))),
        lambda torch, x: torch.nonzero(x, as_tuple=True),
        differentiable=False,
    ),
]
