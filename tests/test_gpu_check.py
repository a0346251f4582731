"""tools/gpu_check.sh without a GPU: it says so; its phases and its report, with tools that only pretend."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "tools/gpu_check.sh"
sys.path.insert(0, str(ROOT / "tools"))

import gpu_report  # noqa: E402
import gpu_train  # noqa: E402

import lamina  # noqa: E402

pytestmark = pytest.mark.skipif(shutil.which("timeout") is None, reason="needs coreutils' timeout")


def pretend(folder: Path, name: str, lines: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o755)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The script in a tree of its own, with a device that is only said to be there."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "python" / "lamina").mkdir(parents=True)
    (tmp_path / "build" / "gpu" / "lamina").mkdir(parents=True)
    for name in ("gpu_check.sh", "gpu_report.py"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools" / name)
    tools = tmp_path / "bin"
    tools.mkdir()
    pretend(
        tools,
        "nvidia-smi",
        'case "$*" in *compute_cap*noheader*) echo 9.0 ;; *) echo "Some GPU, 580.1" ;; esac',
    )
    pretend(tools, "nvcc", 'for last; do :; done; printf "#!/bin/sh\\n" >"$last"; chmod +x "$last"')
    pretend(tools, "cmake", "exit 0")
    pretend(tools, "compute-sanitizer", "exit 0")
    report = f'case "$1" in *gpu_report*) exec {sys.executable} "$@" ;; esac'
    found = 'case "$*" in *benchmarks/cuda.py*) for last; do :; done; cp found.json "$last" ;; esac'
    pretend(tools, "python-there", f"{report}\n{found}\nexit 0")
    return tmp_path


def check(tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{tree / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", SCRIPT, "python-there"],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_a_gpu_it_says_so(tree: Path) -> None:
    pretend(tree / "bin", "nvidia-smi", "exit 9")
    done = check(tree)
    assert done.returncode == 1
    assert done.stdout == "gpu_check: no NVIDIA GPU here (nvidia-smi finds none)\n"


BENCHMARKS = {
    "results": [
        {"op": "conv", "dtype": "bfloat16", "ratio": 0.5, "goal": 0.55},
        {"op": "add", "dtype": "float32", "ratio": 1.2, "goal": None},
    ],
    "wrong": {"pool": "differs\nby much"},
    "not_begun": ["gelu"],
}


def test_phases_and_report(tree: Path) -> None:
    (tree / "found.json").write_text(json.dumps(BENCHMARKS))
    done = check(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (tree / "benchmarks" / "results").iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert folder.name.startswith("Some-GPU-")
    assert (summary["device"], summary["driver"]) == ("Some GPU", "580.1")
    names = ["probe", "build", "wrappers", "runtime", "cases", "memory_errors", "training", "speed"]
    assert [p["phase"] for p in summary["phases"]] == names
    assert all((folder / f"{name}.log").exists() for name in names)
    assert summary["benchmarks"] == BENCHMARKS
    table = (folder / "summary.txt").read_text()
    assert done.stdout.endswith(table)
    assert re.search(r"conv bfloat16 +0\.50 +0\.55  below", table)
    assert "pool: WRONG: differs" in table
    assert "1 rows were not begun" in table


def test_a_phase_that_fails_or_hangs(tree: Path) -> None:
    pretend(tree / "bin", "cmake", "exit 3")
    done = check(tree)
    assert done.returncode == 1
    assert re.search(r"build +failed \(1\)", done.stdout)
    assert "== wrappers" not in done.stdout  # nothing can run without a build
    script = tree / SCRIPT
    script.write_text(script.read_text().replace("phase wrappers 25", "phase wrappers 1"))
    pretend(tree / "bin", "cmake", "exit 0")
    pretend(
        tree / "bin",
        "nvcc",
        'for last; do :; done; printf "#!/bin/sh\\nsleep 9\\n" >"$last"; chmod +x "$last"',
    )
    script.write_text(script.read_text().replace("    program tools/gpu_probe.cu\n", "    true\n"))
    done = check(tree)
    assert done.returncode == 1
    assert re.search(r"wrappers +out of time", done.stdout)
    assert re.search(r"runtime +ok", done.stdout)


def test_phases_exist_and_fit_into_nine_minutes() -> None:
    text = (ROOT / SCRIPT).read_text()
    phases = dict(re.findall(r"phase (\w+) (\d+)", text))
    assert all(re.search(rf"^{name}\(\)", text, re.MULTILINE) for name in phases)
    assert sum(map(int, phases.values())) <= 9 * 60
    assert gpu_report.verdict(gpu_report.TIMED_OUT) == "out of time"


def test_the_training_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """At a small size, on the CPU; it finds a network that has learnt nothing."""
    monkeypatch.setattr(gpu_train, "WIDTHS", (16,))
    assert gpu_train.main("cpu", steps=50, batch=32, wanted=0.6) == 0
    assert gpu_train.main("cpu", steps=4, batch=4, wanted=0.99) == 1
    assert "WRONG: expected at least 99%" in capsys.readouterr().out


@pytest.mark.skipif(not lamina.cuda.is_emulated(), reason="needs LAMINA_CUDA=EMULATE")
def test_the_benchmarks_run_at_a_small_size(torch: object) -> None:
    """Ops and steps are compared with torch and timed; the figures mean nothing here, and none is written."""
    done = subprocess.run(
        [sys.executable, "benchmarks/cuda.py", "--quick", "--only", "char-lstm|conv 3x3 16@4 [fw]|softmax"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for row in ("step char-lstm", "conv 3x3 16@4 fprop", "conv 3x3 16@4 wgrad", "softmax"):
        assert re.search(rf"^{row} ", done.stdout, re.MULTILINE)
