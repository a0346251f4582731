"""Tolerances and comparisons that name the worst element."""

from __future__ import annotations

import numpy as np
from case import Case

from harness.draw import is_float
from harness.run import Result

HALVES = ("bfloat16", "float16")
PRECISION = {"bfloat16": 2.0**-7, "float16": 2.0**-9, "float64": 1e-10}


def tolerance(case: Case, dtype: str) -> tuple[float, float]:
    """(rtol, atol) for values computed in ``dtype``."""
    if dtype == "float32" or not is_float(dtype):
        return case.rtol, case.atol
    bound = PRECISION[dtype]
    return (max(bound, case.rtol), max(bound, case.atol)) if dtype in HALVES else (bound, bound)


def assert_close(
    got: np.ndarray, want: np.ndarray, rtol: float, atol: float, what: str, by_scale: bool = False
) -> None:
    """Fails with the worst index and both values.  NaN equals NaN; an infinity equals itself.

    Args:
        by_scale: measure ``rtol`` against the largest value of ``want``, for sums whose terms cancel.
    """
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape, f"{what}: expected shape {want.shape}, got {got.shape}"
    if got.size == 0:
        return
    a, b = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(all="ignore"):
        size = np.abs(b)
        if by_scale:
            size = np.full_like(size, np.max(size[np.isfinite(size)], initial=0.0))
        excess = np.abs(a - b) - (atol + rtol * size)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        excess = np.where(same, -np.inf, np.where(np.isnan(excess), np.inf, excess))
    if np.max(excess) <= 0:
        return
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    index = tuple(int(i) for i in worst)
    raise AssertionError(
        f"{what}: {int(np.sum(excess > 0))} of {got.size} differ, worst at {index} of {got.shape}: "
        f"got {got[worst]!r}, expected {want[worst]!r} (rtol {rtol:g}, atol {atol:g})"
    )


def assert_same_bits(got: Result, want: Result, what: str) -> None:
    pairs = [("output", got.outputs, want.outputs), ("gradient", got.grads, want.grads)]
    for kind, mine, other in pairs:
        for k, (a, b) in enumerate(zip(mine, other, strict=True)):
            if a is None and b is None:
                continue
            if a.tobytes() != b.tobytes():
                assert_close(a, b, 0.0, 0.0, f"{what}, {kind} {k}")
                raise AssertionError(f"{what}, {kind} {k}: equal values with other bits")
