"""Matrix products on CUDA over shapes that cut tiles and split the depth, operands in every order, every precision.

Runs on a device, real or emulated; tests/test_cuda_cases.py runs the cases of every op.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import lamina
import lamina.nn.functional as F
from lamina import cuda

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())

# Relative to the sum of absolute products: rounding of factors, or of the result.
BOUNDS = {"float64": 1e-14, "float32": 1e-6, "bfloat16": 2**-8, "float16": 2**-11}


@pytest.fixture(params=range(cuda.device_count() if cuda.is_emulated() else 1), ids="cuda:{}".format)
def architecture(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each emulated device has another compute capability; the one in use is the current device."""
    with cuda.device(request.param):
        yield


@contextmanager
def tf32(switch: Any, allow: bool) -> Iterator[None]:
    """The switch for a while."""
    before = switch.allow_tf32
    switch.allow_tf32 = allow
    try:
        yield
    finally:
        switch.allow_tf32 = before


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape)


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """To the dtype, as float64."""
    return lamina.tensor(values).to(getattr(lamina, dtype)).to(lamina.float64).numpy()


def operand(values: np.ndarray, dtype: str, order: str) -> lamina.Tensor:
    """On the device; by rows, by columns, or with gaps that no vector load may cross."""
    if order == "columns":
        return operand(np.ascontiguousarray(values.mT), dtype, "rows").mT
    if order == "gaps":
        padded = np.zeros((*values.shape[:-1], 2 * values.shape[-1] + 1))
        padded[..., 1::2] = values
        return operand(padded, dtype, "rows")[..., 1::2]
    return lamina.tensor(values).to(getattr(lamina, dtype)).to("cuda")


def check(
    m: int, k: int, n: int, dtype: str, orders: tuple[str, str], bound: float, batch: tuple[int, ...] = ()
) -> None:
    a, b = rounded(draw(*batch, m, k), dtype), rounded(draw(*batch, k, n), dtype)
    got = operand(a, dtype, orders[0]) @ operand(b, dtype, orders[1])
    assert got.dtype == getattr(lamina, dtype)
    error = np.abs(got.cpu().to(lamina.float64).numpy() - a @ b)
    assert (error <= bound * (np.abs(a) @ np.abs(b))).all()


SIZES = [
    (1, 1, 1),
    (64, 32, 64),
    (65, 40, 72),
    (130, 17, 9),
    (3, 600, 5),
    (8, 1024, 16),
    (1, 70, 200),
    (90, 33, 1),
]
ORDERS = [
    ("rows", "rows"),
    ("rows", "columns"),
    ("columns", "rows"),
    ("columns", "columns"),
    ("gaps", "gaps"),
]


@pytest.mark.parametrize("orders", ORDERS, ids="-".join)
@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_products(size: tuple[int, int, int], dtype: str, orders: tuple[str, str]) -> None:
    check(*size, dtype, orders, BOUNDS[dtype])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("orders", ORDERS[:4], ids="-".join)
def test_large_tiles(dtype: str, orders: tuple[str, str]) -> None:
    check(300, 40, 260, dtype, orders, BOUNDS[dtype], (15,))


@pytest.mark.parametrize("columns", [128, 256])
@pytest.mark.parametrize("orders", [ORDERS[1], ORDERS[2]], ids="-".join)
def test_tiles_of_many_columns(columns: int, orders: tuple[str, str]) -> None:
    """As many tiles as make Hopper's loop take wide ones."""
    check(130, 24, columns, "bfloat16", orders, BOUNDS["bfloat16"], (66,))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("orders", ORDERS, ids="-".join)
def test_each_architecture(architecture: None, dtype: str, orders: tuple[str, str]) -> None:
    """The products of test_products on whatever devices there are."""
    for size in ((64, 32, 64), (130, 17, 9), (3, 600, 5), (72, 136, 40)):
        check(*size, dtype, orders, BOUNDS[dtype])
    check(70, 80, 48, dtype, orders, BOUNDS[dtype], (3,))
    check(16, 24, 8, dtype, orders, BOUNDS[dtype], (2, 3))


def test_one_matrix_for_a_whole_batch() -> None:
    a, b = rounded(draw(3, 40, 64), "bfloat16"), rounded(draw(1, 64, 72), "bfloat16")
    one = operand(b, "bfloat16", "rows").expand(3, 64, 72)
    got = (operand(a, "bfloat16", "rows") @ one).cpu().to(lamina.float64).numpy()
    assert (np.abs(got - a @ b) <= BOUNDS["bfloat16"] * (np.abs(a) @ np.abs(b))).all()


def test_tf32_rounds_factors_only_where_it_is_allowed() -> None:
    a, b = operand(draw(70, 90), "float32", "rows"), operand(draw(90, 40), "float32", "rows")
    strict = (a @ b).cpu().numpy()
    with tf32(lamina.backends.cuda.matmul, True):
        assert lamina.backends.cuda.matmul.allow_tf32
        allowed = (a @ b).cpu().numpy()
        for size in SIZES:
            for orders in ORDERS:
                check(*size, "float32", orders, 2**-10)
        check(300, 40, 260, "float32", ORDERS[0], 2**-10, (15,))
    assert not lamina.backends.cuda.matmul.allow_tf32
    assert (strict == (a @ b).cpu().numpy()).all()
    assert 1e-5 < np.abs(strict - allowed).max() < 1e-1


def test_tf32_in_convolutions() -> None:
    x, w = (
        lamina.tensor(draw(2, 20, 9, 9), dtype=lamina.float32),
        lamina.tensor(draw(24, 20, 3, 3), dtype=lamina.float32),
    )
    want = F.conv2d(x, w, padding=1).numpy()
    x, w = x.cuda(), w.cuda()
    assert np.abs(F.conv2d(x, w, padding=1).cpu().numpy() - want).max() < 1e-4
    with tf32(lamina.backends.cudnn, True):
        allowed = F.conv2d(x, w, padding=1).cpu().numpy()
    assert 1e-4 < np.abs(allowed - want).max() < 1e-1


@pytest.mark.parametrize("switch", [lamina.backends.cuda.matmul, lamina.backends.cudnn])
def test_switches_take_booleans(switch: Any) -> None:
    with pytest.raises(TypeError, match=r"\[backends\.\w+.*allow_tf32\] expected True or False, got 1"):
        switch.allow_tf32 = 1


def test_linear_with_bias_in_half_precision() -> None:
    x, w, b = (rounded(v, "float16") for v in (draw(5, 48), draw(33, 48), draw(33)))
    on_cuda = [lamina.tensor(v).to(lamina.float16).cuda() for v in (x, w, b)]
    got = F.linear(*on_cuda).cpu().to(lamina.float64).numpy()
    np.testing.assert_allclose(got, x @ w.T + b, rtol=2e-3, atol=2e-3)
