"""Random draws: Philox's published answers, the distributions, and the same bits whatever runs them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from harness.script import run_script

import lamina
from lamina import _C

N = 200_000
FLOATS = [lamina.float32, lamina.float64]
HALVES = [lamina.float16, lamina.bfloat16]


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    threads, state = lamina.get_num_threads(), lamina.get_rng_state()
    yield
    lamina.set_num_threads(threads)
    lamina.set_rng_state(state)


def generator(seed: int, stream: int = 0) -> lamina.Generator:
    g = lamina.Generator()
    state = np.array([seed, stream], dtype="<u8").view(np.uint8)
    g.set_state(lamina.tensor(state))
    return g


def drawn(
    fill: Callable[..., None], n: int, dtype: Any, *args: Any, seed: int = 1, stream: int = 0
) -> np.ndarray:
    out = _C.empty((n,), dtype.code, 0)
    fill(out, *args, generator(seed, stream))
    return (_C.cast(out, lamina.float32.code) if dtype is lamina.bfloat16 else out).numpy()


# Philox 4x32-10 in NumPy, as in Salmon et al.


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Blocks (n, 4) of 32-bit words for counters (n, 4)."""
    c = [counter[:, i].astype(np.uint64) for i in range(4)]
    k0, k1 = key
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0),
            p1 & low,
            (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1),
            p0 & low,
        ]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return np.stack(c, axis=1)


def words(seed: int, stream: int, n: int) -> np.ndarray:
    """The first n words that a call with this key draws from."""
    block = np.arange((n + 3) // 4, dtype=np.uint64)
    parts = [block, block >> np.uint64(32), stream % 2**32 + 0 * block, (stream >> 32) + 0 * block]
    counter = np.stack([p & np.uint64(0xFFFFFFFF) for p in parts], axis=1)
    return philox(counter, (seed % 2**32, seed >> 32)).reshape(-1)[:n]


@pytest.mark.parametrize(
    "counter, key, answer",
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_reference_gives_the_published_answers(counter: str, key: str, answer: str) -> None:
    numbers = [[int(word, 16) for word in text.split()] for text in (counter, key, answer)]
    assert philox(np.array([numbers[0]]), tuple(numbers[1])).tolist() == [numbers[2]]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "seed, stream", [(0, 0), (1, 2), (2**64 - 1, 2**64 - 2), (0x299F31D0A4093822, 2**33 + 5)]
)
def test_draws_are_philox_words(seed: int, stream: int) -> None:
    n = 1003
    w = words(seed, stream, 2 * n)
    single = drawn(_C.uniform, n, lamina.float32, 0.0, 1.0, seed=seed, stream=stream)
    np.testing.assert_array_equal(single, ((w[:n] >> np.uint64(8)) * 2.0**-24).astype(np.float32))
    pairs = w[0::2] | w[1::2] << np.uint64(32)
    double = drawn(_C.uniform, n, lamina.float64, 0.0, 1.0, seed=seed, stream=stream)
    np.testing.assert_array_equal(double, (pairs >> np.uint64(11)).astype(np.float64) * 2.0**-53)
    for high in (7, 2**32 - 1, 2**32, 2**32 + 1, 2**62 + 12345):
        whole = drawn(_C.randint, n, lamina.int64, 0, high, seed=seed, stream=stream)
        assert whole.tolist() == [int(x) * high >> 64 for x in pairs]
    coins = drawn(_C.bernoulli, n, lamina.bool, 0.3, seed=seed, stream=stream)
    np.testing.assert_array_equal(coins, w[:n] < int(0.3 * 2**32))


def test_normal_is_box_muller() -> None:
    w = words(5, 0, N).astype(np.float64)
    r = np.sqrt(-2 * np.log(w[0::2] * 2.0**-32 + 2.0**-33))
    turn = w[1::2] * (2 * np.pi * 2.0**-32)
    want = np.stack([r * np.cos(turn), r * np.sin(turn)], axis=1).reshape(-1)
    np.testing.assert_allclose(drawn(_C.normal, N, lamina.float32, 0.0, 1.0, seed=5), want, atol=5e-6)
    w = words(5, 0, 2 * N)
    pairs = (w[0::2] | w[1::2] << np.uint64(32)).astype(np.float64)
    r = np.sqrt(-2 * np.log(pairs[0::2] * 2.0**-64))
    turn = pairs[1::2] * (2 * np.pi * 2.0**-64)
    want = np.stack([r * np.cos(turn), r * np.sin(turn)], axis=1).reshape(-1)
    np.testing.assert_allclose(
        drawn(_C.normal, N, lamina.float64, 0.0, 1.0, seed=5), want, rtol=1e-9, atol=1e-11
    )


# Distributions.  Seeds are fixed, so these tests do not flicker.


def kolmogorov_smirnov(x: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> float:
    """sqrt(n) times the largest gap between the empirical distribution function and `cdf`."""
    f, n = cdf(np.sort(x)), len(x)
    steps = np.arange(n + 1) / n
    return math.sqrt(n) * float(max(np.max(steps[1:] - f), np.max(f - steps[:-1])))


def normal_cdf(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform(dtype: Any) -> None:
    x = drawn(_C.uniform, N, dtype, -2.0, 3.0).astype(np.float64)
    assert x.min() >= -2 and x.max() < 3
    assert abs(x.mean() - 0.5) < 0.01 and abs(x.var() - 25 / 12) < 0.03
    assert kolmogorov_smirnov(x, lambda v: (v + 2) / 5) < 1.95  # passed by 99.9 % of true samples


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal(dtype: Any) -> None:
    x = (drawn(_C.normal, N, dtype, 1.5, 2.0).astype(np.float64) - 1.5) / 2
    assert abs(x.mean()) < 0.01 and abs(x.var() - 1) < 0.02
    assert abs((x**3).mean()) < 0.03 and abs((x**4).mean() - 3) < 0.1
    assert abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.01
    assert kolmogorov_smirnov(x, normal_cdf) < 1.95
    assert abs((np.abs(x) > 3).mean() - 0.0027) < 0.0005


@pytest.mark.parametrize("dtype", FLOATS)
def test_exponential(dtype: Any) -> None:
    x = drawn(_C.exponential, N, dtype, 2.0).astype(np.float64)
    assert x.min() > 0
    assert kolmogorov_smirnov(x, lambda v: 1 - np.exp(-2 * v)) < 1.95


@pytest.mark.parametrize("dtype", HALVES)
def test_halves(dtype: Any) -> None:
    x = drawn(_C.uniform, N, dtype, 0.0, 1.0).astype(np.float64)
    assert x.min() >= 0 and x.max() < 1 and abs(x.mean() - 0.5) < 0.01
    x = drawn(_C.normal, N, dtype, 0.0, 1.0).astype(np.float64)
    assert abs(x.mean()) < 0.01 and abs(x.var() - 1) < 0.02


@pytest.mark.parametrize("dtype", FLOATS + HALVES)
@pytest.mark.parametrize(
    "low, high", [(1.0, 1.0078125), (-1.0, 0.0), (-3.0, -2.984375), (100.0, 100.5), (2.0, 2.0)]
)
def test_uniform_never_reaches_its_end(dtype: Any, low: float, high: float) -> None:
    x = drawn(_C.uniform, N, dtype, low, high).astype(np.float64)
    assert x.min() >= low and (x.max() < high or low == high)


def test_randint_covers_its_range_evenly() -> None:
    x = drawn(_C.randint, N, lamina.int64, -3, 4)
    counts = np.bincount(x + 3, minlength=7)
    assert (
        len(counts) == 7 and np.sum((counts - N / 7) ** 2) / (N / 7) < 22.5
    )  # chi^2, 6 degrees of freedom, 0.1 %
    for dtype, low, high in [
        (lamina.uint8, 0, 256),
        (lamina.int8, -128, 128),
        (lamina.int32, -(2**31), 2**31),
    ]:
        x = drawn(_C.randint, N, dtype, low, high)
        assert abs(x.mean() - (low + high - 1) / 2) < 0.01 * (high - low)


def test_bernoulli() -> None:
    for p in (0.0, 0.25, 1.0):
        assert abs(drawn(_C.bernoulli, N, lamina.float32, p).mean() - p) <= 0.004 * (0 < p < 1)
    for dtype in FLOATS + HALVES:
        p = _C.cast(_C.from_numpy(np.tile([0.0, 0.5, 0.75, 1.0], N // 4)), dtype.code)
        x = _C.cast(_C.bernoulli_each(p, generator(3)), lamina.float64.code).numpy().reshape(-1, 4)
        np.testing.assert_allclose(x.mean(axis=0), [0, 0.5, 0.75, 1], atol=0.006)
        assert set(np.unique(x)) == {0.0, 1.0}


def test_randperm() -> None:
    for n in (0, 1, 2, 17, 10_001):
        assert sorted(_C.randperm(n, generator(1)).numpy()) == list(range(n))
    g = generator(2)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(12_000):
        order = tuple(_C.randperm(4, g).numpy().tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert sum((c - 500) ** 2 / 500 for c in counts.values()) < 49.7  # chi^2, 23 degrees of freedom, 0.1 %


@pytest.mark.parametrize("dtype", FLOATS)
def test_multinomial(dtype: Any) -> None:
    weights = np.array([[0.0, 1.0, 3.0, 0.0, 4.0, 0.0], [5.0, 0.0, 1.0, 1.0, 1.0, 0.0]])
    p = _C.cast(_C.from_numpy(weights), dtype.code)
    x = _C.multinomial(p, N, True, generator(4)).numpy()
    for row in range(2):
        rate = np.bincount(x[row], minlength=6) / N
        np.testing.assert_allclose(rate, weights[row] / weights[row].sum(), atol=0.005)
        assert np.all(rate[weights[row] == 0] == 0)
    rows = _C.cast(_C.from_numpy(np.tile(weights[1], (N // 10, 1))), dtype.code)
    x = _C.multinomial(rows, 4, False, generator(5)).numpy()
    assert all(sorted(order) == [0, 2, 3, 4] for order in x[:100].tolist())
    np.testing.assert_allclose(np.bincount(x[:, 0], minlength=6) / len(x), weights[1] / 8, atol=0.015)
    # Given that 0 came first, the second is one of the others with equal odds.
    second = x[x[:, 0] == 0, 1]
    np.testing.assert_allclose(np.bincount(second, minlength=5)[2:] / len(second), 1 / 3, atol=0.02)


# The same bits, whatever runs them.

FILLS = r"""
import hashlib
import numpy as np
import lamina
from lamina import _C

def digest():
    h = hashlib.sha256()
    lamina.manual_seed(99)
    def add(array):
        h.update(_C.cast(array, lamina.float64.code).numpy().tobytes())
    n = 70_001
    for dtype in (lamina.float16, lamina.bfloat16, lamina.float32, lamina.float64):
        for fill, args in [(_C.uniform, (-1.0, 2.0)), (_C.normal, (1.0, 3.0)), (_C.exponential, (0.5,)),
                           (_C.bernoulli, (0.3,)), (_C.randint, (-7, 100))]:
            out = _C.empty((n,), dtype.code, 0)
            fill(out, *args, None)
            add(out)
        p = _C.empty((n,), dtype.code, 0)
        _C.uniform(p, 0.0, 1.0, None)
        add(_C.bernoulli_each(p, None))
        add(_C.dropout(p, 0.4, _C.next_key(None)))
    for dtype in (lamina.bool, lamina.uint8, lamina.int32, lamina.int64):
        out = _C.empty((n,), dtype.code, 0)
        _C.randint(out, 0, 2, None)
        add(out)
    for high in (2**31, 2**50):
        out = _C.empty((n,), lamina.int64.code, 0)
        _C.randint(out, -high, high, None)
        add(out)
    add(_C.randperm(n, None))
    p = _C.empty((50, 200), lamina.float32.code, 0)
    _C.uniform(p, 0.0, 1.0, None)
    add(_C.multinomial(p, 100, True, None))
    add(_C.multinomial(p, 100, False, None))
    for dtype in (lamina.float32, lamina.float64):
        for scale in (1.0, 30.0):
            rate = _C.empty((n,), dtype.code, 0)
            _C.uniform(rate, 0.0, scale, None)
            add(_C.standard_gamma(rate, None))
            add(_C.poisson(rate, None))
            count, p = _C.empty((n,), dtype.code, 0), _C.empty((n,), dtype.code, 0)
            _C.randint(count, 0, 100, None)
            _C.uniform(p, 0.0, 1.0, None)
            add(_C.binomial(count, p, None))
    return h.hexdigest()
"""


def test_same_bits_on_any_number_of_threads() -> None:
    scope: dict[str, Any] = {}
    exec(FILLS, scope)
    digests = set()
    for threads in (1, 2, 7):
        lamina.set_num_threads(threads)
        digests.add(scope["digest"]())
    assert len(digests) == 1


def test_same_bits_on_any_instruction_set() -> None:
    outputs = {
        run_script(FILLS + "print(digest())", LAMINA_MAX_ISA=isa) for isa in ("baseline", "avx2", "avx512")
    }
    assert len(outputs) == 1


def test_a_draw_depends_on_its_index_alone() -> None:
    long = drawn(_C.normal, 1000, lamina.float32, 0.0, 1.0)
    for n in (1, 2, 3, 31, 33, 999):
        np.testing.assert_array_equal(drawn(_C.normal, n, lamina.float32, 0.0, 1.0), long[:n])


def test_strided_fill_follows_logical_order() -> None:
    base = lamina.zeros(5, 7)
    _C.normal(base._array, 0.0, 1.0, generator(1))
    turned = lamina.zeros(7, 5)
    _C.normal(turned.t()._array, 0.0, 1.0, generator(1))
    np.testing.assert_array_equal(turned.numpy().T, base.numpy())


@pytest.mark.parametrize("shape", [(2, 5, 4, 4), (3, 33, 3, 5), (2, 16, 7), (1, 300, 2, 2), (2, 3, 2, 2, 3)])
@pytest.mark.parametrize("dtype", FLOATS + HALVES)
def test_dropout_mask_follows_logical_order(shape: tuple[int, ...], dtype: Any) -> None:
    x = _C.empty(shape, dtype.code, 0)
    _C.fill(x, 1.0)
    plain = _C.dropout(x, 0.3, (11, 12))
    last = _C.dropout(_C.channels_last(x), 0.3, (11, 12))
    assert last.is_channels_last() or math.prod(shape) == shape[0] * shape[1]
    a, b = (_C.cast(y, lamina.float64.code).numpy() for y in (plain, last))
    np.testing.assert_array_equal(a, b)
    keep = words(11, 12, a.size) < int(0.7 * 2**32)
    assert np.array_equal(a.reshape(-1) != 0, keep)
    np.testing.assert_allclose(a.reshape(-1)[keep], 1 / 0.7, rtol=1e-2)


def test_dropout_of_everything_and_nothing() -> None:
    x = lamina.ones(1000)
    assert _C.dropout(x._array, 1.0, (1, 2)).numpy().sum() == 0
    np.testing.assert_array_equal(_C.dropout(x._array, 0.0, (1, 2)).numpy(), 1)


# Generators.


def test_generator_state() -> None:
    g = lamina.Generator()
    assert g.initial_seed() == 67280421310721  # torch's default
    assert g.manual_seed(-1) is g and g.initial_seed() == 2**64 - 1
    g.manual_seed(5)
    first = _C.next_key(g)
    state = g.get_state()
    assert state.dtype is lamina.uint8 and tuple(state.shape) == (16,)
    second = _C.next_key(g)
    g.set_state(state)
    assert (first, second) == ((5, 0), (5, 1)) and _C.next_key(g) == second
    assert _C.next_key(pickle.loads(pickle.dumps(g))) == (5, 2)
    assert g.seed() == g.initial_seed() != lamina.Generator().seed()


def test_default_generator() -> None:
    assert lamina.manual_seed(3) is lamina.random.default_generator
    assert lamina.initial_seed() == 3 and _C.next_key(None) == (3, 0)
    state = lamina.get_rng_state()
    assert _C.next_key(None) == (3, 1)
    lamina.set_rng_state(state)
    assert _C.next_key(lamina.random.default_generator) == (3, 1)
    assert lamina.seed() == lamina.initial_seed()
    seeds = {run_script("import lamina; print(lamina.initial_seed())") for _ in range(2)}
    assert len(seeds) == 2, "a fresh process must not repeat another's draws"


def test_generator_refuses_what_is_no_state() -> None:
    g = lamina.Generator()
    for seed in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match=r"\[manual_seed\] expected a seed"):
            g.manual_seed(seed)
    with pytest.raises(TypeError, match=r"\[set_state\] expected a uint8 tensor"):
        g.set_state(lamina.zeros(16))
    with pytest.raises(ValueError, match=r"\[set_state\] expected 16 bytes, got 3"):
        g.set_state(lamina.tensor(np.zeros(3, dtype=np.uint8)))


# Bad input.


def floats(*shape: int) -> Any:
    return lamina.zeros(*shape)._array


@pytest.mark.parametrize(
    "call, error, match",
    [
        (
            lambda: _C.uniform(floats(2), 1.0, 0.0, None),
            ValueError,
            r"\[uniform_\] expected finite from <= to",
        ),
        (lambda: _C.uniform(floats(2), 0.0, math.inf, None), ValueError, r"\[uniform_\]"),
        (lambda: _C.uniform(floats(2), math.nan, 1.0, None), ValueError, r"\[uniform_\]"),
        (lambda: _C.uniform(floats(2), -3e38, 3e38, None), ValueError, r"\[uniform_\]"),
        (
            lambda: _C.uniform(_C.empty((2,), lamina.int64.code, 0), 0.0, 1.0, None),
            TypeError,
            "floating dtype",
        ),
        (lambda: _C.normal(floats(2), 0.0, -1.0, None), ValueError, r"\[normal_\] expected std >= 0"),
        (lambda: _C.normal(floats(2), 0.0, math.nan, None), ValueError, r"\[normal_\] expected std >= 0"),
        (lambda: _C.exponential(floats(2), 0.0, None), ValueError, r"\[exponential_\] expected lambd > 0"),
        (lambda: _C.randint(floats(2), 3, 3, None), ValueError, r"\[randint\] expected low < high"),
        (
            lambda: _C.randint(_C.empty((2,), lamina.uint8.code, 0), -1, 3, None),
            ValueError,
            "for dtype uint8",
        ),
        (lambda: _C.randint(floats(2), 0, 2**24 + 2, None), ValueError, "for dtype float32"),
        (
            lambda: _C.bernoulli(floats(2), 1.5, None),
            ValueError,
            r"\[bernoulli_\] expected 0 <= p <= 1, got 1.5",
        ),
        (lambda: _C.bernoulli(floats(2), math.nan, None), ValueError, r"\[bernoulli_\]"),
        (lambda: _C.bernoulli_each(lamina.full((3,), 1.01)._array, None), ValueError, r"\[bernoulli\]"),
        (lambda: _C.bernoulli_each(lamina.full((3,), math.nan)._array, None), ValueError, r"\[bernoulli\]"),
        (lambda: _C.randperm(-1, None), ValueError, r"\[randperm\] expected n >= 0"),
        (lambda: _C.multinomial(floats(2, 3, 4), 1, True, None), ValueError, r"\[multinomial\].*shape"),
        (lambda: _C.multinomial(floats(3), 0, True, None), ValueError, "num_samples >= 1"),
        (lambda: _C.multinomial(floats(3), 4, False, None), ValueError, "num_samples <= 3"),
        (lambda: _C.multinomial(floats(3), 1, True, None), ValueError, "only zeros"),
        (lambda: _C.multinomial(lamina.full((3,), -1.0)._array, 1, True, None), ValueError, "negative"),
        (lambda: _C.multinomial(lamina.full((3,), math.inf)._array, 1, True, None), ValueError, "infinite"),
        (lambda: _C.multinomial(lamina.full((3,), math.nan)._array, 1, True, None), ValueError, "NaN"),
        (lambda: _C.multinomial(lamina.tensor([0.0, 1.0])._array, 2, False, None), ValueError, "fewer"),
        (lambda: _C.dropout(floats(2), -0.1, (0, 0)), ValueError, r"\[dropout\] expected 0 <= p <= 1"),
        (lambda: _C.dropout(_C.empty((2,), lamina.int64.code, 0), 0.1, (0, 0)), TypeError, r"\[dropout\]"),
    ],
)
def test_bad_input(call: Callable[[], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_empty_draws() -> None:
    for fill, args in [(_C.uniform, (0.0, 1.0)), (_C.normal, (0.0, 1.0)), (_C.bernoulli, (0.5,))]:
        fill(floats(0), *args, None)
    assert _C.dropout(floats(0, 3), 0.5, (1, 1)).shape == (0, 3)
    assert _C.multinomial(floats(0, 3), 2, True, None).shape == (0, 2)
