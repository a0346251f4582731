"""Other dtypes, devices and memory orders of the same values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lamina import _C, dtypes
from lamina.autograd.graph import Node, record, tracks
from lamina.devices import device
from lamina.dtypes import dtype
from lamina.tensor import Tensor, method

if TYPE_CHECKING:
    from lamina.cuda import Stream

__all__ = ["channels_last", "clone", "contiguous_format", "detach", "is_floating_point", "is_tensor", "numel"]


class memory_format:  # noqa: N801 (torch's name)
    """An order of the dimensions in memory."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"lamina.{self.name}"


contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")


@method()
def to(
    self: Tensor,
    *args: Any,
    dtype: dtype | None = None,
    device: Any = None,
    copy: bool = False,
    **options: Any,
) -> Tensor:
    """This tensor with another dtype or on another device; itself if nothing changes.

    Args:
        args: a dtype, a device or a tensor to be like, in any order.
        dtype: the dtype wanted.
        device: the device wanted.
        copy: copy even if nothing changes.
        options: ``non_blocking`` and ``memory_format``, as in torch: with ``non_blocking=True`` a copy from pinned
            memory to a CUDA device goes on while the host does; leave the source alone until it is done.

    Example:
        >>> lamina.tensor([1, 2]).to(lamina.float32)
        tensor([1., 2.])
    """
    for arg in args:
        if isinstance(arg, dtypes.dtype):
            dtype = arg
        elif isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, bool):
            options["non_blocking"] = arg
        elif arg is not None:
            device = arg
    unknown = set(options) - {"non_blocking", "memory_format"}
    if unknown:
        raise TypeError(f"[to] got unexpected arguments {sorted(unknown)}")
    result = self if device is None else _to_device(self, device, bool(options.get("non_blocking")))
    if dtype is not None and dtype.code != result._array.dtype:
        result = _cast(result, dtype)
    if options.get("memory_format") is not None:
        result = contiguous(result, memory_format=options["memory_format"])
    return clone(result) if copy and result is self else result


def _to_device(x: Tensor, place: Any, non_blocking: bool = False) -> Tensor:
    code = device(place).code
    if code == x._array.device:
        return x
    y = Tensor(_C.to_device(x._array, code, not non_blocking))
    if tracks(x):
        record(y, _to_device_backward, (x,), (x.device,))
    return y


def _to_device_backward(node: Node, grad: Tensor) -> Tensor:
    (place,) = node.saved
    return _to_device(grad, place)


def _cast(x: Tensor, dtype: dtype) -> Tensor:
    y = Tensor(_C.cast(x._array, dtype.code))
    if dtype.is_floating_point and tracks(x):
        record(y, _cast_backward, (x,))
    return y


def _cast_backward(node: Node, grad: Tensor) -> Tensor:
    return grad  # the engine casts it to the input's dtype


@method()
def clone(input: Tensor, *, memory_format: memory_format | None = None) -> Tensor:
    """A copy with memory of its own, recorded for backward."""
    y = Tensor(_C.clone(input._array))
    if memory_format is not None:
        y = Tensor(contiguous(y.detach(), memory_format=memory_format)._array)
    if tracks(input):
        record(y, _clone_backward, (input,))
    return y


def _clone_backward(node: Node, grad: Tensor) -> Tensor:
    return grad


def _copied(x: Tensor, array: _C.Array) -> Tensor:
    """A copy of ``x`` in other memory; ``x`` itself where the array is its own."""
    if array.data_ptr == x._array.data_ptr:
        return x
    y = Tensor(array)
    if tracks(x):
        record(y, _clone_backward, (x,))
    return y


@method()
def contiguous(self: Tensor, memory_format: memory_format = contiguous_format) -> Tensor:
    """This tensor in row-major (or channels-last) order; itself if it is already."""
    array = (_C.channels_last if memory_format is channels_last else _C.contiguous)(self._array)
    return _copied(self, array)


@method()
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Copies ``src``, which may have another dtype and broadcasts, into this tensor."""
    source = src if isinstance(src, Tensor) else Tensor(_C.from_numpy(src))
    if self._check_inplace("copy_", source):
        expanded = Tensor(_C.empty_like(self._array, self._array.dtype))
        _C.copy_to(expanded._array, source._array)
        return self._become(record(expanded, _clone_backward, (source,)))
    _C.copy_to(self._array, source._array)
    return self


def detach(input: Tensor) -> Tensor:
    """The same memory, outside the graph."""
    return input.detach()


def is_tensor(obj: object) -> bool:
    """Whether ``obj`` is a lamina tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are of a floating type."""
    return input.dtype.is_floating_point


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input._array.numel


def tolist(x: Tensor) -> Any:
    if x.dtype is dtypes.bfloat16:
        x = x.detach().to(dtypes.float32)
    return x.detach().cpu()._array.numpy().tolist()


@method()
def cpu(self: Tensor) -> Tensor:
    """This tensor on the CPU."""
    return to(self, device="cpu")


@method()
def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
    """This tensor on a CUDA device; default: the current one."""
    if isinstance(device, int):
        device = f"cuda:{device}"
    return to(self, device="cuda" if device is None else device, non_blocking=non_blocking)


@method()
def pin_memory(self: Tensor) -> Tensor:
    """This tensor in page-locked memory, from which copies to a CUDA device need not wait; itself if it is there.

    Raises:
        RuntimeError: if there is no CUDA device.
        ValueError: if the tensor is on one.
    """
    array = _C.pinned(self._array)
    return _copied(self, array)


@method()
def is_pinned(self: Tensor) -> bool:
    """Whether the memory is page-locked (:meth:`pin_memory`)."""
    return not self.is_cuda and _C.cuda_is_pinned(self._array)


@method()
def record_stream(self: Tensor, stream: Stream) -> None:
    """Tells the allocator that ``stream`` works on this tensor too.

    Memory serves the stream again that it was allocated on, in its order, as soon as the tensor is gone. Used on
    another stream, it must also wait for what that was given by then. Memory of another library is left to it.

    Raises:
        ValueError: if the tensor is not on the stream's device.
    """
    if self.device != stream.device:
        raise ValueError(
            f"[record_stream] expected a stream of the tensor's device {self.device}, got one of {stream.device}"
        )
    _C.cuda_record_stream(self._array, stream.cuda_stream)


@method()
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor in the dtype of ``other``."""
    return to(self, dtype=other.dtype)


def _attach_casts() -> None:
    names = ("bool", "int", "long", "half", "float", "double", "bfloat16")
    for name in names:
        target: dtype = getattr(dtypes, name)

        def cast(
            self: Tensor, memory_format: memory_format | None = None, *, target: dtype = target
        ) -> Tensor:
            return to(self, dtype=target, memory_format=memory_format)

        cast.__name__, cast.__doc__ = name, f"This tensor as {target}."
        method(name)(cast)


_attach_casts()
