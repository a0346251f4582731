"""Tensors to and from other libraries without a copy: DLPack and the buffer protocol."""

from __future__ import annotations

from typing import Any

from lamina import _C, dtypes
from lamina.devices import device
from lamina.tensor import Tensor, method

__all__ = ["from_dlpack"]

_CPU, _CUDA = 1, 2  # DLPack's device types
_DEVICES = {3: "CUDA host", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 13: "CUDA managed"}
_TYPESTR = {
    dtypes.bool: "|b1",
    dtypes.uint8: "|u1",
    dtypes.int8: "|i1",
    dtypes.int32: "<i4",
    dtypes.int64: "<i8",
    dtypes.float16: "<f2",
    dtypes.float32: "<f4",
    dtypes.float64: "<f8",
}
_DEFAULT_STREAM = 1  # how both protocols name the legacy default stream, our 0


def from_dlpack(ext_tensor: Any, *, device: device | str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's tensor.

    Args:
        ext_tensor: an object with ``__dlpack__``, such as a tensor of torch, jax or cupy or a NumPy array, or the
            capsule that it gives. A capsule can be consumed once.
        device: where the result should live; memory is only shared where it is.
        copy: True copies, False forbids the other library to copy; default: it copies only if it must.

    Raises:
        BufferError: if the memory is elsewhere, or the dtype is none of lamina's.
        TypeError: if the object is none of these.
        ValueError: if the capsule was consumed before, or is not DLPack's.

    Example:
        >>> a = np.arange(3.0)
        >>> lamina.from_dlpack(a).mul_(2)
        tensor([0., 2., 4.], dtype=lamina.float64)
        >>> a
        array([0., 2., 4.])
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        if device is not None and _place(device) != (_CPU, 0):
            raise BufferError(f"[from_dlpack] expected device cpu for a capsule, got {device}")
        result = Tensor(_C.from_dlpack(ext_tensor))
        return result.clone() if copy else result
    kind, index = (int(i) for i in ext_tensor.__dlpack_device__())
    if kind != _CPU and not (kind == _CUDA and _C.cuda_device_count()):
        name = "CUDA" if kind == _CUDA else _DEVICES.get(kind, f"device type {kind}")
        raise BufferError(f"[from_dlpack] expected memory on the CPU, got {name}")
    here = "cpu" if kind == _CPU else f"cuda:{index}"
    if device is not None and _place(device) != (kind, index):
        raise BufferError(f"[from_dlpack] expected device {here}, where the memory is, got {device}")
    wishes: dict[str, Any] = {"max_version": _C.DLPACK_VERSION}
    stream = {} if kind == _CPU else {"stream": _C.cuda_current_stream(index) or _DEFAULT_STREAM}
    if device is not None:
        wishes["dl_device"] = (kind, index)
    if copy is not None:
        wishes["copy"] = copy
    try:
        capsule = ext_tensor.__dlpack__(**stream, **wishes)
    except TypeError:  # a library from before DLPack 1.0
        result = Tensor(_C.from_dlpack(ext_tensor.__dlpack__(**stream)))
        return result.clone() if copy else result
    return Tensor(_C.from_dlpack(capsule))


def _place(where: device | str) -> tuple[int, int]:
    """A device as DLPack names it."""
    return _as_dlpack(device(where).code)


def _as_dlpack(code: int) -> tuple[int, int]:
    return (_CPU, 0) if code == 0 else (_CUDA, code & 0xFF)


@method("__dlpack__")
def _export(
    self: Tensor,
    *,
    stream: Any = None,
    max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None,
    copy: bool | None = None,
) -> Any:
    """A capsule with this tensor's memory, for another library's ``from_dlpack``.

    Args:
        stream: on CUDA the caller's stream, which is made to wait for what computes this tensor: a handle, 1 or None
            for the default stream, -1 for no waiting. None on the CPU.
        max_version: the newest DLPack that the caller reads; None or below 1.0 gives the legacy form.
        dl_device: where the caller wants the memory: None or where it is.
        copy: True: a copy's memory instead; False and None: this tensor's.

    Raises:
        BufferError: if the tensor requires a gradient, is read-only and the caller can't know, or would have to move.
    """
    if self._requires_grad:
        raise BufferError("[__dlpack__] this tensor requires a gradient; export tensor.detach()")
    place = _as_dlpack(self._array.device)
    if place[0] == _CPU and stream is not None:
        raise ValueError(f"[__dlpack__] expected no stream on the CPU, got {stream!r}")
    if dl_device is not None and tuple(map(int, dl_device)) != place:
        raise BufferError(
            f"[__dlpack__] a tensor on {self.device} can't be exported to device {tuple(dl_device)}"
        )
    array = _C.clone(self._array) if copy else self._array
    if place[0] == _CUDA:
        theirs = 0 if stream in (None, _DEFAULT_STREAM) else int(stream)
        ours = _C.cuda_current_stream(place[1])
        _order(place[1], ours, ours if theirs == -1 else theirs)
    return _C.to_dlpack(array, max_version is not None and max_version[0] >= 1, bool(copy))


def _order(index: int, earlier: int, later: int) -> None:
    """Makes one stream of a device wait for what another has been given so far."""
    if earlier == later:
        return
    event = _C.cuda_new_event(index, False)
    try:
        _C.cuda_record_event(index, event, earlier)
        _C.cuda_wait_event(index, later, event)
    finally:
        _C.cuda_delete_event(event)


@method("__dlpack_device__")
def _export_device(self: Tensor) -> tuple[int, int]:
    """DLPack's device type and index."""
    return _as_dlpack(self._array.device)


def _cuda_array_interface(self: Tensor) -> dict[str, Any]:
    """This tensor's memory on a CUDA device, as CuPy and Numba read it (version 3 of the interface)."""
    if self._array.device == 0:
        raise AttributeError(
            f"[__cuda_array_interface__] expected a tensor on CUDA, got one on {self.device}"
        )
    if self._requires_grad:
        raise AttributeError(
            "[__cuda_array_interface__] this tensor requires a gradient; use tensor.detach()"
        )
    if self.dtype not in _TYPESTR:
        raise AttributeError(f"[__cuda_array_interface__] the interface has no {self.dtype}")
    strides = tuple(s * self.itemsize for s in self._array.strides)
    return {
        "version": 3,
        "shape": self._array.shape,
        "strides": None if self.is_contiguous() else strides,
        "typestr": _TYPESTR[self.dtype],
        "data": (self._array.data_ptr if self._array.numel else 0, False),
        "stream": _C.cuda_current_stream(self._array.device & 0xFF) or _DEFAULT_STREAM,
    }


_INTERFACE = "__cuda_array_interface__"
setattr(Tensor, _INTERFACE, property(_cuda_array_interface))


def from_cuda_array(source: Any) -> Tensor:
    """A tensor on the memory behind ``__cuda_array_interface__``, on the current device."""
    described = source.__cuda_array_interface__
    dtype = next((d for d, text in _TYPESTR.items() if text == described["typestr"]), None)
    if dtype is None:
        raise TypeError(
            f"[as_tensor] expected one of {sorted(_TYPESTR.values())}, got {described['typestr']}"
        )
    if described.get("mask") is not None:
        raise TypeError("[as_tensor] expected a CUDA array without a mask")
    shape, size = tuple(described["shape"]), dtype.itemsize
    strides = described.get("strides")
    if strides is None:
        strides, step = [], size
        for n in reversed(shape):
            strides.insert(0, step)
            step *= n
    if any(s % size for s in strides):
        raise ValueError(f"[as_tensor] expected strides in whole elements, got {tuple(strides)} bytes")
    pointer, read_only = described["data"]
    place = device("cuda")
    stream = described.get("stream")
    if stream is not None:
        index = place.code & 0xFF
        _order(index, 0 if stream == _DEFAULT_STREAM else int(stream), _C.cuda_current_stream(index))
    return Tensor(
        _C.from_pointer(
            pointer, place.code, dtype.code, shape, [s // size for s in strides], read_only, source
        )
    )


@method("__buffer__")
def _export_buffer(self: Tensor, flags: int) -> memoryview:
    """This tensor's memory, for ``memoryview`` (Python 3.12 and later; before, ``memoryview(tensor.numpy())``)."""
    if self._requires_grad:
        raise BufferError("[memoryview] this tensor requires a gradient; use tensor.detach()")
    return memoryview(self._array)
