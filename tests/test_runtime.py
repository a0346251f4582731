"""Threads, instruction sets, denormals and the build."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from harness.script import run_script

import lamina
from lamina import _C

N = 300_000  # elements: many chunks


@pytest.fixture(autouse=True)
def restore_threads() -> Iterator[None]:
    threads = lamina.get_num_threads()
    yield
    lamina.set_num_threads(threads)


def draw(seed: int = 1, n: int = N) -> np.ndarray:
    out = _C.empty((n,), lamina.float32.code, 0)
    _C.normal(out, 0.0, 1.0, lamina.Generator().manual_seed(seed))
    return out.numpy()


# How many threads.


def test_set_num_threads() -> None:
    want = draw()
    for threads in (1, 2, 7, 3):
        lamina.set_num_threads(threads)
        assert lamina.get_num_threads() == threads
        np.testing.assert_array_equal(draw(), want)
    for bad in (0, -1, 1025):
        with pytest.raises(ValueError, match=rf"\[set_num_threads\] expected 1 to 1024, got {bad}"):
            lamina.set_num_threads(bad)
    assert lamina.get_num_threads() == 3


THREADS = "import lamina; print(lamina.get_num_threads())"


@pytest.mark.parametrize("text, threads", [("3", 3), (" 5 ", 5), ("2,4", 2), ("1", 1)])
def test_omp_num_threads(text: str, threads: int) -> None:
    assert run_script(THREADS, OMP_NUM_THREADS=text) == str(threads)


@pytest.mark.parametrize("text", ["0", "-2", "many", "2.5", "3x", "99999999999"])
def test_bad_omp_num_threads(text: str) -> None:
    error = run_script(THREADS, check=False, OMP_NUM_THREADS=text)
    assert error == f"ValueError: [OMP_NUM_THREADS] expected 1 to 1024, got '{text}'"


def test_affinity() -> None:
    one = sorted(os.sched_getaffinity(0))[:1]
    code = f"import os; os.sched_setaffinity(0, {one}); {THREADS}"
    assert run_script(code) == "1"
    assert run_script(code, OMP_NUM_THREADS="2") == "2", "the user's word counts most"


def system(root: Path, cgroup: str, mountinfo: str, files: dict[str, str]) -> str:
    """A file system as a container shows it."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    (root / "proc/self/mountinfo").write_text(mountinfo)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


V2 = "30 23 0:26 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
V1 = (
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
)


@pytest.mark.parametrize(
    "cgroup, mountinfo, files, quota, memory",
    [
        ("0::/\n", V2.format(root="/"), {}, 0, 0),
        ("0::/\n", V2.format(root="/"), {"cpu.max": "max 100000\n", "memory.max": "max\n"}, 0, 0),
        ("0::/\n", V2.format(root="/"), {"cpu.max": "250000 100000\n", "memory.max": "1000000\n"}, 2.5, 1_000_000),
        # The tightest of the groups on the way up counts.
        (
            "0::/a/b\n",
            V2.format(root="/"),
            {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000", "cpu.max": "400000 100000",
             "a/b/memory.max": "7000", "a/memory.max": "5000"},
            1.5,
            5000,
        ),
        # A container without a namespace of its own: the mount begins at its group.
        ("0::/docker/ab\n", V2.format(root="/docker/ab"), {"cpu.max": "50000 100000"}, 0.5, 0),
        (
            "4:memory:/\n3:cpu,cpuacct:/x\n0::/\n",
            V1.format(root="/"),
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "300000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000",
             "memory/memory.limit_in_bytes": "123456"},
            3,
            123_456,
        ),
        (
            "4:memory:/\n3:cpu,cpuacct:/\n",
            V1.format(root="/"),
            {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000",
             "memory/memory.limit_in_bytes": "9223372036854771712"},
            0,
            0,
        ),
        ("garbage\n", "garbage\n", {}, 0, 0),
    ],
)  # fmt: skip
def test_control_groups(
    tmp_path: Path, cgroup: str, mountinfo: str, files: dict[str, str], quota: float, memory: int
) -> None:
    root = system(tmp_path, cgroup, mountinfo, files)
    assert _C.cgroup_cpu_quota(root) == quota
    assert _C.cgroup_memory_limit(root) == memory


def test_missing_control_groups(tmp_path: Path) -> None:
    assert _C.cgroup_cpu_quota(str(tmp_path)) == 0 and _C.cgroup_memory_limit(str(tmp_path)) == 0


# Processes and threads.

PRELUDE = """
import os, sys, threading
import numpy as np
import lamina
from lamina import _C

def draw(n=300_000):
    out = _C.empty((n,), lamina.float32.code, 0)
    _C.normal(out, 0.0, 1.0, lamina.Generator().manual_seed(1))
    return out.numpy()

def in_child(work):
    child = os.fork()
    if child == 0:
        try:
            work()
            sys.stdout.flush()
            os._exit(0)
        except BaseException as e:
            print(e, file=sys.stderr, flush=True)
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0

lamina.set_num_threads(3)
"""


def test_fork_before_and_after_use() -> None:
    code = """
def use():
    assert lamina.get_num_threads() == 3
    np.testing.assert_array_equal(draw(), want)
    lamina.set_num_threads(2)
    np.testing.assert_array_equal(draw(), want)

if sys.argv[-1] == "before":  # the parent has no workers yet
    want = None
want = np.array(draw())
for _ in range(20):
    in_child(use)
    np.testing.assert_array_equal(draw(), want)
in_child(lambda: in_child(use))
print("ok")
"""
    assert run_script(PRELUDE + code) == "ok"
    before = """
lamina.set_num_threads(1)
want = np.array(draw())
lamina.set_num_threads(3)
def use():
    np.testing.assert_array_equal(draw(), want)
in_child(use)  # no worker was ever started here
use()
print("ok")
"""
    assert run_script(PRELUDE + before) == "ok"


def test_fork_amid_the_work_of_another_thread() -> None:
    code = """
want = np.array(draw())
stop = False
def work():
    while not stop:
        draw()
threads = [threading.Thread(target=work) for _ in range(2)]
for t in threads: t.start()
def use():
    np.testing.assert_array_equal(draw(), want)
for _ in range(10):
    in_child(use)
stop = True
for t in threads: t.join()
print("ok")
"""
    assert run_script(PRELUDE + code) == "ok"


@pytest.mark.parametrize("ending", ["", "os._exit(0)", "raise SystemExit(0)"])
def test_exit_amid_work(ending: str) -> None:
    """Neither spinning workers nor a daemon thread in the middle of an op keep the process from ending well."""
    code = """
import time
def work():
    while True:
        draw(2_000_000)
for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
draw()
"""
    for _ in range(3):
        run_script(PRELUDE + code + ending, timeout=60)


def test_concurrent_callers() -> None:
    """More Python threads than the pool serves at once, while its size changes."""
    want = [draw(seed) for seed in range(12)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(20):
            if not np.array_equal(draw(seed), want[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(12)]
    for t in threads:
        t.start()
    for k in range(30):
        lamina.set_num_threads(1 + k % 5)
        time.sleep(0.002)
    for t in threads:
        t.join()
    assert not wrong


def test_every_chunk_runs_once() -> None:
    """With fewer, as many and more threads than the spans into which the pool deals a region's chunks."""
    x = lamina.zeros(N)
    for round, threads in enumerate((2, 7, 16, 40), start=1):
        lamina.set_num_threads(threads)
        x.add_(1)
        np.testing.assert_array_equal(x.numpy(), np.full(N, round, "float32"))


def test_long_work_lets_other_python_threads_run() -> None:
    draw(N)
    ticks = 0
    stop = False

    def tick() -> None:
        nonlocal ticks
        while not stop:
            ticks += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        before, start = ticks, time.perf_counter()
        while time.perf_counter() - start < 2 and ticks - before < 3:
            inside = ticks
            draw(n=20_000_000)  # one call, tens of milliseconds
            if ticks - inside >= 3:
                break
        else:
            pytest.fail("no other thread ran during a long op")
    finally:
        stop = True
        thread.join()


# Denormals.


def test_denormals_are_flushed_inside_and_restored_outside() -> None:
    tiny = np.full(N, 1e-40, dtype=np.float32)
    for threads in (1, 3):
        lamina.set_num_threads(threads)
        x = _C.from_numpy(tiny)
        assert not np.any(_C.mul(x, 1.0).numpy()), "kernels read denormals as zero, on every thread"
        assert np.all(tiny * np.float32(0.5) > 0), "NumPy must still see them"


def test_the_callers_own_flushing_is_kept() -> None:
    code = """
import ctypes, ctypes.util
import numpy as np
import lamina
from lamina import _C
libm = ctypes.CDLL(ctypes.util.find_library("m"))
environment = (ctypes.c_uint32 * 16)()
def mxcsr(value=None):  # the last word of glibc's fenv_t on x86-64
    libm.fegetenv(environment)
    if value is not None:
        environment[7] = value
        libm.fesetenv(environment)
    return environment[7] & ~0x3f
for control in (0x1f80, 0x1f80 | 0x8040, 0x1f80 | 0x8000, 0x1f80 | 0x2000):
    mxcsr(control)
    _C.mul(_C.from_numpy(np.ones(300_000, np.float32)), 2.0)
    assert mxcsr() == control, (hex(mxcsr()), hex(control))
    try:
        _C.empty((2**44,), 1, 0)
    except MemoryError:
        pass
    try:
        _C.normal(_C.empty((3,), lamina.float32.code, 0), 0.0, -1.0, None)
    except ValueError:
        pass
    assert mxcsr() == control, "after an exception"
    mxcsr(0x1f80)
print("ok")
"""
    if os.uname().machine == "x86_64":
        assert run_script(code, OMP_NUM_THREADS="2") == "ok"


# Instruction sets.


def test_max_isa() -> None:
    order = ["baseline", "avx2", "avx512"]
    best = order.index(_C.available_isa())
    for i, isa in enumerate(order):
        got = run_script("from lamina import _C; print(_C.selected_isa())", LAMINA_MAX_ISA=isa)
        assert got == order[min(i, best)]
    for bad in ("AVX2", "sse", "avx1024"):
        error = run_script("import lamina; lamina.ones(3) + 1", check=False, LAMINA_MAX_ISA=bad)
        assert error == f"ValueError: [LAMINA_MAX_ISA] expected baseline, avx2 or avx512, got '{bad}'"


# The report.


def test_show_config(capsys: pytest.CaptureFixture[str]) -> None:
    lamina.show_config()
    text = capsys.readouterr().out
    for line in ("lamina ", "build ", "instruction set ", "threads ", "huge pages ", "memory ", "devices "):
        assert f"\n{line}" in "\n" + text
    info = run_script(
        "import runpy, sys; sys.argv[1:] = ['info']; runpy.run_module('lamina', run_name='__main__')"
    )
    assert lamina.__version__ in info and _C.selected_isa() in info


@pytest.mark.parametrize(
    "code, environment, reason",
    [
        ("", {"OMP_NUM_THREADS": "3"}, "3, from OMP_NUM_THREADS"),
        ("lamina.set_num_threads(9);", {}, "9, from set_num_threads"),
        ("import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]);", {}, "1, from "),
    ],
)
def test_show_config_says_where_the_threads_come_from(
    code: str, environment: dict[str, str], reason: str
) -> None:
    assert reason in run_script(f"import lamina; {code} lamina.show_config()", **environment)
