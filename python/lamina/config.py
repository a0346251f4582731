"""Threads, memory and the build: what lamina runs on, and why."""

from __future__ import annotations

import os
import sys

import numpy as np

from lamina import _C

__all__ = [
    "config_text",
    "empty_cache",
    "get_num_threads",
    "memory_stats",
    "reset_peak_memory_stats",
    "set_num_threads",
    "show_config",
]

_MB = 1e6


def get_num_threads() -> int:
    """How many threads an op may use, the calling one included.

    The default is ``OMP_NUM_THREADS`` if set, else the number of cores that affinity and the container leave.

    Example:
        >>> lamina.get_num_threads() >= 1
        True
    """
    return _C.num_threads()


def set_num_threads(num_threads: int) -> None:
    """Sets how many threads an op may use.  Results do not depend on it, to the last bit.

    Args:
        num_threads: 1 to 1024.

    Raises:
        ValueError: if it is out of range.

    Example:
        >>> lamina.set_num_threads(lamina.get_num_threads())
    """
    _C.set_num_threads(num_threads)


def memory_stats() -> dict[str, int]:
    """What the allocator of the CPU holds; :func:`lamina.cuda.memory_stats` is a CUDA device's.

    Returns:
        Bytes ``allocated`` now, ``peak_allocated``, the most since the start or :func:`reset_peak_memory_stats`,
        ``reserved`` from the system, and the ``limit`` that the container sets; ``allocations`` counts blocks that
        were handed out.

    Example:
        >>> before = lamina.memory_stats()["allocated"]
        >>> x = lamina.zeros(1000, 1000)
        >>> lamina.memory_stats()["allocated"] - before >= 4_000_000
        True
    """
    return _C.memory_stats()


def reset_peak_memory_stats() -> None:
    """Makes ``peak_allocated`` of :func:`memory_stats` what is allocated now.

    Example:
        >>> lamina.reset_peak_memory_stats()
        >>> stats = lamina.memory_stats()
        >>> stats["peak_allocated"] == stats["allocated"]
        True
    """
    _C.reset_peak_memory_stats()


def empty_cache() -> None:
    """Gives the system back the memory that the allocator of the CPU keeps for later, as far as whole pages are free.

    Example:
        >>> lamina.empty_cache()
    """
    _C.empty_cache()


def show_config() -> None:
    """Prints what lamina was built with and what it runs on; ``python -m lamina info`` does the same."""
    print(config_text())


def config_text() -> str:
    """What :func:`show_config` prints."""
    entries = _entries()
    width = max(len(name) for name, _ in entries)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in entries)


def _entries() -> list[tuple[str, str]]:
    from lamina import __version__

    return [
        ("lamina", f"{__version__}, Python {sys.version.split()[0]}, NumPy {np.__version__}"),
        ("build", _build()),
        ("instruction set", _instruction_set()),
        ("threads", _threads()),
        ("huge pages", _huge_pages()),
        ("memory", _memory()),
        ("devices", _devices()),
    ]


def _devices() -> str:
    count = _C.cuda_device_count()
    if count == 0:
        return f"cpu; no CUDA device: {_C.cuda_unavailable()}"
    names = [_C.cuda_properties(i)[0] for i in range(count)]
    return ", ".join(["cpu", *(f"cuda:{i} ({name})" for i, name in enumerate(names))])


def _build() -> str:
    info = _C.build_info()
    sanitized = ", sanitized" if info["sanitized"] else ""
    return f"{info['compiler']}, {info['build_type']} ({info['flags']}){sanitized}"


def _instruction_set() -> str:
    cap = os.environ.get("LAMINA_MAX_ISA")
    capped = f", capped by LAMINA_MAX_ISA={cap}" if cap else ""
    return f"{_C.selected_isa()} (the processor has {_C.available_isa()}{capped})"


def _threads() -> str:
    limits = _C.core_limits()
    quota = f"{limits['quota']:g} cores" if limits["quota"] else "none"
    omp = limits["omp_threads"] or "not set"
    threads, cores = _C.num_threads(), _C.available_cores()
    if threads != cores:
        why = "set_num_threads"
    elif limits["omp_threads"]:
        why = "OMP_NUM_THREADS"
    elif cores < limits["affinity"]:
        why = "the container's quota"
    else:
        why = "affinity" if cores < limits["online"] else "the machine"
    return (
        f"{threads}, from {why} (online {limits['online']}, affinity {limits['affinity']}, "
        f"container quota {quota}, OMP_NUM_THREADS {omp})"
    )


def _huge_pages() -> str:
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as file:
            modes = file.read()
    except OSError:
        return "unknown"
    mode = modes[modes.find("[") + 1 : modes.find("]")]
    return f"{mode} ({'not used' if mode == 'never' else 'used'})"


def _memory() -> str:
    s = _C.memory_stats()
    return (
        f"{s['allocated'] / _MB:.1f} MB in use, {s['peak_allocated'] / _MB:.1f} MB at the most, "
        f"{s['reserved'] / _MB:.1f} MB held, {s['allocations']} allocations, limit {s['limit'] / _MB:.0f} MB"
    )
