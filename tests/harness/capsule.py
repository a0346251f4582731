"""DLPack capsules made by hand, with any content, that count how often they are let go of."""

from __future__ import annotations

import ctypes
from typing import Any

_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_api.PyCapsule_GetName.restype = ctypes.c_char_p
_api.PyCapsule_GetName.argtypes = [ctypes.py_object]


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_index", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    _fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


class HandMade:
    """A capsule around six float32; it must outlive whoever consumes the capsule.

    Attributes:
        capsule: what to hand over.
        released: how often the deleter was called.
    """

    def __init__(
        self,
        *,
        name: bytes = b"dltensor_versioned",
        version: int = 1,
        flags: int = 0,
        deleter: bool = True,
        data: int | None = -1,
        shape: tuple[int, ...] | None = (2, 3),
        ndim: int | None = None,
        strides: tuple[int, ...] | None = None,
        **fields: Any,
    ) -> None:
        self.released = 0
        self.values = (ctypes.c_float * 6)(*range(6))
        self._deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._release)
        self._name = name
        tensor = _Tensor(code=2, bits=32, lanes=1, device_type=1)
        tensor.data = ctypes.addressof(self.values) if data == -1 else data
        tensor.ndim = len(shape or ()) if ndim is None else ndim
        if shape is not None:
            self._shape = (ctypes.c_int64 * max(len(shape), 1))(*shape)
            tensor.shape = ctypes.cast(self._shape, ctypes.POINTER(ctypes.c_int64))
        if strides is not None:
            self._strides = (ctypes.c_int64 * max(len(strides), 1))(*strides)
            tensor.strides = ctypes.cast(self._strides, ctypes.POINTER(ctypes.c_int64))
        for field, value in fields.items():
            setattr(tensor, field, value)
        self._managed: Any = (
            _Versioned(major=version, minor=0, flags=flags, tensor=tensor)
            if b"versioned" in name
            else _Managed(tensor=tensor)
        )
        if deleter:
            self._managed.deleter = ctypes.cast(self._deleter, ctypes.c_void_p).value
        self.capsule = _api.PyCapsule_New(ctypes.addressof(self._managed), self._name, None)

    def _release(self, _: int) -> None:
        self.released += 1


def name_of(capsule: Any) -> bytes:
    return _api.PyCapsule_GetName(capsule)
