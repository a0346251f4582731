"""Max unpooling: the indices of a max pooling, all of one tap, and twice the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def unpool(
    x: np.ndarray,
    indices: np.ndarray,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
    rank: int = 2,
) -> np.ndarray:
    kernel, padding = np.broadcast_to(kernel, rank), np.broadcast_to(padding, rank)
    stride = kernel if stride is None else np.broadcast_to(stride, rank)
    size = (np.array(x.shape[-rank:]) - 1) * stride + kernel - 2 * padding
    size = size if output_size is None else np.array(output_size)[-rank:]
    outer = x.shape[:-rank]
    y = np.zeros((int(np.prod(outer)), int(np.prod(size))), x.dtype)
    for plane, values, places in zip(
        y, x.reshape(len(y), -1), indices.reshape(len(y), -1) if len(y) else indices, strict=True
    ):
        for value, place in zip(values, places):
            plane[place] = value
    return y.reshape(*outer, *size)


def winners(outer: tuple[int, ...], size: tuple[int, ...], places: int, seed: int = 0) -> Input:
    """Distinct places of each plane, as of a pooling without overlap."""
    rng = np.random.default_rng(seed)
    values = np.stack([rng.permutation(places)[: int(np.prod(size))] for _ in range(int(np.prod(outer)))])
    return Input((*outer, *size), "values", values=values.reshape(*outer, *size), grad=False)


x = Input((2, 3, 2, 3))
big = Input((16, 64, 16, 16))
CASES = [
    Case(
        "unpool.max_unpool2d",
        F.max_unpool2d,
        [
            sample(x, winners((2, 3), (2, 3), 24), 2),
            sample(x, winners((2, 3), (2, 3), 18), (3, 2), (2, 2), (1, 0)),
            sample(x, winners((2, 3), (2, 3), 35), 2, output_size=(5, 7)),
            sample(x, winners((2, 3), (2, 3), 15), 2, output_size=(2, 3, 3, 5)),
            sample(Input((3, 2, 2)), winners((3,), (2, 2), 16), 2),
            sample(Input((2, 20, 2, 2)), winners((2, 20), (2, 2), 16), 2),
        ],
        unpool,
        "nn.functional.max_unpool2d",
        benchmarks={"2x2 64@16 b16": sample(big, winners((16, 64), (16, 16), 1024), 2)},
        errors=[
            bad(ValueError, r"\[max_unpool2d\] expected indices of the", x, winners((2, 3), (2, 2), 9), 2),
            bad(
                ValueError,
                r"\[max_unpool2d\] expected an output_size that differs",
                x,
                winners((2, 3), (2, 3), 9),
                2,
                output_size=(6, 6),
            ),
            bad(
                ValueError,
                r"\[max_unpool2d\] expected 2 or 4 numbers",
                x,
                winners((2, 3), (2, 3), 9),
                2,
                output_size=(6,),
            ),
            bad(IndexError, r"out of range|expected", x, winners((2, 3), (2, 3), 99), 2),
            bad(
                ValueError,
                r"\[max_unpool2d\] expected an input of 3 or 4",
                Input((2, 3)),
                winners((2,), (3,), 9),
                2,
            ),
        ],
    ),
    Case(
        "unpool.max_unpool1d",
        F.max_unpool1d,
        [
            sample(Input((2, 3, 4)), winners((2, 3), (4,), 8), 2),
            sample(Input((3, 4)), winners((3,), (4,), 9), 3, 2, 0),
        ],
        lambda *args, **kwargs: unpool(*args, **kwargs, rank=1),
        "nn.functional.max_unpool1d",
    ),
    Case(
        "unpool.max_unpool3d",
        F.max_unpool3d,
        [sample(Input((1, 2, 2, 1, 2)), winners((1, 2), (2, 1, 2), 32), 2)],
        lambda *args, **kwargs: unpool(*args, **kwargs, rank=3),
        "nn.functional.max_unpool3d",
    ),
]
