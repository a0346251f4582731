"""Joining tensors, and taking them apart."""

import numpy as np
from case import Case, Input, bad, sample

import lamina

A, B = Input((2, 3)), Input((2, 4))
SAME = [Input((2, 3)), Input((2, 3)), Input((2, 3))]
INT = Input((2, 1), "int")


def stacked(name):
    function = getattr(np, name)
    return lambda xs: function(xs)


def parts(x, size, dim=0):
    if isinstance(size, int):
        cuts = range(size, x.shape[dim], size)
        return np.split(x, cuts, dim)
    return np.split(x, np.cumsum(size)[:-1], dim)


CASES = [
    Case(
        "join.cat",
        lamina.cat,
        [
            sample([A, B], 1),
            sample([A, B], -1),
            sample([A]),
            sample([A, Input((0, 3)), A]),
            sample((Input((3,)), Input((2,)))),
            sample([Input((2, 4, 3, 3)), Input((2, 1, 3, 3))], 1),
            sample([A, INT], 1),
        ],
        lambda xs, dim=0: np.concatenate(xs, dim),
        "cat",
        errors=[
            bad(ValueError, "at least one tensor", []),
            bad(ValueError, "equal sizes except in dimension 0", [A, B]),
            bad(ValueError, "0-d tensor; use stack", [Input(())]),
            bad(ValueError, "of 2 dimensions", [A, Input((2, 3, 1))]),
            bad(IndexError, "expected a dimension", [A, A], 2),
            bad(TypeError, "list or tuple of tensors", A),
            bad(TypeError, "list or tuple of tensors", [A, 1.0]),
        ],
        benchmarks={
            "channels 32x64x32x32": sample([Input((32, 64, 32, 32)), Input((32, 64, 32, 32))], 1),
            "batch of 64": sample([Input((3, 32, 32))] * 64),
        },
    ),
    Case(
        "join.cat_empty_vector",
        lambda x, y: lamina.cat([x, y]),
        [sample(Input((0,)), A)],
        None,
        lambda torch, x, y: torch.cat([x, y]),
    ),
    Case(
        "join.stack",
        lamina.stack,
        [
            sample(SAME),
            sample(SAME, 1),
            sample(SAME, -1),
            sample([Input(()), Input(())]),
            sample([Input((0, 2))] * 2),
        ],
        lambda xs, dim=0: np.stack(xs, dim),
        "stack",
        errors=[
            bad(ValueError, "equal shapes", [A, B]),
            bad(ValueError, "at least one tensor", []),
            bad(IndexError, "expected a dimension", [A], 3),
        ],
        benchmarks={"64 images": sample([Input((3, 32, 32))] * 64)},
    ),
    *(
        Case(f"join.{name}", getattr(lamina, name), [sample(s) for s in samples], stacked(name), name)
        for name, samples in {
            "hstack": [[A, B], [Input((2,)), Input((3,))], [Input(()), Input(())]],
            "vstack": [[A, A], [Input((3,)), A], [Input(()), Input(())]],
            "dstack": [[A, A], [Input((3,)), Input((3,))], [Input((2, 3, 2)), Input((2, 3, 1))]],
            "column_stack": [[A, B], [Input((2,)), A], [Input((2,)), Input((2,))]],
        }.items()
    ),
    Case(
        "join.split",
        lamina.split,
        [
            sample(Input((5, 2)), 2),
            sample(Input((5, 2)), 5),
            sample(Input((5, 2)), 9),
            sample(Input((2, 6)), [1, 0, 5], 1),
            sample(Input((2, 6)), 4, -1),
        ],
        parts,
        "split",
        errors=[
            bad(ValueError, "add up to dimension 1", Input((2, 6)), [1, 4], 1),
            bad(ValueError, "add up to dimension 1", Input((2, 6)), [4, 4], 1),
            bad(ValueError, "add up to dimension 1", Input((2, 6)), [-1, 7], 1),
            bad(ValueError, "size of at least 1", A, 0),
            bad(ValueError, "at least 1 dimension", Input(()), 1),
        ],
    ),
    Case(
        "join.chunk",
        lamina.chunk,
        [
            sample(Input((5, 2)), 2),
            sample(Input((5, 2)), 4),
            sample(Input((2, 3)), 7, 1),
            sample(Input((0, 2)), 3),
        ],
        None,
        "chunk",
        errors=[bad(ValueError, "at least 1 chunk", A, 0)],
    ),
    Case(
        "join.tensor_split",
        lamina.tensor_split,
        [
            sample(Input((7, 2)), 3),
            sample(Input((7, 2)), (1, 4)),
            sample(Input((2, 5)), (2, 9), 1),
            sample(Input((2, 5)), (3, 1), 1),
            sample(Input((2, 5)), (-2,), 1),
        ],
        np.array_split,
        "tensor_split",
        errors=[bad(ValueError, "at least 1 section", A, 0)],
    ),
    Case(
        "join.hsplit",
        lamina.hsplit,
        [sample(Input((2, 6)), 3), sample(Input((4,)), 2)],
        np.hsplit,
        "hsplit",
        errors=[bad(ValueError, "a divisor of 6", Input((2, 6)), 4)],
    ),
    Case("join.vsplit", lamina.vsplit, [sample(Input((4, 2)), (1, 3))], np.vsplit, "vsplit"),
    Case("join.dsplit", lamina.dsplit, [sample(Input((2, 2, 4)), 2)], np.dsplit, "dsplit"),
    Case(
        "join.unbind",
        lamina.unbind,
        [sample(Input((3, 2))), sample(Input((3, 2)), 1), sample(Input((2,)), -1)],
        lambda x, dim=0: list(np.moveaxis(x, dim, 0)),
        "unbind",
        errors=[bad(IndexError, "at least 1 dimension", Input(()))],
    ),
    # Gradients of only some parts.
    Case(
        "join.some_parts",
        lambda x: x.split([1, 2, 3], 1)[1].unbind(1)[0] * 2,
        [sample(Input((2, 6)))],
        lambda x: x[:, 1] * 2,
        lambda torch, x: x.split([1, 2, 3], 1)[1].unbind(1)[0] * 2,
    ),
]
