"""The checker is checked: mistakes planted in kernels, and which mode of the emulator must report each.

Builds tests/cuda/planted_bugs.cu and the emulator with the host compiler, plainly and with each sanitizer.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
COMPILER = shutil.which(os.environ.get("CXX", "g++"))

pytestmark = [
    pytest.mark.skipif(
        platform.machine() != "x86_64", reason="the emulator switches stacks in x86-64 assembly"
    ),
    pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler"),
]

# ThreadSanitizer sees the kernels alone: the emulator's own files are built without it and told that it is there.
MODES = {
    "plain": ([], []),
    "asan": (["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],) * 2,
    "tsan": (["-fsanitize=thread", "-fno-builtin", "-DLAMINA_EMULATE_TSAN"], ["-DLAMINA_EMULATE_TSAN"]),
}


class Bug(NamedTuple):
    """A mistake, and a word of the report that each mode must make of it; None where it can't see it."""

    name: str
    plain: str | None
    asan: str | None
    tsan: str | None


BUGS = [
    Bug("NO_BARRIER", "WRONG", "WRONG", "data race"),
    Bug("SHARED_REUSED", "WRONG", "WRONG", "data race"),
    Bug("NO_WAIT", "WRONG", "WRONG", "WRONG"),
    Bug("DIVERGENT", "deadlock", "deadlock", "deadlock"),
    Bug("BOUNDS", None, "heap-buffer-overflow", None),
    Bug("NO_ATOMIC", None, None, "data race"),
    Bug("NOT_WRITTEN", "WRONG", "WRONG", "WRONG"),
    Bug("NO_GRID_BARRIER", "WRONG", "WRONG", "data race"),
    Bug("NO_SECOND_GRID_BARRIER", "WRONG", "WRONG", "data race"),
    Bug("NOT_COOPERATIVE", "deadlock", "deadlock", "deadlock"),
]
# In tests/cuda/hopper.cu.  The emulator sees them by itself, without a sanitizer; each with a word of what it says.
# Waits left out make the ring's books wrong before its data.
HOPPER_BUGS = {
    "FULL_NOT_AWAITED": "more arrivals",
    "EMPTY_NOT_AWAITED": "more arrivals",
    "WRONG_PHASE": "more arrivals",
    "FEW_ARRIVALS": "deadlock",
    "MANY_ARRIVALS": "deadlock",
    "WRONG_BYTES": "deadlock",
    "WRONG_SWIZZLE": "WRONG",
    "COPY_NOT_AWAITED": "WRONG",
    "PRODUCTS_NOT_AWAITED": "WRONG",
    "NO_PROXY_FENCE": "without fence_async_proxy()",
    "NOT_BEGUN": "without begin_products()",
}
SHUFFLED = {"LAMINA_EMULATE_ORDER": "shuffled"}
ORDERS = [
    {"LAMINA_EMULATE_ORDER": "forward"},
    {"LAMINA_EMULATE_ORDER": "reverse", "LAMINA_EMULATE_COPIES": "early"},
    *({**SHUFFLED, "LAMINA_EMULATE_SEED": str(seed)} for seed in range(3)),
]


class Build(NamedTuple):
    folder: Path
    emulator: dict[str, list[Path]]

    def program(self, mode: str, bug: str | None = None, kernels: str = "planted_bugs") -> Path:
        """Builds the kernels with one mistake, or none."""
        flags, _ = MODES[mode]
        target = self.folder / f"{kernels}-{mode}-{bug}"
        define = [f"-DBUG_{bug}"] if bug else []
        source = ROOT / "tests" / "cuda" / f"{kernels}.cu"
        compile_(
            ["-x", "c++", *flags, *define, str(source), "-x", "none", *map(str, self.emulator[mode])], target
        )
        return target


def compile_(arguments: list[str], target: Path) -> None:
    includes = [f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'csrc' / 'cuda' / 'emulate'}"]
    command = [str(COMPILER), "-std=gnu++20", "-O1", "-g1", "-Wno-psabi", "-DLAMINA_EMULATE", *includes]
    subprocess.run([*command, *arguments, "-o", str(target), "-pthread"], check=True)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("emulator")
    sources = sorted((ROOT / "csrc" / "cuda" / "emulate").glob("*.cpp"))
    jobs = []
    emulator: dict[str, list[Path]] = {}
    for mode, (_, flags) in MODES.items():
        emulator[mode] = [folder / f"{mode}-{source.stem}.o" for source in sources]
        jobs += [(["-c", *flags, str(s)], o) for s, o in zip(sources, emulator[mode], strict=True)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: compile_(*job), jobs))
    return Build(folder, emulator)


def run(program: Path, options: dict[str, str]) -> tuple[int, str]:
    environment = {**os.environ, **options, "TSAN_OPTIONS": "halt_on_error=1"}
    done = subprocess.run(
        [str(program)], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernels", ["planted_bugs", "wrappers", "graphs", "hopper"])
def test_right_kernels_pass_in_every_order(build: Build, mode: str, kernels: str) -> None:
    """Those of planted_bugs.cu without a bug; wrappers.cu and hopper.cu check what instructions do, graphs.cu what
    captures do."""
    program = build.program(mode, kernels=kernels)
    for options in ORDERS:
        code, output = run(program, options)
        assert code == 0, f"{options}: {output}"
        assert output == ""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bug", BUGS, ids=lambda b: b.name)
def test_planted_bugs_are_found(build: Build, bug: Bug, mode: str) -> None:
    wanted = getattr(bug, mode)
    if wanted is None:
        return  # the table says that this mode is blind to it; another one must see it
    program = build.program(mode, bug.name)
    reports = [run(program, options) for options in ORDERS]
    assert any(code != 0 and wanted in output for code, output in reports), reports


@pytest.mark.parametrize("bug", HOPPER_BUGS)
def test_planted_bugs_in_a_specialised_loop_are_found(build: Build, bug: str) -> None:
    program = build.program("plain", bug, kernels="hopper")
    reports = [run(program, options) for options in ORDERS]
    assert any(code != 0 and HOPPER_BUGS[bug] in output for code, output in reports), reports


def test_some_mode_sees_each_bug() -> None:
    assert all(any((bug.plain, bug.asan, bug.tsan)) for bug in BUGS)
