"""Grid sampling from differentiable ops: what its second derivatives go through."""

from __future__ import annotations

import itertools

from lamina.ops.power import fmod
from lamina.ops.select import where
from lamina.tensor import Tensor

Tap = tuple[Tensor, Tensor]  # positions along a dimension, each with its weight
CUBIC = -0.75  # the slope of the cubic at 1, as torch has it


def composite_grid_sample(x: Tensor, grid: Tensor, mode: str, padding: str, align_corners: bool) -> Tensor:
    """As :func:`lamina.nn.functional.grid_sample`; x is (N, C, spatial...), grid (N, places..., rank)."""
    rank, sizes = x.ndim - 2, x.shape[2:]
    taps = []
    for d, n in enumerate(sizes):  # the grid's last coordinate is the first dimension's
        at = grid.select(-1, rank - 1 - d) + 1
        at = at * ((n - 1) / 2) if align_corners else (at * n - 1) / 2
        taps.append(_taps(at, n, mode, padding, align_corners))
    values = x.flatten(2)  # (N, C, elements)
    result: Tensor | None = None
    for chosen in itertools.product(*taps):
        term = _picked(values, sizes, [position for position, _ in chosen])
        for _, weight in chosen:
            term = term * weight.unsqueeze(1)
        result = term if result is None else result + term
    assert result is not None
    return result


def _picked(values: Tensor, sizes: tuple[int, ...], positions: list[Tensor]) -> Tensor:
    """The elements at integer positions (N, places...), as (N, C, places...); 0 outside."""
    index, inside = positions[0].long() * 0, positions[0] == positions[0]
    for position, n in zip(positions, sizes):
        inside = inside & (position >= 0) & (position < n)
        index = index * n + where(inside, position, 0).long()
    flat = where(inside, index, 0).flatten(1).unsqueeze(1)  # (N, 1, places)
    found = values.gather(2, flat.expand(-1, values.shape[1], -1))
    found = found.reshape((*values.shape[:2], *positions[0].shape[1:]))
    return where(inside.unsqueeze(1), found, 0.0)


def _taps(at: Tensor, n: int, mode: str, padding: str, align_corners: bool) -> list[Tap]:
    if mode == "bicubic":
        low = at.detach().floor()
        return [
            (_padded(low + shift, n, padding, align_corners), _cubic(at - low - shift))
            for shift in range(-1, 3)
        ]
    at = _padded(at, n, padding, align_corners)
    if mode == "nearest":
        nearest = at.detach().round()
        return [(nearest, nearest * 0 + 1)]
    low = at.detach().floor()
    return [(low, low + 1 - at), (low + 1, at - low)]


def _cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution, in pieces up to 1 and up to 2."""
    t = distance.abs()
    near = ((CUBIC + 2) * t - (CUBIC + 3)) * t * t + 1
    far = ((CUBIC * t - 5 * CUBIC) * t + 8 * CUBIC) * t - 4 * CUBIC
    return where(t <= 1, near, far)


def _padded(at: Tensor, n: int, padding: str, align_corners: bool) -> Tensor:
    """Positions brought inside, but for padding with zeros."""
    if padding == "zeros":
        return at
    if padding == "reflection":
        low, span = (0.0, float(n - 1)) if align_corners else (-0.5, float(n))
        if span == 0:
            return at * 0
        distance = (at - low).abs()
        rest, turns = fmod(distance, span), (distance.detach() / span).floor()
        at = where(turns % 2 == 0, rest + low, span - rest + low)
    return at.clamp(0, n - 1)
