"""CUDA devices: which there are, their memory, streams and events, with torch's names.

A build without CUDA, or a machine without a device, has this module too: :func:`is_available` is False and
:func:`unavailable_reason` says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from lamina import _C, devices

__all__ = [
    "CudaError",
    "Event",
    "OutOfMemoryError",
    "Stream",
    "current_device",
    "current_stream",
    "default_stream",
    "device",
    "device_count",
    "empty_cache",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "is_available",
    "is_emulated",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_peak_memory_stats",
    "set_device",
    "set_stream",
    "stream",
    "synchronize",
    "unavailable_reason",
]

CudaError = _C.CudaError
OutOfMemoryError = _C.OutOfMemoryError

Place = Any  # None (the current device), an index, a name or a lamina.device


def is_available() -> bool:
    """Whether there is a device that lamina can use."""
    return _C.cuda_device_count() > 0


def unavailable_reason() -> str:
    """Why there is no device, and what to do; empty where there is one."""
    return _C.cuda_unavailable()


def is_emulated() -> bool:
    """Whether devices are emulated on the CPU (built with ``LAMINA_CUDA=EMULATE``), for tests."""
    return _C.build_info()["cuda"] == "EMULATE"


def device_count() -> int:
    """How many devices there are; 0 where CUDA can't be used."""
    return _C.cuda_device_count()


def current_device() -> int:
    """The index of the device that ``"cuda"`` means on this thread."""
    return _C.cuda_current_device()


def set_device(device: Place) -> None:
    """Makes ``"cuda"`` mean this device on this thread."""
    _C.cuda_set_device(_index(device))


class device:  # noqa: N801 (torch's name)
    """A context in which ``"cuda"`` means the given device.

    Args:
        device: an index, a name or a device; None changes nothing.
    """

    def __init__(self, device: Place) -> None:
        self.index = _index(device)

    def __enter__(self) -> None:
        self._before = current_device()
        _C.cuda_set_device(self.index)

    def __exit__(self, *error: object) -> None:
        _C.cuda_set_device(self._before)


class Properties(NamedTuple):
    """What a device is."""

    name: str
    major: int
    minor: int
    total_memory: int
    multi_processor_count: int


def get_device_properties(device: Place = None) -> Properties:
    """Name, compute capability, bytes of memory and number of multiprocessors."""
    return Properties(*_C.cuda_properties(_index(device)))


def get_device_name(device: Place = None) -> str:
    """As the driver names it."""
    return get_device_properties(device).name


def get_device_capability(device: Place = None) -> tuple[int, int]:
    """The compute capability, as ``(9, 0)``."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def synchronize(device: Place = None) -> None:
    """Waits until everything that was given to a device is done.

    Raises:
        IndexError: if a kernel found an index out of range since the last time; the device stays usable.
    """
    _C.cuda_synchronize(_index(device))


# -- memory


def memory_stats(device: Place = None) -> dict[str, int]:
    """Bytes allocated and reserved, now and at the most, and the number of allocations."""
    return _C.cuda_memory_stats(_index(device))


def memory_allocated(device: Place = None) -> int:
    """Bytes that tensors hold."""
    return memory_stats(device)["allocated"]


def max_memory_allocated(device: Place = None) -> int:
    """The most bytes that tensors held since the start or :func:`reset_peak_memory_stats`."""
    return memory_stats(device)["peak_allocated"]


def memory_reserved(device: Place = None) -> int:
    """Bytes that the allocator holds, for tensors and for later ones."""
    return memory_stats(device)["reserved"]


def max_memory_reserved(device: Place = None) -> int:
    """The most bytes that the allocator held."""
    return memory_stats(device)["peak_reserved"]


def reset_peak_memory_stats(device: Place = None) -> None:
    """Starts the peaks anew from what is held now."""
    _C.cuda_reset_peak_memory_stats(_index(device))


def mem_get_info(device: Place = None) -> tuple[int, int]:
    """Bytes of the device that are free, and all it has."""
    return _C.cuda_free_memory(_index(device))


def empty_cache() -> None:
    """Gives memory that no tensor holds back to the driver."""
    _C.cuda_empty_cache()


# -- streams and events


class Stream:
    """A queue of work: its kernels and copies run one after another, beside those of other streams.

    Args:
        device: where; default: the current device.
        priority: lower runs first.
    """

    def __init__(self, device: Place = None, priority: int = 0) -> None:
        self.device_index = _index(device)
        self.cuda_stream: int = _C.cuda_new_stream(self.device_index, priority)
        self._owned = True

    @classmethod
    def _of(cls, handle: int, device_index: int) -> Stream:
        result = cls.__new__(cls)
        result.cuda_stream, result.device_index, result._owned = handle, device_index, False
        return result

    @property
    def device(self) -> devices.device:
        return devices.device("cuda", self.device_index)

    def synchronize(self) -> None:
        """Waits until all that was given to it is done."""
        _C.cuda_synchronize_stream(self.device_index, self.cuda_stream)

    def query(self) -> bool:
        """Whether all that was given to it is done."""
        return _C.cuda_stream_is_done(self.device_index, self.cuda_stream)

    def record_event(self, event: Event | None = None) -> Event:
        """Marks this point of the stream."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Makes what comes next wait for the event."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Makes what comes next wait for what another stream has been given so far."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, int]:
        return self.device_index, self.cuda_stream

    def __repr__(self) -> str:
        return f"lamina.cuda.Stream(device={str(self.device)!r}, cuda_stream={self.cuda_stream:#x})"

    def __del__(self) -> None:
        if getattr(self, "_owned", False):
            _C.cuda_delete_stream(self.device_index, self.cuda_stream)


class Event:
    """A point in a stream that can be waited for, and timed.

    Args:
        enable_timing: whether :meth:`elapsed_time` works.
    """

    def __init__(self, enable_timing: bool = False) -> None:
        self._timed = enable_timing
        self._device: int | None = None  # of the stream that recorded it first
        self.cuda_event = 0

    def record(self, stream: Stream | None = None) -> None:
        """Marks the current point of a stream; default: the current one."""
        stream = current_stream() if stream is None else stream
        if self._device is None:
            self._device = stream.device_index
            self.cuda_event = _C.cuda_new_event(self._device, self._timed)
        if self._device != stream.device_index:
            raise RuntimeError(
                f"[event] expected a stream of cuda:{self._device}, got one of {stream.device}"
            )
        _C.cuda_record_event(self._device, self.cuda_event, stream.cuda_stream)

    def wait(self, stream: Stream | None = None) -> None:
        """Makes what comes next in a stream wait for this event."""
        stream = current_stream() if stream is None else stream
        if self._device is not None:  # an event that was never recorded has happened, as in torch
            _C.cuda_wait_event(stream.device_index, stream.cuda_stream, self.cuda_event)

    def synchronize(self) -> None:
        """Waits until the event has happened."""
        if self._device is not None:
            _C.cuda_synchronize_event(self._device, self.cuda_event)

    def query(self) -> bool:
        """Whether the event has happened."""
        return self._device is None or _C.cuda_event_is_done(self.cuda_event)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another; both must have happened."""
        for event in (self, end_event):
            if not event._timed or event._device is None:
                raise RuntimeError("[event] expected recorded events made with enable_timing=True")
        return _C.cuda_milliseconds_between(self.cuda_event, end_event.cuda_event)

    def __del__(self) -> None:
        if getattr(self, "_device", None) is not None:
            _C.cuda_delete_event(self.cuda_event)


def current_stream(device: Place = None) -> Stream:
    """The stream that ops of this thread go to."""
    index = _index(device)
    return Stream._of(_C.cuda_current_stream(index), index)


def default_stream(device: Place = None) -> Stream:
    """The stream that ops go to unless another was set."""
    return Stream._of(0, _index(device))


def set_stream(stream: Stream) -> None:
    """Makes ops of this thread on the stream's device go to it."""
    _C.cuda_set_stream(stream.device_index, stream.cuda_stream)


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """A context in which ops go to the given stream; None changes nothing."""
    if stream is None:
        yield
        return
    before_device, before = current_device(), current_stream(stream.device_index)
    _C.cuda_set_device(stream.device_index)
    set_stream(stream)
    try:
        yield
    finally:
        set_stream(before)
        _C.cuda_set_device(before_device)


def _index(place: Place) -> int:
    """The index of a device that exists."""
    if isinstance(place, int):
        index = place
    elif place is None:
        index = _C.cuda_current_device()
    else:
        wanted = devices.device(place)
        if wanted.type != "cuda":
            raise ValueError(f"[cuda] expected a CUDA device, got {place}")
        index = _C.cuda_current_device() if wanted.index is None else wanted.index
    _C.cuda_check_device(index)
    return index
