"""Ops and training steps on a CUDA device against torch on the same one, the most important first.

    python benchmarks/cuda.py [--seconds 80] [--only conv] [--json results.json] [--quick]

Ops are timed by events over inputs that rotate past the L2 cache, and as graphs; training steps eager and captured.
Every result is compared with torch's before it is timed: one that differs is not timed, and the exit status is 1.
After ``--seconds`` no more rows are begun. Prints a table; writes JSON after each row, to benchmarks/results/ unless
told otherwise, with device, driver and commit. ``--quick`` tries the script at sizes that even an emulated device can
do, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

import cuda_steps  # noqa: E402
from cuda_rows import Row, rows  # noqa: E402
from cuda_timing import by_events, by_graph, copies_for  # noqa: E402

import lamina  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
ITEM = {"bfloat16": 2, "float16": 2, "float32": 4}


def set_tf32(library: Any, allow: bool) -> None:
    library.backends.cuda.matmul.allow_tf32 = allow
    library.backends.cudnn.allow_tf32 = allow


def calls_of(row: Row, library: Any, inputs: list[list[Any]]) -> Any:
    """Of an index: the row's call, or the gradient of a call that was made before."""
    if row.gradient_of is None:
        return lambda i: row.call(library, *inputs[i])
    graphs = []
    for tensors in inputs:
        wanted = tensors[row.gradient_of].requires_grad_()
        result = row.call(library, *tensors)
        graphs.append((result, wanted, library.ones_like(result)))

    def gradient(i: int) -> Any:
        result, wanted, seed = graphs[i]
        return library.autograd.grad(result, wanted, seed, retain_graph=True)[0]

    return gradient


def measure(row: Row, torch: Any, device: str, quick: bool) -> dict[str, Any]:
    """A record of the row; AssertionError where the results differ."""
    size = sum(ITEM[row.dtype] * prod(shape) for shape in row.shapes)
    copies = copies_for(size, quick)
    drawn = [torch.randn(*shape) for shape in row.shapes]
    sets: dict[Any, list[list[Any]]] = {}
    for library, place in ((torch, device), (lamina, "cuda")):
        given = drawn if library is torch else [lamina.from_numpy(t.numpy()) for t in drawn]
        tensors = [t.to(place).to(getattr(library, row.dtype)) for t in given]
        tensors = [t.contiguous(memory_format=library.channels_last) if t.ndim == 4 else t for t in tensors]
        sets[library] = [tensors, *([t.clone() for t in tensors] for _ in range(copies - 1))]
    record: dict[str, Any] = {"op": row.name, "dtype": row.dtype}
    results, calls = {}, {}
    for name, library in (("lamina", lamina), ("torch", torch)):
        set_tf32(library, row.tf32)
        call = calls_of(row, library, sets[library])
        results[name] = call(0).detach().float().cpu().numpy()
        calls[name] = (library, call)
    worst = abs(results["lamina"] - results["torch"]).max() / (abs(results["torch"]).max() + 1e-30)
    assert worst < row.tolerance, f"differs from torch by {worst:.1e} of the largest value; not timed"
    for name, (library, call) in calls.items():
        record[f"{name}_ms"] = by_events(library, call, copies)
        if row.gradient_of is None:
            record[f"{name}_graph_ms"] = by_graph(library, call, copies)
    timed = "_graph_ms" if row.gradient_of is None else "_ms"
    mine = record[f"lamina{timed}"]
    record["ratio"], record["goal"] = record[f"torch{timed}"] / mine, row.goal
    record |= {"GB_per_s": row.bytes / mine / 1e6} if row.bytes else {}
    record |= {"TFLOP_per_s": row.flops / mine / 1e9} if row.flops else {}
    return record


def step_records(torch: Any, device: str, quick: bool) -> Iterator[tuple[str, Any]]:
    for name, work in cuda_steps.works(quick).items():

        def run(name: str = name, work: Any = work) -> dict[str, Any]:
            times = cuda_steps.measure(work, torch, device)
            record = {"op": f"step {name}", "dtype": "float32", "steps_ms": times, "goal": 1}
            ours = {"lamina_ms": times["lamina"], "lamina_graph_ms": times["lamina captured"]}
            theirs = {"torch_ms": times["torch"], "torch_graph_ms": times["torch graph"]}
            return record | ours | theirs | {"ratio": times["torch"] / times["lamina captured"]}

        yield f"step {name}", run


def line(r: dict[str, Any]) -> str:
    shown = [r.get(k) for k in ("lamina_ms", "torch_ms", "lamina_graph_ms", "torch_graph_ms")]
    times = " ".join(f"{t:>9.4f}" if t is not None else " " * 9 for t in shown)
    rate = f"{r['TFLOP_per_s']:.1f} TFLOP/s" if "TFLOP_per_s" in r else ""
    rate = f"{r['GB_per_s']:.0f} GB/s {rate}" if "GB_per_s" in r else rate
    goal = "" if r["goal"] is None else f"{r['goal']:g}"
    return f"{r['op']:<26} {r['dtype']:<9} {times} {r['ratio']:>6.2f} {goal:>5}  {rate}"


def command(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600, help="after which no row is begun")
    parser.add_argument("--only", default="", help="a regular expression that names of rows match")
    parser.add_argument("--json", type=Path, help="where results go")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the script")
    options = parser.parse_args()
    emulated = lamina.cuda.is_emulated()
    if not lamina.cuda.is_available() or (emulated and not options.quick):
        reason = lamina.cuda.unavailable_reason() or "this one is emulated"
        print(f"benchmarks/cuda.py: no CUDA device: {reason}")
        return 1
    import torch

    device = "cpu" if emulated else "cuda"
    if emulated:
        torch.set_num_threads(1)
    torch.backends.cudnn.benchmark = True
    end = time.monotonic() + options.seconds
    name = lamina.cuda.get_device_name()
    record: dict[str, Any] = {
        "device": name,
        "driver": command("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
        "commit": command("git", "rev-parse", "HEAD"),
        "torch": torch.__version__,
        "results": [],
        "wrong": {},
        "not_begun": [],
    }
    default = ROOT / "benchmarks" / "results" / f"cuda-{name.replace(' ', '-')}.json"
    path = options.json or default
    heads = " ".join(f"{h:>9}" for h in ("lamina", "torch", "l. graph", "t. graph"))
    print(f"{'milliseconds':<26} {'':<9} {heads} {'ratio':>6} {'goal':>5}  rate")
    works = [*step_records(torch, device, options.quick)]
    works[1:1] = [  # the first step, then ops, so that little time still sees some of both
        (row.name, lambda row=row: measure(row, torch, device, options.quick)) for row in rows(options.quick)
    ]
    for op, run in works:
        if not re.search(options.only, op):
            continue
        if time.monotonic() > end:
            record["not_begun"].append(op)
            continue
        try:
            record["results"].append(run())
            print(line(record["results"][-1]), flush=True)
        except AssertionError as error:
            record["wrong"][op] = str(error).strip()
            print(f"{op:<26} WRONG: {str(error).strip()[:200]}", flush=True)
        if not options.quick:
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(record, indent=2) + "\n")
    if record["not_begun"]:
        print(f"not begun within {options.seconds:g} s: {len(record['not_begun'])} rows")
    return 1 if record["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
