"""Fractional max pooling with given draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def starts(n: int, out: int, kernel: int, draw: float) -> list[int]:
    step = (n - kernel) / (out - 1) if out > 1 else 0.0
    return [int((o + draw) * step) - int(draw * step) for o in range(out - 1)] + [n - kernel]


def pool(
    x: np.ndarray,
    kernel: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Any = None,
    rank: int = 2,
) -> Any:
    if x.ndim == rank + 1:
        y = pool(x[None], kernel, output_size, output_ratio, return_indices, _random_samples, rank)
        return tuple(v[0] for v in y) if return_indices else y[0]
    size, kernel = x.shape[2:], np.broadcast_to(kernel, rank)
    out = (
        np.broadcast_to(output_size, rank)
        if output_size is not None
        else [int(n * r) for n, r in zip(size, np.broadcast_to(output_ratio, rank))]
    )
    y, index = np.zeros((*x.shape[:2], *out)), np.zeros((*x.shape[:2], *out), np.int64)
    places = np.arange(int(np.prod(size))).reshape(size)
    for n, c in np.ndindex(*x.shape[:2]):
        draws = _random_samples[n, c][::-1] if rank == 2 else _random_samples[n, c]
        begin = [starts(size[d], out[d], kernel[d], draws[d]) for d in range(rank)]
        for o in np.ndindex(*out):
            window = tuple(slice(begin[d][o[d]], begin[d][o[d]] + kernel[d]) for d in range(rank))
            best = x[n, c][window].argmax()
            y[(n, c, *o)] = x[n, c][window].reshape(-1)[best]
            index[(n, c, *o)] = places[window].reshape(-1)[best]
    return (y, index) if return_indices else y


def draws(*shape: int) -> Input:
    # Thirds of 1/8: no product with a step comes near an integer, where float32 and float64 would differ.
    values = (np.random.default_rng(1).integers(0, 8, shape) + 1 / 3) / 8
    return Input(shape, "values", values=values, grad=False)


def x(*shape: int) -> Input:
    return Input(shape, "distinct")


CASES = [
    Case(
        "fractional_pool.2d",
        F.fractional_max_pool2d,
        [
            sample(x(2, 3, 9, 10), 2, (5, 6), _random_samples=draws(2, 3, 2)),
            sample(x(2, 3, 9, 10), (3, 2), 4, return_indices=True, _random_samples=draws(2, 3, 2)),
            sample(x(2, 3, 9, 7), 2, output_ratio=(0.5, 0.7), _random_samples=draws(2, 3, 2)),
            sample(x(3, 6, 6), 2, 1, return_indices=True, _random_samples=draws(1, 3, 2)),
            sample(x(2, 18, 5, 5), 2, 3, _random_samples=draws(2, 18, 2)),
        ],
        pool,
        "nn.functional.fractional_max_pool2d",
        errors=[
            bad(ValueError, r"expected one of output_size and output_ratio", x(1, 1, 6, 6), 2),
            bad(ValueError, r"expected output_ratio between 0 and 1", x(1, 1, 6, 6), 2, output_ratio=1.5),
            bad(ValueError, r"kernel_size - 1 within the input", x(1, 1, 6, 6), 3, 5),
            bad(ValueError, r"random samples of shape", x(1, 1, 6, 6), 2, 3, _random_samples=draws(1, 2, 2)),
            bad(
                TypeError,
                r"expected float32 or float64",
                Input((1, 1, 6, 6), "int"),
                2,
                3,
                _random_samples=draws(1, 1, 2),
            ),
        ],
    ),
    Case(
        "fractional_pool.3d",
        F.fractional_max_pool3d,
        [
            sample(x(1, 2, 5, 6, 7), 2, (3, 4, 5), return_indices=True, _random_samples=draws(1, 2, 3)),
            sample(x(2, 6, 6, 6), (1, 2, 3), output_ratio=0.5, _random_samples=draws(1, 2, 3)),
        ],
        lambda *args, **kwargs: pool(*args, **kwargs, rank=3),
        "nn.functional.fractional_max_pool3d",
        errors=[bad(ValueError, r"expected .* below the input", x(1, 1, 5, 5, 5), 3, 3)],
    ),
]
