"""What may stand between brackets: random keys against NumPy, gradients, writes, and keys that are wrong."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import lamina
from lamina.autograd import gradcheck, gradgradcheck

SHAPES = npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)


def example(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float64).reshape(shape)


# -- random keys


@st.composite
def basic_items(draw: Any, size: int) -> Any:
    """An integer in range or a slice with a step of at least 1, for a dimension of `size`."""
    bound = st.none() | st.integers(-size - 2, size + 2)
    slices = st.builds(slice, bound, bound, st.none() | st.integers(1, 3))
    return draw(slices | st.integers(-size, size - 1) if size else slices)


@st.composite
def basic_keys(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    items = [draw(basic_items(n)) for n in shape[: draw(st.integers(0, len(shape)))]]
    if draw(st.booleans()):  # an ellipsis: what follows counts from the end
        items = items[: draw(st.integers(0, len(items)))]
        last = shape[len(items) :][::-1][: draw(st.integers(0, len(shape) - len(items)))][::-1]
        items += [Ellipsis, *(draw(basic_items(n)) for n in last)]
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    return tuple(items)


@st.composite
def advanced_keys(draw: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Slices, new axes, masks, and positions whose shapes broadcast; no integers, which torch takes first."""
    common = draw(npst.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    items: list[Any] = []
    masked = False
    d = 0
    while d < len(shape):
        kind = draw(st.sampled_from(("slice", "positions", "mask", "new", "stop")))
        if kind == "stop":
            break
        if kind == "new":
            items.append(None)
        elif kind == "mask" and not masked and not any(isinstance(i, np.ndarray) for i in items):
            rank = draw(st.integers(1, len(shape) - d))
            items.append(draw(npst.arrays(bool, shape[d : d + rank])))
            common, masked = (1,), True  # what else is positions must broadcast with any count
            d += rank
        elif kind == "positions" and shape[d]:
            narrowed = tuple(draw(st.sampled_from((1, n))) for n in common)
            items.append(draw(npst.arrays(np.int64, narrowed, elements=st.integers(-shape[d], shape[d] - 1))))
            d += 1
        else:
            bound = st.none() | st.integers(-6, 6)
            items.append(draw(st.builds(slice, bound, bound, st.none() | st.integers(1, 2))))
            d += 1
    return tuple(items)


def to_lamina(key: tuple[Any, ...], form: str) -> tuple[Any, ...]:
    """Positions and masks as tensors, as arrays, or as nested lists."""
    forms = {"tensor": lambda a: lamina.from_numpy(a), "array": lambda a: a, "list": lambda a: a.tolist()}

    def convert(item: Any) -> Any:
        if not isinstance(item, np.ndarray):
            return item
        # An empty list has lost its shape and dtype.
        return forms[form if item.size else "tensor"](item)

    return tuple(convert(item) for item in key)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_basic_keys(data: Any) -> None:
    x = example(data.draw(SHAPES))
    key = data.draw(basic_keys(x.shape))
    want, t = x[key], lamina.from_numpy(x)
    got = t[key]
    assert tuple(got.shape) == want.shape
    np.testing.assert_array_equal(got.numpy(), want)
    if want.size:  # a view, as NumPy's
        got.add_(100)
        np.testing.assert_array_equal(t.numpy(), x)
    before = x.copy()
    before[key] = -1
    t[key] = -1
    np.testing.assert_array_equal(t.numpy(), before)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_advanced_keys(data: Any) -> None:
    x = example(data.draw(SHAPES))
    key = data.draw(advanced_keys(x.shape))
    given_key = to_lamina(key, data.draw(st.sampled_from(("tensor", "array", "list"))))
    want, t = x[key], lamina.from_numpy(x.copy())
    got = t[given_key]
    assert tuple(got.shape) == want.shape
    np.testing.assert_array_equal(got.numpy(), want)

    values = np.random.default_rng(0).random(want.shape)
    written = x.copy()
    written[key] = values
    t[given_key] = lamina.from_numpy(values)
    np.testing.assert_array_equal(t.numpy(), written)
    written[key] = 7
    t[given_key] = 7
    np.testing.assert_array_equal(t.numpy(), written)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_keys_of_strided_tensors(data: Any) -> None:
    """Any strides: the memory order reversed, every second element, from the end."""
    shape = data.draw(SHAPES)
    x = example(tuple(2 * n for n in shape)).T[tuple(slice(None, None, -2) for _ in shape)]
    key = data.draw(advanced_keys(x.shape))
    t = lamina.from_numpy(x.copy(order="K"))
    strided = lamina.from_numpy(x)
    np.testing.assert_array_equal(strided[key].numpy(), x[key])
    np.testing.assert_array_equal(t[key].numpy(), x[key])
    strided[key] = 5
    want = x.copy()
    want[key] = 5
    np.testing.assert_array_equal(strided.numpy(), want)


@pytest.mark.parametrize("kinds", list(itertools.product("isp", repeat=4)), ids="".join)
def test_integers_among_positions_are_taken_first(kinds: tuple[str, ...], torch: Any) -> None:
    """torch's rule where it differs from NumPy's: integers do not count as separated by slices."""
    x = example((3, 4, 5, 2))
    key = tuple({"i": -1, "s": slice(1, None), "p": [0, -1]}[kind] for kind in kinds)
    want = torch.from_numpy(x)[key]
    got = lamina.from_numpy(x)[key]
    assert tuple(got.shape) == tuple(want.shape)
    np.testing.assert_array_equal(got.numpy(), want.numpy())


# -- keys one by one


def test_scalars_and_flags() -> None:
    x = np.arange(6.0).reshape(2, 3)
    t = lamina.from_numpy(x)
    for key in (
        np.int64(1),
        np.int32(-1),
        (np.uint8(1), 2),
        True,
        False,
        np.True_,
        (..., None),
        (),
        ([],),
        (0, []),
    ):
        index = (
            tuple(np.array(k, int) if isinstance(k, list) else k for k in key)
            if isinstance(key, tuple)
            else key
        )
        np.testing.assert_array_equal(t[key].numpy(), x[index], str(key))
    assert t[lamina.tensor(1), lamina.tensor(-1)].item() == 5
    assert t[lamina.tensor(1)].data_ptr() == t[1].data_ptr()  # a view, as an integer's
    assert t[range(2)].tolist() == x.tolist()
    assert lamina.tensor(5.0)[lamina.tensor(True)].tolist() == [5.0]
    assert lamina.tensor(5.0)[...].item() == lamina.tensor(5.0)[()].item() == 5
    np.testing.assert_array_equal(t[np.array([0, 1], np.uint8)].numpy(), x[[0, 1]])
    np.testing.assert_array_equal(t[lamina.tensor([1], dtype=lamina.int32)].numpy(), x[[1]])


T = np.zeros((3, 4))


@pytest.mark.parametrize(
    "error, match, key",
    [
        (IndexError, "index 3 is out of range for dimension 0 of size 3", 3),
        (IndexError, "index -5 is out of range for dimension 1 of size 4", (0, -5)),
        (IndexError, "index 4 is out of range for dimension 1 of size 4", (slice(None), [0, 4])),
        (IndexError, "index -4 is out of range for dimension 0 of size 3", ([0, -4], [0, 9])),
        (IndexError, "too many indices", (0, 0, 0)),
        (IndexError, "too many indices", (0, 0, [0])),
        (IndexError, "too many indices", (np.ones((3, 4), bool), 0)),
        (IndexError, "at most one ellipsis", (..., ...)),
        (IndexError, "at most one ellipsis", (..., [0], ...)),
        (IndexError, "mask of shape .* does not match", np.ones(4, bool)),
        (IndexError, "mask of shape .* does not match", (slice(None), np.ones(3, bool))),
        (IndexError, "64 bits", 2**70),
        (ValueError, "a step of at least 1, got -1; use flip", slice(None, None, -1)),
        (ValueError, "zero", slice(None, None, 0)),
        (ValueError, "shapes that broadcast", ([0, 1], [0, 1, 2])),
        (TypeError, "got str", "a"),
        (TypeError, "got float", 1.0),
        (TypeError, "int64 or int32, or a bool mask, got lamina.float32", [0.5]),
        (TypeError, "float64", np.array([0.5])),
        (TypeError, "uint8", lamina.tensor([0], dtype=lamina.uint8)),
        (TypeError, "indices must be integers", slice("a", None)),
    ],
)
def test_wrong_keys(error: type[Exception], match: str, key: Any) -> None:
    x = lamina.from_numpy(T.copy())
    with pytest.raises(error, match=match):
        x[key]
    with pytest.raises(error, match=match):
        x[key] = 1
    assert not x.numpy().any()


def test_keys_into_nothing() -> None:
    with pytest.raises(IndexError, match="of size 0"):
        lamina.zeros(0, 3)[[0]]
    with pytest.raises(IndexError, match="too many indices"):
        lamina.tensor(1.0)[0]
    assert tuple(lamina.zeros(0, 3)[:, [0, 2]].shape) == (0, 2)


@pytest.mark.parametrize(
    "error, match, value",
    [
        (
            ValueError,
            r"shapes that broadcast, got \(3,\) and \(2, 4\)|shapes that broadcast, got \(2, 4\) and \(3,\)",
            lamina.ones(3),
        ),
        (ValueError, "broadcast", lamina.ones(2, 2, 4)),
        (TypeError, "expected a tensor or a number", "a"),
        (RuntimeError, "does not fit", 2**40),
    ],
)
def test_wrong_values(error: type[Exception], match: str, value: Any) -> None:
    x = lamina.zeros(3, 4, dtype=lamina.int32)
    for key in (slice(0, 2), [0, 1]):
        with pytest.raises(error, match=match):
            x[key] = value
    assert not x.numpy().any()


def test_values_are_cast_and_leading_ones_dropped() -> None:
    x = lamina.zeros(3, 4)
    x[1:] = lamina.ones(1, 1, 2, 4, dtype=lamina.int64)
    x[[0]] = np.full(4, 2.0)
    assert x.tolist() == [[2.0] * 4, [1.0] * 4, [1.0] * 4]


def test_values_may_share_the_memory() -> None:
    x = np.arange(6.0)
    t = lamina.from_numpy(x.copy())
    t[1:] = t[:-1]
    x[1:] = x[:-1].copy()
    np.testing.assert_array_equal(t.numpy(), x)
    t[[5, 4, 3, 2, 1, 0]] = t
    np.testing.assert_array_equal(t.numpy(), x[::-1])
    i = lamina.tensor([2, 0, 1])
    i[i] = i
    assert i.tolist() == [0, 1, 2]


def test_writes_count_and_refuse_read_only_memory() -> None:
    x = lamina.zeros(3)
    version = x._version
    x[0] = 1
    x[[1]] = 1
    assert x._version == version + 2
    fixed = np.zeros(3)
    fixed.flags.writeable = False
    for key in (0, [0]):
        with pytest.raises(RuntimeError, match="read-only"):
            lamina.from_numpy(fixed)[key] = 1
    with pytest.raises(RuntimeError, match="share one place"):
        lamina.zeros(1).expand(3)[0:2] = 1


# -- gradients

KEYS = [
    0,
    (slice(1, None), ..., None),
    (slice(None), 1, slice(None, None, 2)),
    [0, 2, 0],
    (slice(None), [1, 1], [0, 3]),
    ([0, 1], slice(None), [1, 1]),
    (0, [1, 1, 2]),
    np.arange(60).reshape(3, 4, 5) % 3 == 0,
    (slice(None), np.arange(20).reshape(4, 5) % 3 == 0),
    ([True, False, True], ..., 2),
    (None, True, 1),
]


REPEATED = (3, 6)


@pytest.mark.parametrize("case", range(len(KEYS)))
def test_gradients_of_reads_and_writes(case: int) -> None:
    key = KEYS[case]
    rng = np.random.default_rng(0)
    x = lamina.tensor(rng.random((3, 4, 5)), requires_grad=True)

    def read(x: lamina.Tensor) -> lamina.Tensor:
        return x[key] * x[key]

    assert gradcheck(read, [x]) and gradgradcheck(read, [x], fast_mode=True)
    if case in REPEATED:
        return  # a place that is written twice has no gradient by its first value
    v = lamina.tensor(rng.random(x.detach()[key].shape), requires_grad=True)

    def write(x: lamina.Tensor, v: lamina.Tensor) -> lamina.Tensor:
        y = x * 2
        y[key] = v * v
        return y * y

    assert gradcheck(write, [x, v]) and gradgradcheck(write, [x, v], fast_mode=True)


def test_gradients_of_broadcast_values() -> None:
    x = lamina.ones(3, 4, requires_grad=True)
    v = lamina.ones(1, 1, 4, requires_grad=True)
    y = x * 1
    y[1:] = v
    y[0, 0] = 5.0
    y.sum().backward()
    assert x.grad.tolist() == [[0, 1, 1, 1], [0] * 4, [0] * 4]
    assert v.grad.tolist() == [[[2.0] * 4]]


def test_gradients_of_a_buffer_filled_step_by_step() -> None:
    steps = [lamina.tensor(float(i), requires_grad=True) for i in range(3)]
    buffer = lamina.zeros(3)
    for i, s in enumerate(steps):
        buffer[i] = s * s
    buffer.sum().backward()
    assert [s.grad.item() for s in steps] == [0, 2, 4]


def test_writes_that_cannot_be_recorded_are_refused() -> None:
    leaf = lamina.ones(3, requires_grad=True)
    for write in (
        lambda: leaf.__setitem__(0, 1),
        lambda: leaf.index_put_((lamina.tensor([0]),), lamina.tensor(1.0)),
    ):
        with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
            write()
    with pytest.raises(RuntimeError, match="view of a leaf"):
        leaf[1:][[0]] = 1
    with lamina.no_grad():
        leaf[0] = 5
    assert leaf.tolist() == [5, 1, 1]


def test_writes_through_a_view_reach_the_base() -> None:
    x, v = lamina.ones(4, requires_grad=True), lamina.ones(1, requires_grad=True)
    base = x * 2
    base[1:][0] = v[0] * 3
    base[2:].index_put_((lamina.tensor([1]),), v * 5)
    base[2:].scatter_add_(0, lamina.tensor([0]), v)
    (base * lamina.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert x.grad.tolist() == [2, 0, 200, 0]
    assert v.grad.tolist() == [30 + 5000 + 100]


def test_a_write_spoils_what_was_saved() -> None:
    x = lamina.ones(3, requires_grad=True)
    y = x * 2
    z = y * y
    y[0] = 0
    with pytest.raises(RuntimeError, match="changed in place"):
        z.sum().backward()
    index = lamina.tensor([0, 1])
    z = (x * 2)[index]
    index[0] = 2
    with pytest.raises(RuntimeError, match="changed in place"):
        z.sum().backward()


# -- in place, out of range, in order


@pytest.mark.parametrize(
    "name", ["scatter", "scatter_add", "index_add", "index_copy", "index_fill", "index_put"]
)
def test_in_place_agrees_with_the_function(name: str) -> None:
    x = lamina.tensor(np.random.default_rng(0).random((3, 4)), requires_grad=True)
    rows, full = lamina.tensor([2, 0]), lamina.tensor([[2, 1, 0, 1]])
    v = lamina.ones(2, 4, dtype=lamina.float64, requires_grad=True)
    args = {
        "scatter": (0, full, v[:1]),
        "scatter_add": (0, full, v[:1]),
        "index_fill": (0, rows, 3.0),
        "index_put": ((rows,), v),
    }.get(name, (0, rows, v))
    want = getattr(lamina, name)(x, *args)
    y = x * 1
    assert getattr(y, f"{name}_")(*args) is y
    np.testing.assert_array_equal(y.detach().numpy(), want.detach().numpy())
    seed = lamina.tensor(np.random.default_rng(1).random((3, 4)))
    inputs = [x] if name == "index_fill" else [x, v]
    for a, b in zip(
        lamina.autograd.grad(y, inputs, seed), lamina.autograd.grad(want, inputs, seed), strict=True
    ):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    with pytest.raises(RuntimeError, match="leaf"):
        getattr(x, f"{name}_")(*args)


def test_nothing_is_written_where_an_index_is_out_of_range() -> None:
    x = lamina.zeros(3, 4)
    far = lamina.tensor([0, 3])
    for write in (
        lambda: x.index_add_(0, far, lamina.ones(2, 4)),
        lambda: x.index_put_((far,), lamina.ones(())),
        lambda: x.scatter_(0, far.reshape(2, 1), 1.0),
        lambda: x.__setitem__(far, 1),
    ):
        with pytest.raises(IndexError, match="index 3 is out of range for dimension 0 of size 3"):
            write()
    assert not x.numpy().any()


@pytest.mark.parametrize("columns", [1, 7, 64, 700])
def test_sums_have_the_order_of_the_index(columns: int) -> None:
    """The same bits as a loop, which float sums in another order would not give."""
    rng = np.random.default_rng(0)
    index = rng.integers(0, 5, 3000)
    values = rng.standard_normal((3000, columns)).astype(np.float32) * 10.0 ** rng.integers(-6, 6, (3000, 1))
    values = values.astype(np.float32)
    want = np.zeros((5, columns), np.float32)
    for i, row in zip(index, values, strict=True):
        want[i] += row
    got = lamina.zeros(5, columns).index_add_(0, lamina.from_numpy(index), lamina.from_numpy(values))
    np.testing.assert_array_equal(got.numpy(), want)
    across = np.broadcast_to(index[:, None], values.shape).copy()
    got = lamina.zeros(5, columns).scatter_add_(0, lamina.from_numpy(across), lamina.from_numpy(values))
    np.testing.assert_array_equal(got.numpy(), want)


def test_the_last_of_repeated_writes_stays() -> None:
    x = lamina.zeros(2, 50)
    x[[0, 1, 0]] = lamina.tensor([[1.0], [2.0], [3.0]])
    assert x[:, 0].tolist() == [3, 2]
