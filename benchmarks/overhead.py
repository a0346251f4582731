"""What lamina costs besides its kernels, against the project's bounds and against torch.

    python benchmarks/overhead.py [--json results.json]

Tiny ops with gradient recording, their backward, training steps of a 64-32-10 network on a batch of 32, the time and
memory that `import lamina` adds to numpy's, and the size of the wheel. The exit status is 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))

from timing import machine, race, set_threads, show, table

import lamina

CHAIN = 100  # ops a backward pass


def tiny_ops(lib: Any) -> dict[str, Callable[[], object]]:
    """Each op on four elements, recorded; and a backward pass over a chain of it, forward included."""
    x, w = lib.ones(4), lib.ones(4, requires_grad=True)
    seed = lib.ones(4)

    def chain(op: Callable[[Any], Any]) -> Callable[[], object]:
        def run() -> None:
            y = w
            for _ in range(CHAIN):
                y = op(y)
            y.backward(seed)
            w.grad = None

        return run

    ops = {
        "add": lambda y: lib.add(y, x),
        "mul": lambda y: lib.mul(y, x),
        "relu": lib.nn.functional.relu,
        "tanh": lib.tanh,
    }
    calls: dict[str, Callable[[], object]] = {}
    for name, op in ops.items():
        calls[f"{name} forward"] = lambda op=op: op(w)
        calls[f"{name} chain"] = chain(op)
    return calls


def mlp_step(lib: Any, make_optimizer: Callable[[Any], Any], captured: bool = False) -> Callable[[], object]:
    """A training step of a 64-32-10 network on a batch of 32."""
    nn = lib.nn
    lib.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = make_optimizer(model.parameters())
    x, t = lib.randn(32, 64), lib.tensor([k % 10 for k in range(32)])

    def step(x: Any, t: Any) -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), t).backward()
        optimizer.step()

    run = lib.capture(step) if captured else step
    return lambda: run(x, t)


def imported(statement: str) -> tuple[float, float]:
    """Milliseconds and resident megabytes of a fresh interpreter after a statement: medians of 11."""
    code = (
        "import time; t = time.perf_counter()\n"
        f"{statement}\n"
        "t = time.perf_counter() - t\n"
        "pages = int(open('/proc/self/statm').read().split()[1])\n"
        "import resource; print(t * 1e3, pages * resource.getpagesize() / 1e6)"
    )
    with tempfile.TemporaryDirectory() as compiled:  # bytecode is there, as pip leaves it
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        runs = [
            [
                float(v)
                for v in subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
                ).stdout.split()
            ]
            for _ in range(12)
        ]
    return statistics.median(r[0] for r in runs[1:]), statistics.median(r[1] for r in runs[1:])


def wheel_megabytes() -> float:
    """The package, its compiled module stripped, zipped as a wheel is."""
    package = Path(lamina.__file__).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(package))
    return len(buffer.getvalue()) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="where to write all numbers")
    options = parser.parse_args()
    set_threads(1)
    results: list[dict[str, Any]] = []

    def note(what: str, value: float, bound: float | None, shown: str, other: str = "") -> None:
        met = bound is None or value <= bound
        results.append(
            {"what": what, "value": value, "bound": bound, "met": met, "shown": shown, "torch": other}
        )

    ours, theirs = tiny_ops(lamina), tiny_ops(torch)
    for name in ours:
        taken = race({"lamina": ours[name], "torch": theirs[name]}, 1, budget=0.02)
        if name.endswith("forward"):
            forward = taken
            note(f"{name}, recorded", taken["lamina"], 2e-6, show(taken["lamina"]), show(taken["torch"]))
        else:
            back = {library: t / CHAIN - forward[library] for library, t in taken.items()}
            what = name.replace("chain", "backward")
            note(f"{what}, a node", back["lamina"], 2e-6, show(back["lamina"]), show(back["torch"]))
    for title, make in (
        ("SGD", lambda lib: lambda p: lib.optim.SGD(p, lr=0.1, momentum=0.9)),
        ("Adam", lambda lib: lambda p: lib.optim.Adam(p, lr=1e-3)),
    ):
        steps = {lib.__name__: mlp_step(lib, make(lib)) for lib in (lamina, torch)}
        taken = race({**steps, "captured": mlp_step(lamina, make(lamina), captured=True)}, 1)
        what = f"MLP step with {title} (bound: half of torch's)"
        note(what, taken["lamina"], taken["torch"] / 2, show(taken["lamina"]), show(taken["torch"]))
        what = f"MLP step with {title}, captured (bound: an eighth of torch's)"
        note(what, taken["captured"], taken["torch"] / 8, show(taken["captured"]), show(taken["torch"]))
    base_ms, base_mb = imported("import numpy")
    ms, mb = imported("import numpy, lamina")
    note("import over numpy's", ms - base_ms, 50, f"{ms - base_ms:.0f} ms")
    note("memory after import over numpy's", mb - base_mb, 20, f"{mb - base_mb:.1f} MB")
    size = wheel_megabytes()
    note("wheel", size, 8, f"{size:.2f} MB")

    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print(
        table(
            ["overhead", "lamina", "torch", "within its bound"],
            [[r["what"], r["shown"], r["torch"], "yes" if r["met"] else "NO"] for r in results],
        )
    )
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "results": results}, indent=1))
    return int(not all(r["met"] for r in results))


if __name__ == "__main__":
    sys.exit(main())
