"""Views of a part of the memory, and views that show elements several times."""

import numpy as np
from case import Case, Input, bad, sample

import lamina

X = Input((2, 3, 4))
SQUARE = Input((4, 4))


def windows(x, dimension, size, step):
    dimension %= x.ndim  # the windows become a new last one
    every = np.lib.stride_tricks.sliding_window_view(x, size, dimension)
    return np.moveaxis(np.moveaxis(every, dimension, 0)[::step], 0, dimension)


def narrow(x, dim, start, length):
    first = start + x.shape[dim] if start < 0 else start
    return np.take(x, range(first, first + length), dim)


CASES = [
    Case(
        "strided.select",
        lamina.select,
        [sample(X, 0, 1), sample(X, -1, -4), sample(Input((3,)), 0, 2)],
        lambda x, dim, i: np.take(x, i, dim),
        "select",
        errors=[
            bad(IndexError, "index 2 is out of range for dimension 0 of size 2", X, 0, 2),
            bad(IndexError, "0-d", Input(()), 0, 0),
        ],
    ),
    Case(
        "strided.narrow",
        lamina.narrow,
        [sample(X, 2, 1, 2), sample(X, -1, -2, 2), sample(X, 0, 2, 0), sample(X, 1, 0, 3)],
        lambda x, dim, start, length: (
            np.take(x, range(start % (x.shape[dim] + 1), start % (x.shape[dim] + 1) + length), dim)
            if start >= 0
            else np.take(x, range(x.shape[dim] + start, x.shape[dim] + start + length), dim)
        ),
        "narrow",
        errors=[
            bad(IndexError, "leave dimension 2 of size 4", X, 2, 3, 2),
            bad(IndexError, "leave dimension 2 of size 4", X, 2, 0, -1),
            bad(IndexError, "leave dimension 2 of size 4", X, 2, 5, 0),
        ],
    ),
    Case(
        "strided.diagonal",
        lamina.diagonal,
        [
            sample(SQUARE),
            sample(SQUARE, 1),
            sample(SQUARE, -2),
            sample(X, 0, 1, 2),
            sample(X, 0, -1, 0),
            sample(SQUARE, 7),
            sample(Input((0, 3))),
        ],
        np.diagonal,
        "diagonal",
        errors=[
            bad(ValueError, "two different dimensions", SQUARE, 0, 1, -1),
            bad(ValueError, "at least 2 dimensions", Input((3,))),
        ],
    ),
    Case(
        "strided.diag",
        lamina.diag,
        [sample(Input((3,))), sample(Input((3,)), 1), sample(Input((2, 3)), -1), sample(Input((0,)), 2)],
        np.diag,
        "diag",
        errors=[bad(ValueError, "1 or 2 dimensions", X)],
    ),
    Case(
        "strided.diag_embed",
        lamina.diag_embed,
        [sample(X), sample(X, 1), sample(X, -1, 0, 2), sample(Input((3,)), 0, 1, 0)],
        None,
        "diag_embed",
        errors=[bad(ValueError, "two different dimensions", X, 0, 1, 1)],
    ),
    Case(
        "strided.expand",
        lambda x, size: x.expand(size),
        [
            sample(Input((3, 1)), (2, 3, 4)),
            sample(Input((3, 1)), (-1, 2)),
            sample(Input(()), (2,)),
            sample(Input((1, 2)), (0, 2)),
        ],
        lambda x, size: np.broadcast_to(
            x, [x.shape[i - len(size)] if s == -1 else s for i, s in enumerate(size)]
        ),
        lambda torch, x, size: x.expand(size),
        errors=[
            bad(ValueError, "does not expand", Input((3, 2)), (3, 4)),
            bad(ValueError, "at least 2 sizes", Input((3, 2)), (2,)),
            bad(ValueError, "needs a size", Input((3,)), (-1, 3)),
            bad(ValueError, "sizes of at least 0", Input((1,)), (-3,)),
            bad(ValueError, "needs more bytes", Input((1, 1)), (2**40, 2**40)),
        ],
    ),
    Case(
        "strided.broadcast_to",
        lamina.broadcast_to,
        [sample(Input((3, 1)), (2, 3, 4))],
        np.broadcast_to,
        "broadcast_to",
    ),
    Case(
        "strided.broadcast_tensors",
        lamina.broadcast_tensors,
        [sample(Input((3, 1)), Input((2, 1, 4))), sample(Input(()), Input((2,)))],
        lambda *xs: list(np.broadcast_arrays(*xs)),
        "broadcast_tensors",
        errors=[bad(ValueError, "shapes that broadcast", Input((2,)), Input((3,)))],
    ),
    Case(
        "strided.as_strided",
        lambda x, *args: lamina.as_strided(x.contiguous(), *args),
        [
            sample(X, (2, 3), (1, 2)),
            sample(X, (3, 3), (1, 1), 4),
            sample(X, (4,), (0,), 1),
            sample(X, (), ()),
            sample(X, (0, 5), (1, 1)),
        ],
        lambda x, size, stride, offset=0: np.lib.stride_tricks.as_strided(
            np.ascontiguousarray(x).reshape(-1)[offset:], size, [8 * s for s in stride]
        ),
        lambda torch, x, *args: torch.as_strided(x.contiguous(), *args),
        errors=[
            bad(ValueError, "leaves the 24 elements", X, (25,), (1,)),
            bad(ValueError, "leaves the 24 elements", X, (2,), (-1,)),
            bad(ValueError, "leaves the 24 elements", X, (1,), (1,), 24),
            bad(ValueError, "leaves the 24 elements", X, (1,), (1,), -1),
            bad(ValueError, "overflow", X, (5,), (2**62,)),
            bad(ValueError, "as many strides as sizes", X, (2, 2), (1,)),
        ],
    ),
    Case(
        "strided.unfold",
        lambda x, *args: x.unfold(*args),
        [
            sample(Input((7,)), 0, 3, 1),
            sample(Input((7,)), 0, 3, 2),
            sample(X, -1, 2, 2),
            sample(X, 1, 1, 5),
            sample(Input((2, 7, 3)), 1, 3, 3),
        ],
        windows,
        lambda torch, x, *args: x.unfold(*args),
        errors=[
            bad(ValueError, "a size from 0 to 4", X, 2, 5, 1),
            bad(ValueError, "a step of at least 1", X, 2, 2, 0),
        ],
    ),
    *(
        Case(
            f"strided.atleast_{n}d",
            getattr(lamina, f"atleast_{n}d"),
            [
                sample(Input(())),
                sample(Input((2,))),
                sample(Input((2, 3))),
                sample(Input((1, 2, 3, 4))),
                sample(Input((2,)), Input(())),
            ],
            lambda *xs, n=n: getattr(np, f"atleast_{n}d")(*xs),
            f"atleast_{n}d",
        )
        for n in (1, 2, 3)
    ),
]
