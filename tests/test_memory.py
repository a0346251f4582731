"""The caching allocator: books that balance, bounded memory whatever the shapes, errors that leave it usable."""

from __future__ import annotations

import random
import threading

import numpy as np
import pytest
from harness.script import run_script

from lamina import _C

SANITIZED = bool(_C.build_info()["sanitized"])  # then every block is malloc's, and nothing is cached
BYTE = 1  # code of uint8
MB = 2**20


def block(n: int) -> np.ndarray:
    return _C.empty((n,), BYTE, 0).numpy()


def test_books() -> None:
    _C.reset_peak_memory_stats()
    before = _C.memory_stats()
    a = _C.empty((3 * MB,), BYTE, 0)
    b = _C.empty((100,), BYTE, 0)
    now = _C.memory_stats()
    assert now["allocated"] - before["allocated"] == 3 * MB + 100
    assert now["allocations"] - before["allocations"] == 2
    assert now["reserved"] >= now["allocated"]
    del a, b
    after = _C.memory_stats()
    assert after["allocated"] == before["allocated"]
    assert after["peak_allocated"] == now["allocated"]
    _C.reset_peak_memory_stats()
    assert _C.memory_stats()["peak_allocated"] == before["allocated"]


def test_alignment_and_empty() -> None:
    arrays = [
        _C.empty((n,), BYTE, 0) for n in (0, 1, 63, 64, 65, 4095, 4096, 4097, 10**6, 5 * MB) for _ in range(3)
    ]
    addresses = [a.data_ptr for a in arrays]
    assert all(p % 64 == 0 and p != 0 for p in addresses)
    assert len(set(addresses)) == len(addresses)


def test_freed_memory_is_reused_and_returned() -> None:
    if SANITIZED:
        return
    a = _C.empty((40 * MB,), BYTE, 0)
    address = a.data_ptr
    del a
    held = _C.memory_stats()["reserved"]
    assert held >= 40 * MB
    assert _C.empty((40 * MB,), BYTE, 0).data_ptr == address
    assert _C.memory_stats()["reserved"] == held
    _C.empty_cache()
    assert _C.memory_stats()["reserved"] <= held - 40 * MB


@pytest.mark.parametrize("seed, most", [(0, 30 * MB), (1, MB), (2, 5000)])
def test_blocks_do_not_overlap(seed: int, most: int) -> None:
    """Random sizes in random order, each block filled with a mark of its own."""
    rng = random.Random(seed)
    live: list[tuple[np.ndarray, int]] = []
    size = 0
    start = _C.memory_stats()["allocated"]
    for step in range(4000):
        n = int(most ** rng.random())
        while size + n > 4 * most:
            a, mark = live.pop(rng.randrange(len(live)))
            assert a[0] == a[-1] == a[len(a) // 2] == mark and not np.any(a[:256] != mark)
            size -= len(a)
        a = block(n)
        a[:256] = a[len(a) // 2] = a[-256:] = step % 251
        live.append((a, step % 251))
        size += n
    del a
    live.clear()
    assert _C.memory_stats()["allocated"] == start


BOUNDED = r"""
import random
from lamina import _C

MB = 2**20
rng = random.Random(7)
live, size, worst = [], 0, 0.0
for step in range(20_000):
    n = {draw}
    while size + n > 300 * MB:
        i = rng.randrange(len(live))
        size -= live[i].storage_bytes
        live[i] = live[-1]
        live.pop()
    live.append(_C.empty((n,), 1, 0))
    size += n
    stats = _C.memory_stats()
    blocks = sum(a.storage_bytes > 4096 for a in live) if step % 500 == 0 else 0
    if blocks:
        bound = 1.6 * stats["peak_allocated"] + 64 * MB + 4 * MB * blocks
        worst = max(worst, stats["reserved"] / bound)
live.clear()
held = _C.memory_stats()["reserved"]
_C.empty_cache()
stats = _C.memory_stats()
print(worst < 1 and stats["allocated"] == 0 and stats["reserved"] <= 4 * MB, worst, held, stats)
"""


@pytest.mark.parametrize(
    "draw",
    [
        "int((60 * MB) ** rng.random())",  # every magnitude
        "MB + step * 9973 % (50 * MB)",  # never the same twice
        "(step // 100 % 50 + 1) * MB + step % 7",  # phases of a kind, each larger
    ],
)
def test_memory_is_bounded_whatever_the_shapes(draw: str) -> None:
    if SANITIZED:
        return
    assert run_script(BOUNDED.replace("{draw}", draw)).startswith("True")


def test_growing_shapes_do_not_accumulate() -> None:
    if SANITIZED:
        return
    code = """
from lamina import _C
for n in range(10, 400, 3):
    _C.empty((n << 20,), 1, 0)
s = _C.memory_stats()
print(s["reserved"] / s["peak_allocated"])
"""
    assert float(run_script(code)) < 1.9


def test_too_much_is_an_exception_that_leaves_all_usable() -> None:
    start = _C.memory_stats()["allocated"]
    with pytest.raises(MemoryError, match=r"\[allocate\] out of memory: wanted .* MB"):
        _C.empty((2**44,), BYTE, 0)
    assert _C.memory_stats()["allocated"] == start
    assert block(1000).nbytes == 1000
    with pytest.raises(ValueError, match=r"\[empty\] shape"):
        _C.empty((2**40, 2**40), BYTE, 0)


def test_the_cache_is_given_back_before_an_allocation_fails() -> None:
    if SANITIZED:
        return
    code = """
import resource
from lamina import _C
MB = 2**20
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 600 * MB, -1))
for _ in range(3):  # what is cached of one shape must not stand in the way of another
    a = [_C.empty((n * MB,), 1, 0) for n in (100, 120, 140)]
    del a
    b = _C.empty((480 * MB,), 1, 0)
    del b
try:
    keep = [_C.empty((64 * MB,), 1, 0) for _ in range(100)]
except MemoryError:
    print(_C.memory_stats()["allocated"], _C.empty((480 * MB,), 1, 0).numel)
"""
    assert run_script(code) == f"0 {480 * MB}"


def test_threads_share_the_allocator() -> None:
    start = _C.memory_stats()["allocated"]
    errors: list[str] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        live = []
        for step in range(2000):
            a = block(int((4 * MB) ** rng.random()))
            a[0] = a[-1] = (seed + step) % 256
            live.append((a, (seed + step) % 256))
            if len(live) > 20:
                b, mark = live.pop(rng.randrange(len(live)))
                if b[0] != mark or b[-1] != mark:
                    errors.append(f"thread {seed}, step {step}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    del threads
    assert not errors
    assert _C.memory_stats()["allocated"] == start


def test_fork_while_another_thread_allocates() -> None:
    code = """
import os, threading
from lamina import _C
stop = False
def churn():
    while not stop:
        [_C.empty((n,), 1, 0) for n in (100, 5000, 3_000_000)]
thread = threading.Thread(target=churn)
thread.start()
for _ in range(30):
    child = os.fork()
    if child == 0:
        for n in (100, 5000, 50_000_000):
            _C.empty((n,), 1, 0).numpy()[:] = 1
        _C.empty_cache()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
stop = True
thread.join()
print("ok")
"""
    assert run_script(code) == "ok"
