"""The checks of the code base: they pass here, and they find what they are for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import check_layering  # noqa: E402
import check_symbols  # noqa: E402
import recipes  # noqa: E402


def test_nothing_calls_upward() -> None:
    assert [
        *check_layering.cpp_problems(ROOT / "csrc"),
        *check_layering.python_problems(ROOT / "python/lamina"),
    ] == []


def test_upward_includes_are_found(tmp_path: Path) -> None:
    for room in ("cpu", "ops"):
        (tmp_path / room).mkdir()
    (tmp_path / "cpu/pool.cpp").write_text('#include "kernels/pool.h"\n#include "ops/pool.h"\n')
    (tmp_path / "ops/pool.cpp").write_text(
        '#include "ops/pool.h"\n#  include "cpu/vec.h"\n#include "core/array.h"\n'
    )
    problems = [p.partition(": ")[2] for p in check_layering.cpp_problems(tmp_path)]
    assert problems == ["cpu must not include ops", "ops must not include cpu"]


def test_upward_imports_are_found(tmp_path: Path) -> None:
    package = tmp_path / "lamina"
    (package / "ops").mkdir(parents=True)
    (package / "tensor.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from lamina.autograd.graph import Node\n"
        "if TYPE_CHECKING:\n    from lamina.nn import Module\n"
        "def later():\n    from lamina.ops import reduce\n"
        "from lamina.ops.reduce import sum\n"
        "from lamina.autograd import engine\n"
    )
    (package / "ops/__init__.py").write_text(
        "from lamina.ops.reduce import *\nfrom lamina.nn import functional\n"
    )
    problems = [p.partition(": ")[2] for p in check_layering.python_problems(package)]
    assert problems == [
        "ops must not import nn.functional when it is loaded",
        "tensor must not import autograd.engine when it is loaded",
        "tensor must not import ops.reduce.sum when it is loaded",
    ]


needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") and shutil.which("nm") and shutil.which("objdump")),
    reason="needs g++ and binutils, which a build of the package from source needs too",
)


def compiled(tmp_path: Path, room: str, source: str, *flags: str) -> None:
    folder = tmp_path / "CMakeFiles" / room
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "x.cpp").write_text(source)
    subprocess.run(["g++", "-std=c++20", "-O1", *flags, "-c", "x.cpp", "-o", "x.o"], cwd=folder, check=True)


@needs_compiler
def test_shared_symbols_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = "namespace lamina::cpu::baseline { int pool() { return 1; } }"
    compiled(tmp_path, "lamina_cpu_baseline.dir", clean)
    assert check_symbols.main(tmp_path) == 0
    shared = "[[gnu::noinline]] inline int helper(int x) { return x * 3; }"
    compiled(
        tmp_path,
        "lamina_cpu_baseline.dir",
        f"{shared} namespace lamina::cpu::baseline {{ int f = helper(2); }}",
    )
    assert check_symbols.main(tmp_path) == 1
    assert "helper(int) is not in lamina::cpu::baseline" in capsys.readouterr().out


@needs_compiler
def test_instructions_that_not_every_processor_has_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "namespace lamina::cpu::baseline { double f(double a, double b) { return a * b; } }"
    compiled(tmp_path, "lamina_cpu_baseline.dir", source)
    assert check_symbols.main(tmp_path) == 0
    compiled(tmp_path, "lamina_cpu_baseline.dir", source, "-mavx2")
    assert check_symbols.main(tmp_path) == 1
    assert "vmulsd" in capsys.readouterr().out


def test_an_empty_build_folder_is_no_proof(tmp_path: Path) -> None:
    assert check_symbols.main(tmp_path) == 1


def test_pages_of_recipes_say_what_their_headers_say() -> None:
    assert {path.name for path in recipes.PAGES.glob("*.md")} == {path.name for path in recipes.pages()}
    for path, text in recipes.pages().items():
        assert path.read_text() == text, "python tools/recipes.py writes the pages anew"
    pictures = list(recipes.PAGES.glob("*/*.png"))
    assert pictures and all(picture.stat().st_size <= recipes.BYTES for picture in pictures)


def test_pictures_of_recipes_are_made_small(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    recipes.save_small(image.fromarray(noise), tmp_path / "noise.png")
    assert 0 < (tmp_path / "noise.png").stat().st_size <= recipes.BYTES
