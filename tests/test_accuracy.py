"""How far elementwise functions are from the exact value, in units of the last place (NumPy's extended precision)."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lamina

RNG = np.random.default_rng(11)
# name: (NumPy's function, from, to, units of the last place: what csrc/cpu/*_math.h say)
FUNCTIONS = {
    "exp": (np.exp, -80, 80, 1),
    "exp2": (np.exp2, -80, 80, 1.1),
    "expm1": (np.expm1, -10, 80, 2),
    "log": (np.log, 1e-6, 1e6, 1),
    "log2": (np.log2, 1e-6, 1e6, 2),
    "log10": (np.log10, 1e-6, 1e6, 2),
    "log1p": (np.log1p, -0.999, 1e6, 2),
    "sin": (np.sin, -1e4, 1e4, 1),
    "cos": (np.cos, -1e4, 1e4, 1),
    "tan": (np.tan, -50, 50, 2.1),
    "atan": (np.arctan, -20, 20, 2.1),
    "asin": (np.arcsin, -1, 1, 2.1),
    "acos": (np.arccos, -1, 1, 2.1),
    "sinh": (np.sinh, -88, 88, 2.5),
    "cosh": (np.cosh, -88, 88, 2.1),
    "tanh": (np.tanh, -9, 9, 2.5),
    "asinh": (np.arcsinh, -1e4, 1e4, 3),
    "acosh": (np.arccosh, 1, 1e4, 3),
    "atanh": (np.arctanh, -1, 1, 2.5),
}


def units(got: np.ndarray, exact: np.ndarray) -> float:
    """The largest distance, in spacings of the result's type."""
    spacing = np.spacing(np.abs(exact).astype(got.dtype)).astype(np.longdouble)
    return float(np.max(np.abs(got.astype(np.longdouble) - exact) / spacing))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_last_places(name: str, dtype: str) -> None:
    exact, low, high, bound = FUNCTIONS[name]
    near_zero = 10.0 ** RNG.uniform(-20, 0, 4000) * RNG.choice([-1, 1], 4000)
    x = np.concatenate([RNG.uniform(low, high, 20_000), RNG.uniform(-2, 2, 8000), near_zero]).astype(dtype)
    x = x[(x > low) & (x < high)]
    if np.finfo(np.longdouble).nmant < 60:
        pytest.fail("the exact values take extended precision")
    got = getattr(lamina, name)(lamina.tensor(x)).numpy()
    assert units(got, exact(x.astype(np.longdouble))) <= bound


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_last_places_of_two_operands(dtype: str) -> None:
    def operands() -> np.ndarray:
        sizes = 10.0 ** RNG.uniform(-12, 12, 10_000)
        return np.concatenate([RNG.normal(0, 4, 20_000), sizes * RNG.choice([-1, 1], 10_000)]).astype(dtype)

    a, b = operands(), operands()
    wide_a, wide_b = a.astype(np.longdouble), b.astype(np.longdouble)
    x, y = lamina.tensor(a), lamina.tensor(b)
    assert units(lamina.hypot(x, y).numpy(), np.hypot(wide_a, wide_b)) <= 2
    assert units(lamina.atan2(x, y).numpy(), np.arctan2(wide_a, wide_b)) <= 2.1
    sums = np.logaddexp(wide_a, wide_b)
    off = np.abs(lamina.logaddexp(x, y).numpy() - sums)
    assert np.all(off <= 1.5 * np.spacing(np.maximum(np.abs(sums), 1).astype(dtype)))
    exponents = np.concatenate([RNG.uniform(-6, 6, 20_000), RNG.integers(-3, 4, 10_000)]).astype(dtype)
    bases = np.where(np.arange(30_000) < 20_000, np.abs(a) + 0.01, np.clip(b, -1e6, 1e6)).astype(dtype)
    exact = np.power(bases.astype(np.longdouble), exponents.astype(np.longdouble))
    normal = (np.abs(exact) > np.finfo(dtype).tiny) & (np.abs(exact) < np.finfo(dtype).max)
    got = lamina.pow(lamina.tensor(bases), lamina.tensor(exponents)).numpy()
    assert units(got[normal], exact[normal]) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["fmod", "remainder", "floor_divide"])
def test_remainders_are_exact(name: str, dtype: str) -> None:
    a, b = (10.0 ** RNG.uniform(-15, 15, (2, 20_000)) * RNG.choice([-1, 1], (2, 20_000))).astype(dtype)
    a[:5000], b[:5000] = RNG.integers(-99, 99, 5000), RNG.integers(1, 9, 5000)  # quotients without rest
    got = getattr(lamina, name)(lamina.tensor(a), lamina.tensor(b)).numpy()
    np.testing.assert_array_equal(got, getattr(np, name)(a, b))


def test_erfc_of_floats() -> None:
    x = np.concatenate([RNG.uniform(-6, 9, 5000), RNG.uniform(-1, 1, 5000)]).astype("float32")
    exact = np.array([math.erfc(v) for v in x.tolist()], np.longdouble)
    assert units(lamina.erfc(lamina.tensor(x)).numpy(), exact) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["floor", "ceil", "round", "trunc"])
def test_integers_of_any_size(name: str, dtype: str) -> None:
    digits = np.finfo(dtype).nmant
    steps = np.array([0.0, 0.25, 0.5, 0.75, 1.5, 2.5])
    sizes = [2.0**power + steps for power in (0, 1, digits - 2, digits - 1, digits, digits + 2, 100)]
    x = np.concatenate([steps, *sizes, [np.inf, np.nan]]).astype(dtype)
    for values in (x, -x):
        got = getattr(lamina, name)(lamina.tensor(values)).numpy()
        np.testing.assert_array_equal(got, getattr(np, name)(values))
        assert np.array_equal(np.signbit(got[:-1]), np.signbit(getattr(np, name)(values)[:-1]))
