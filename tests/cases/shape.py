"""Views in other shapes."""

import numpy as np
from case import Case, Input, bad, sample

import lamina

X = Input((2, 3, 4))
ALL = ("float32", "float64", "int64", "bool")


def torch_method(name):
    return lambda torch, x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def attribute(name):
    return (lambda x: getattr(x, name)), (lambda torch, x: getattr(x, name))


CASES = [
    Case(
        "shape.reshape",
        lamina.reshape,
        [
            sample(X, (4, 6)),
            sample(X, (-1,)),
            sample(X, (2, 3, 2, 2)),
            sample(X, (1, 24, 1)),
            sample(Input(()), (1, 1)),
            sample(Input((1,)), ()),
            sample(Input((0, 3)), (3, 0)),
            sample(Input((0, 3)), (-1, 3)),
        ],
        np.reshape,
        "reshape",
        errors=[
            bad(ValueError, "does not hold the 24 elements", X, (5, 5)),
            bad(ValueError, "at most one -1", X, (-1, -1)),
            bad(ValueError, "does not hold", X, (-1, 7)),
            bad(ValueError, "does not hold", Input((0, 3)), (-1, 0)),
            bad(ValueError, "sizes of at least 0", X, (-2, -12)),
            bad(ValueError, "more elements than 64 bits count", Input((0,)), (2**32, 2**32)),
            bad(TypeError, "integer sizes", X, (2.0, 12)),
        ],
    ),
    Case(
        "shape.view",
        lambda x, *size: x.transpose(0, 1).contiguous().view(*size),
        [sample(X, 3, 8), sample(X, (3, -1)), sample(Input((1, 1)), ())],
        lambda x, *size: np.reshape(x.swapaxes(0, 1), size[0] if isinstance(size[0], tuple) else size),
        lambda torch, x, *size: x.transpose(0, 1).contiguous().view(*size),
    ),
    Case(  # copies that change which dimension is contiguous: squares, their rests, dimensions around and between
        "shape.transposed_copy",
        lambda x, *dims: x.permute(dims).contiguous(),
        [
            sample(Input((16, 16)), 1, 0),
            sample(Input((70, 37)), 1, 0),
            sample(Input((300, 130)), 1, 0),
            sample(Input((15, 40)), 1, 0),  # too few rows for a square on the widest vectors
            sample(Input((3, 17, 33)), 0, 2, 1),
            sample(Input((2, 18, 5, 21)), 0, 2, 3, 1),
            sample(Input((20, 2, 19, 3)), 1, 2, 3, 0),
            sample(Input((20, 3, 2, 19)), 3, 1, 2, 0),
            sample(Input((0, 20, 20)), 0, 2, 1),
        ],
        lambda x, *dims: x.transpose(dims),
        lambda torch, x, *dims: x.permute(dims).contiguous(),
        dtypes=("float32", "float64", "float16", "int64"),
        benchmarks={"32x64x3136": sample(Input((32, 64, 3136)), 0, 2, 1)},
    ),
    Case(
        "shape.view_of_slice",
        lambda x: x[:, 1:].view(-1, 2, 1, 4),
        [sample(X)],
        lambda x: x[:, 1:].reshape(-1, 2, 1, 4),
        lambda torch, x: x[:, 1:].view(-1, 2, 1, 4),
    ),
    Case(
        "shape.flatten",
        lamina.flatten,
        [
            sample(X),
            sample(X, 1),
            sample(X, 0, 1),
            sample(X, -2, -1),
            sample(X, 1, 1),
            sample(Input(())),
            sample(Input((2, 0, 3)), 1),
        ],
        None,
        "flatten",
        errors=[
            bad(ValueError, "start_dim <= end_dim", X, 2, 1),
            bad(IndexError, "from -3 to 2", X, 3),
            bad(TypeError, "integer dimension", X, 1.0),
        ],
    ),
    Case(
        "shape.unflatten",
        lamina.unflatten,
        [
            sample(X, 2, (2, 2)),
            sample(X, -1, (-1, 2)),
            sample(X, 0, (2, 1)),
            sample(Input((0, 2)), 0, (0, 5)),
        ],
        None,
        "unflatten",
        errors=[
            bad(ValueError, "do not multiply", X, 2, (3, 2)),
            bad(ValueError, "do not multiply", X, 2, (-1, 3)),
            bad(ValueError, "do not multiply", X, 2, (-1, -1)),
        ],
    ),
    Case("shape.ravel", lamina.ravel, [sample(X), sample(Input(())), sample(Input((5,)))], np.ravel, "ravel"),
    Case(
        "shape.squeeze",
        lambda x, *dim: lamina.squeeze(x, *dim),
        [
            sample(Input((1, 3, 1))),
            sample(Input((1, 3, 1)), 0),
            sample(Input((1, 3, 1)), 1),
            sample(Input((1, 3, 1)), (0, -1)),
            sample(Input(()), 0),
            sample(Input((1, 0))),
        ],
        None,
        "squeeze",
        errors=[bad(IndexError, r"\[squeeze\] expected a dimension", Input((1, 3)), 2)],
    ),
    Case(
        "shape.unsqueeze",
        lamina.unsqueeze,
        [sample(X, 0), sample(X, 3), sample(X, -1), sample(X, -4), sample(Input(()), 0)],
        np.expand_dims,
        "unsqueeze",
        errors=[bad(IndexError, "from -4 to 3", X, 4)],
    ),
    Case(
        "shape.permute",
        lambda x, dims: lamina.permute(x, dims),
        [sample(X, (2, 0, 1)), sample(X, (-1, 0, 1)), sample(Input(()), ()), sample(Input((0, 2)), (1, 0))],
        np.transpose,
        "permute",
        errors=[
            bad(ValueError, "each dimension once", X, (0, 0, 1)),
            bad(ValueError, "expected 3 dimensions", X, (0, 1)),
        ],
    ),
    Case(
        "shape.transpose",
        lamina.transpose,
        [sample(X, 0, 2), sample(X, -1, 1), sample(X, 1, 1), sample(Input(()), 0, -1)],
        lambda x, a, b: np.swapaxes(x, a, b) if x.ndim else x,
        "transpose",
        errors=[bad(IndexError, r"\[transpose\] expected a dimension", X, 0, 3)],
    ),
    Case("shape.swapaxes", lamina.swapaxes, [sample(X, 0, 2)], np.swapaxes, "swapaxes"),
    Case(
        "shape.t",
        lamina.t,
        [sample(Input((2, 3))), sample(Input((4,))), sample(Input(()))],
        np.transpose,
        "t",
    ),
    *(
        Case(f"shape.{name}", attribute(name)[0], [sample(shape)], reference, attribute(name)[1])
        for name, shape, reference in (
            ("T", Input((2, 3)), np.transpose),
            ("mT", X, lambda x: x.swapaxes(-1, -2)),
        )
    ),
    Case(
        "shape.movedim",
        lamina.movedim,
        [
            sample(X, 0, 2),
            sample(X, (0, 1), (-1, 0)),
            sample(X, (), ()),
            sample(Input((2, 3, 4, 5)), (3, 0), (0, 2)),
        ],
        np.moveaxis,
        "movedim",
        errors=[
            bad(ValueError, "as many different dimensions", X, (0, 1), (0,)),
            bad(ValueError, "as many different dimensions", X, (0, 0), (0, 1)),
        ],
    ),
    Case("shape.moveaxis", lamina.moveaxis, [sample(X, 0, 2)], np.moveaxis, "moveaxis"),
    Case(
        "shape.reshape_as",
        lambda x, y: x.reshape_as(y),
        [sample(X, Input((6, 4), grad=False))],
        lambda x, y: x.reshape(y.shape),
        torch_method("reshape_as"),
    ),
    Case(
        "shape.dtypes",
        lambda x: x.reshape(3, 8).t().unsqueeze(1).squeeze(),
        [sample(X)],
        lambda x: x.reshape(3, 8).T,
        lambda torch, x: x.reshape(3, 8).t().unsqueeze(1).squeeze(),
        dtypes=(*ALL, "bfloat16", "float16"),
    ),
]
