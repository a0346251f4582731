"""Copies written in part, and matrices made of diagonals and blocks."""

import numpy as np
from case import Case, Input, bad, sample

import lamina


def diagonal_scatter(x, src, offset=0, dim1=0, dim2=1):
    y = x.copy()
    d = np.diagonal(y, offset, dim1, dim2)
    d.flags.writeable = True
    d[...] = src
    return y


def select_scatter(x, src, dim, index):
    y = x.copy()
    np.moveaxis(y, dim, 0)[index] = src
    return y


def slice_scatter(x, src, dim=0, start=None, end=None, step=1):
    y = x.copy()
    np.moveaxis(y, dim, 0)[start:end:step] = np.moveaxis(src, dim, 0)
    return y


def block_diag(*blocks):
    blocks = [np.atleast_2d(b) for b in blocks]
    y = np.zeros(np.sum([b.shape for b in blocks], 0))
    row = column = 0
    for b in blocks:
        y[row : row + b.shape[0], column : column + b.shape[1]] = b
        row, column = row + b.shape[0], column + b.shape[1]
    return y


CASES = [
    Case(
        "diagonals.diagonal_scatter",
        lamina.diagonal_scatter,
        [
            sample(Input((3, 4)), Input((3,))),
            sample(Input((3, 4)), Input((2,)), -1),
            sample(Input((2, 3, 4)), Input((2, 3)), 0, 1, 2),
        ],
        diagonal_scatter,
        "diagonal_scatter",
        errors=[
            bad(ValueError, r"\[diagonal_scatter\] expected src of shape \(2,\)", Input((2, 2)), Input((3,)))
        ],
    ),
    Case(
        "diagonals.select_scatter",
        lamina.select_scatter,
        [sample(Input((3, 4)), Input((3,)), 1, -1), sample(Input((2, 0)), Input((0,)), 0, 1)],
        select_scatter,
        "select_scatter",
        errors=[bad(IndexError, r"\[select\]", Input((2, 2)), Input((2,)), 0, 5)],
    ),
    Case(
        "diagonals.slice_scatter",
        lamina.slice_scatter,
        [sample(Input((5, 2)), Input((2, 2)), 0, 1, 4, 2), sample(Input((5,)), Input((3,)), start=-3)],
        slice_scatter,
        "slice_scatter",
        errors=[bad(ValueError, "expected a step of at least 1", Input((2,)), Input((2,)), step=0)],
    ),
    Case(
        "diagonals.trace",
        lamina.trace,
        [sample(Input((3, 4))), sample(Input((0, 2))), sample(Input((2, 2), "int"))],
        np.trace,
        "trace",
        errors=[bad(ValueError, r"\[trace\] expected a matrix", Input((2,)))],
    ),
    Case(
        "diagonals.diagflat",
        lamina.diagflat,
        [sample(Input((2, 2))), sample(Input((3,)), 1)],
        lambda x, offset=0: np.diagflat(x, offset),
        "diagflat",
    ),
    Case(
        "diagonals.block_diag",
        lamina.block_diag,
        [sample(Input((2, 3)), Input((2,)), Input(())), sample(Input((2, 0)), Input((1, 2)))],
        block_diag,
        "block_diag",
        errors=[bad(ValueError, "expected at most 2 dimensions", Input((1, 1, 1)))],
    ),
]
