"""Tensors to and from other libraries without a copy: DLPack and the buffer protocol."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.devices import device
from lamina.tensor import Tensor, method

__all__ = ["from_dlpack"]

_CPU = (1, 0)  # DLPack's device type and index
_DEVICES = {2: "CUDA", 3: "CUDA host", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 13: "CUDA managed"}


def from_dlpack(ext_tensor: Any, *, device: device | str | None = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's tensor.

    Args:
        ext_tensor: an object with ``__dlpack__``, such as a tensor of torch, jax or cupy or a NumPy array, or the
            capsule that it gives. A capsule can be consumed once.
        device: where the result should live; only the CPU is shared.
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
    if device is not None and _is_elsewhere(device):
        raise BufferError(f"[from_dlpack] expected device cpu, got {device}")
    if not hasattr(ext_tensor, "__dlpack__"):
        result = Tensor(_C.from_dlpack(ext_tensor))
        return result.clone() if copy else result
    kind, _ = ext_tensor.__dlpack_device__()
    if int(kind) != _CPU[0]:
        name = _DEVICES.get(int(kind), f"device type {int(kind)}")
        raise BufferError(f"[from_dlpack] expected memory on the CPU, got {name}")
    wishes: dict[str, Any] = {"max_version": _C.DLPACK_VERSION}
    if device is not None:
        wishes["dl_device"] = _CPU
    if copy is not None:
        wishes["copy"] = copy
    try:
        capsule = ext_tensor.__dlpack__(**wishes)
    except TypeError:  # a library from before DLPack 1.0
        result = Tensor(_C.from_dlpack(ext_tensor.__dlpack__()))
        return result.clone() if copy else result
    return Tensor(_C.from_dlpack(capsule))


def _is_elsewhere(place: device | str) -> bool:
    return device(place).type != "cpu"


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
        stream: None: there is nothing to wait for on the CPU.
        max_version: the newest DLPack that the caller reads; None or below 1.0 gives the legacy form.
        dl_device: where the caller wants the memory: None or the CPU, ``(1, 0)``.
        copy: True: a copy's memory instead; False and None: this tensor's.

    Raises:
        BufferError: if the tensor requires a gradient, is read-only and the caller can't know, or would have to move.
    """
    if self._requires_grad:
        raise BufferError("[__dlpack__] this tensor requires a gradient; export tensor.detach()")
    if stream is not None:
        raise ValueError(f"[__dlpack__] expected no stream on the CPU, got {stream!r}")
    if dl_device is not None and tuple(map(int, dl_device)) != _CPU:
        raise BufferError(f"[__dlpack__] a tensor on the CPU can't be exported to device {tuple(dl_device)}")
    array = _C.clone(self._array) if copy else self._array
    return _C.to_dlpack(array, max_version is not None and max_version[0] >= 1, bool(copy))


@method("__dlpack_device__")
def _export_device(self: Tensor) -> tuple[int, int]:
    """DLPack's device type and index."""
    return _CPU


@method("__buffer__")
def _export_buffer(self: Tensor, flags: int) -> memoryview:
    """This tensor's memory, for ``memoryview`` (Python 3.12 and later; before, ``memoryview(tensor.numpy())``)."""
    if self._requires_grad:
        raise BufferError("[memoryview] this tensor requires a gradient; use tensor.detach()")
    return memoryview(self._array)
