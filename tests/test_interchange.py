"""Exchange with NumPy, torch, jax and hand-made DLPack capsules: shared memory, errors, and nothing let go of twice."""

from __future__ import annotations

import gc
import importlib.util
import threading
from typing import Any

import numpy as np
import pytest
from harness.capsule import HandMade, name_of

import lamina

NUMPY_DTYPES = ("bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64")


def example(dtype: str) -> np.ndarray:
    return (np.arange(12).reshape(3, 4) % 2 if dtype == "bool" else np.arange(12).reshape(3, 4)).astype(dtype)


def users(t: lamina.Tensor) -> int:
    gc.collect()
    return t._array.storage_users


# -- NumPy


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_numpy_round_trip_shares_memory(dtype: str) -> None:
    a = example(dtype)
    t = lamina.from_dlpack(a)
    assert t.dtype is getattr(lamina, dtype)
    b = np.from_dlpack(t)
    assert b.dtype == a.dtype
    t[0, 0] = 1
    assert a[0, 0] == b[0, 0] == 1
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "view",
    [lambda a: a.T, lambda a: a[::2, 1::2], lambda a: a[::-1, ::-1], lambda a: a[:0], lambda a: a[1, 2, ...]],
)
def test_numpy_views(view: Any) -> None:
    a = view(np.arange(12.0).reshape(3, 4))
    for t in (lamina.from_dlpack(a), lamina.from_numpy(a)):
        np.testing.assert_array_equal(t.numpy(), a)
        np.testing.assert_array_equal(np.from_dlpack(t), a)
        np.testing.assert_array_equal((t + 1).numpy(), a + 1)


def test_read_only_memory_stays_read_only() -> None:
    a = np.arange(3.0)
    a.flags.writeable = False
    t = lamina.from_dlpack(a)
    with pytest.raises(RuntimeError, match="read-only"):
        t[0] = 1
    assert not np.from_dlpack(t).flags.writeable
    assert memoryview(t._array).readonly
    with pytest.raises(BufferError, match=r"read-only.*DLPack 1\.0"):
        t.__dlpack__()


def test_strides_of_either_sign_stay_within_the_storage() -> None:
    reverse = lamina.from_numpy(np.arange(10.0)[::-1])
    with pytest.raises(ValueError, match="leaves the 10 elements"):
        reverse.as_strided((2,), (1,))  # from the last element in memory on
    assert reverse.as_strided((10,), (1,), 0).tolist() == list(range(10))


# -- torch


@pytest.mark.parametrize("dtype", [*NUMPY_DTYPES, "bfloat16"])
def test_torch_round_trip_shares_memory(torch: Any, dtype: str) -> None:
    source = torch.arange(12).reshape(3, 4).to(getattr(torch, dtype))
    t = lamina.from_dlpack(source)
    assert t.dtype is getattr(lamina, dtype) and tuple(t.shape) == (3, 4)
    back = torch.from_dlpack(t)
    assert back.dtype is source.dtype and back.data_ptr() == source.data_ptr()
    t[1, 1] = 0
    assert source[1, 1] == 0 and back[1, 1] == 0


def test_torch_views(torch: Any) -> None:
    source = torch.arange(24.0).reshape(2, 3, 4)
    for view in (
        source.permute(2, 0, 1),
        source[:, ::2],
        source[0, 0, 0],
        source[:0],
        source.expand(5, 2, 3, 4),
    ):
        t = lamina.from_dlpack(view)
        assert tuple(t.shape) == tuple(view.shape)
        np.testing.assert_array_equal(t.numpy(), view.numpy())
        assert torch.equal(torch.from_dlpack(t), view)


def test_torch_reads_what_lamina_made(torch: Any) -> None:
    t = lamina.tensor([[1.0, 2.0], [3.0, 4.0]]).t()
    other = torch.utils.dlpack.from_dlpack(t)
    other[0, 1] = 7
    assert t.tolist() == [[1.0, 7.0], [2.0, 4.0]]


def test_a_tensor_that_requires_a_gradient_is_not_exported(torch: Any) -> None:
    t = lamina.ones(3, requires_grad=True)
    for read in (np.from_dlpack, torch.from_dlpack, lambda x: x.__dlpack__()):
        with pytest.raises(BufferError, match="requires a gradient"):
            read(t)
    with pytest.raises(RuntimeError, match="requires a gradient"):
        t.numpy()
    with pytest.raises(BufferError, match="require gradient"):
        lamina.from_dlpack(torch.ones(3, requires_grad=True))
    assert torch.from_dlpack(t.detach()).sum() == 3


def test_memory_outlives_its_maker(torch: Any) -> None:
    t = lamina.from_dlpack(torch.arange(1000.0) + 1)
    kept = torch.from_dlpack(lamina.from_dlpack(np.arange(1000.0) + 1))
    gc.collect()
    assert t.sum().item() == kept.sum().item() == 500500


# -- jax, where it is installed


if importlib.util.find_spec("jax"):

    def test_jax() -> None:
        import jax.numpy as jnp

        source = jnp.arange(6.0).reshape(2, 3)
        t = lamina.from_dlpack(source)
        np.testing.assert_array_equal(t.numpy(), np.asarray(source))
        np.testing.assert_array_equal(np.asarray(jnp.from_dlpack(lamina.ones(2, 3))), np.ones((2, 3)))


# -- the protocol's arguments


def test_versions_and_names_of_capsules() -> None:
    t = lamina.ones(2)
    assert name_of(t.__dlpack__()) == b"dltensor"
    assert name_of(t.__dlpack__(max_version=(0, 8))) == b"dltensor"
    assert name_of(t.__dlpack__(max_version=(1, 0))) == b"dltensor_versioned"
    assert name_of(t.__dlpack__(max_version=(2, 3))) == b"dltensor_versioned"
    assert t.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize("max_version", [None, (1, 0)])
def test_copies_only_on_request(max_version: Any) -> None:
    t = lamina.zeros(2)
    shared = lamina.from_dlpack(t.__dlpack__(max_version=max_version, copy=False, dl_device=(1, 0)))
    copied = lamina.from_dlpack(t.__dlpack__(max_version=max_version, copy=True))
    t.add_(1)
    assert shared.tolist() == [1, 1] and copied.tolist() == [0, 0]
    assert lamina.from_dlpack(t, copy=True).data_ptr() != t.data_ptr()
    assert lamina.from_dlpack(t, copy=False, device="cpu").data_ptr() == t.data_ptr()


def test_requests_that_the_cpu_cannot_meet() -> None:
    t = lamina.ones(2)
    with pytest.raises(BufferError, match="can't be exported to device"):
        t.__dlpack__(dl_device=(2, 0))
    with pytest.raises(ValueError, match="expected no stream"):
        t.__dlpack__(stream=1)
    with pytest.raises(BufferError, match="expected device cpu"):
        lamina.from_dlpack(t, device="cuda")

    class OnGpu:
        def __dlpack__(self, **_: Any) -> Any:
            raise AssertionError("must not be asked")

        def __dlpack_device__(self) -> tuple[int, int]:
            return (10, 0)  # ROCm, which no build knows

    with pytest.raises(BufferError, match="on the CPU, got"):
        lamina.from_dlpack(OnGpu())


def test_a_library_from_before_versions_is_read() -> None:
    class Old:
        def __init__(self, t: lamina.Tensor) -> None:
            self.t = t

        def __dlpack__(self) -> Any:
            return self.t.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

    t = lamina.ones(2)
    assert lamina.from_dlpack(Old(t)).data_ptr() == t.data_ptr()
    assert lamina.from_dlpack(Old(t), copy=True).data_ptr() != t.data_ptr()


# -- capsules: consumed once, foreign ones refused, deleters called once


@pytest.mark.parametrize("max_version", [None, (1, 0)])
def test_a_capsule_is_consumed_once(max_version: Any) -> None:
    t = lamina.ones(2)
    capsule = t.__dlpack__(max_version=max_version)
    before = users(t)
    first = lamina.from_dlpack(capsule)
    assert name_of(capsule).startswith(b"used_dltensor")
    with pytest.raises(ValueError, match="already consumed"):
        lamina.from_dlpack(capsule)
    del capsule
    assert users(t) == before and first.tolist() == [1, 1]
    del first
    assert users(t) == before - 1 == 1


@pytest.mark.parametrize("max_version", [None, (1, 0)])
def test_a_capsule_that_nobody_consumes_lets_go(max_version: Any) -> None:
    t = lamina.ones(2)
    capsule = t.__dlpack__(max_version=max_version)
    assert users(t) == 2
    del capsule
    assert users(t) == 1


@pytest.mark.parametrize("wrong", [None, 3, [1.0], "dltensor", object()])
def test_what_is_no_capsule_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected an object with __dlpack__ or its capsule"):
        lamina.from_dlpack(wrong)


@pytest.mark.parametrize("name", [b"dltensor", b"dltensor_versioned"])
def test_the_deleter_is_called_once(name: bytes) -> None:
    made = HandMade(name=name)
    t = lamina.from_dlpack(made.capsule)
    assert t.tolist() == [[0, 1, 2], [3, 4, 5]]
    view = t[1]
    del t
    gc.collect()
    assert made.released == 0 and view.tolist() == [3, 4, 5]
    del view
    gc.collect()
    assert made.released == 1


def test_a_tensor_may_die_in_another_thread() -> None:
    made = [HandMade() for _ in range(50)]
    tensors = [lamina.from_dlpack(m.capsule) for m in made]
    thread = threading.Thread(target=tensors.clear)
    thread.start()
    thread.join()
    assert [m.released for m in made] == [1] * 50


def test_exports_may_die_in_another_thread() -> None:
    t = lamina.ones(2)
    held = [np.from_dlpack(t) for _ in range(50)] + [t.__dlpack__(max_version=(1, 0)) for _ in range(50)]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert users(t) == 1


def test_a_capsule_without_a_deleter_is_read() -> None:
    made = HandMade(deleter=False)
    assert lamina.from_dlpack(made.capsule)[0].tolist() == [0, 1, 2]
    assert made.released == 0


def test_strides_offsets_and_flags_are_read() -> None:
    made = HandMade(strides=(1, 2), flags=1)
    t = lamina.from_dlpack(made.capsule)
    assert t.tolist() == [[0, 2, 4], [1, 3, 5]]
    with pytest.raises(RuntimeError, match="read-only"):
        t.add_(1)
    made = HandMade(shape=(2,), byte_offset=8)
    assert lamina.from_dlpack(made.capsule).tolist() == [2, 3]
    made = HandMade(shape=(), ndim=0)
    assert lamina.from_dlpack(made.capsule).item() == 0
    made = HandMade(shape=(0, 3), data=None)
    assert tuple(lamina.from_dlpack(made.capsule).shape) == (0, 3)


@pytest.mark.parametrize(
    "error, match, fields",
    [
        (ValueError, "named 'dltensor' or", {"name": b"some_other_capsule"}),
        (ValueError, "already consumed", {"name": b"used_dltensor"}),
        (ValueError, "already consumed", {"name": b"used_dltensor_versioned"}),
        (BufferError, "expected DLPack 1, got version 2", {"version": 2}),
        (BufferError, "got device type 10", {"device_type": 10}),
        (BufferError, "type code 5, 64 bits and 1 lanes", {"code": 5, "bits": 64}),
        (BufferError, "type code 2, 32 bits and 4 lanes", {"lanes": 4}),
        (BufferError, "type code 1, 16 bits", {"code": 1, "bits": 16}),
        (ValueError, "0 to 16 dimensions", {"ndim": -1}),
        (ValueError, "0 to 16 dimensions", {"ndim": 17}),
        (ValueError, "0 to 16 dimensions", {"shape": None, "ndim": 2}),
        (ValueError, "sizes of at least 0", {"shape": (2, -3)}),
        (ValueError, "needs more bytes", {"shape": (2**40, 2**40)}),
        (ValueError, "a null pointer", {"data": None}),
        (ValueError, "aligned", {"byte_offset": 2}),
        (ValueError, "spans more bytes", {"strides": (2**62, 2**62)}),
    ],
)
def test_foreign_capsules_are_refused_and_stay_whole(
    error: type[Exception], match: str, fields: dict[str, Any]
) -> None:
    made = HandMade(**fields)
    name = name_of(made.capsule)
    with pytest.raises(error, match=match):
        lamina.from_dlpack(made.capsule)
    assert made.released == 0 and name_of(made.capsule) == name


# -- the buffer protocol


@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_buffers_share_memory(dtype: str) -> None:
    t = lamina.from_numpy(example(dtype)).clone()
    view = memoryview(t.t()._array)
    assert view.shape == (4, 3) and not view.readonly
    assert np.asarray(view).dtype == dtype
    np.testing.assert_array_equal(np.asarray(view), t.t().numpy())
    np.asarray(view)[0, 0] = 1
    assert t[0, 0].item() == 1
    assert t.__buffer__(0).shape == (3, 4)


def test_buffers_that_cannot_be() -> None:
    with pytest.raises(BufferError):
        memoryview(lamina.ones(2).to(lamina.bfloat16)._array)
    with pytest.raises(BufferError, match="requires a gradient"):
        lamina.ones(2, requires_grad=True).__buffer__(0)


def test_numpy_functions_take_tensors_without_a_copy() -> None:
    t = lamina.ones(3)
    a = np.asarray(t)
    a[0] = 5
    assert t.tolist() == [5, 1, 1]
