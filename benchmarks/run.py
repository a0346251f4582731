"""Times the benchmark samples of tests/cases against torch, forward and forward with backward.

    python benchmarks/run.py [family ...] [--threads 1 2] [--json results.json]

A family is a module of tests/cases, or the beginning of a case's name. Both libraries get row-major inputs and, where
there are 4-d or 5-d ones, channels-last inputs too; the better counts. The gradient of an output lies in memory as the
output does. Results (gradients too) must agree first: a wrong
answer is reported and not timed, and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

from case import Case, Sample  # noqa: E402
from harness.compare import assert_close, tolerance  # noqa: E402
from harness.discover import all_cases  # noqa: E402
from harness.draw import Call, Drawn, draw_call, leaves  # noqa: E402
from harness.run import output_grads, run_lamina, run_torch, to_lamina, to_torch, torch_function  # noqa: E402
from timing import machine, race, set_threads, show, table  # noqa: E402

import lamina  # noqa: E402

Run = Callable[[], object]

TORCH_LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}  # by rank


def channels_last(values: np.ndarray) -> np.ndarray:
    if values.ndim not in TORCH_LAYOUTS:
        return values
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)


def lamina_runs(case: Case, sample: Sample, call: Call) -> dict[str, Run]:
    """Forward without recording; forward and backward."""
    made: list[lamina.Tensor] = []

    def make(x: Any) -> Any:
        if isinstance(x, Drawn):
            made.append(to_lamina(x))
            return made[-1]
        return x

    args, kwargs = call.mapped(make)

    def forward() -> Any:
        with lamina.no_grad():
            return case.call(*args, **kwargs)

    outputs = [y for y in leaves(case.call(*args, **kwargs)) if getattr(y, "requires_grad", False)]
    seeds = [
        lamina.empty_like(y).copy_(lamina.from_numpy(g))
        for y, g in zip(outputs, output_grads(case, sample, [y.detach().numpy() for y in outputs]))
    ]
    inputs = [t for t in made if t.requires_grad]

    def both() -> Any:
        roots = [y for y in leaves(case.call(*args, **kwargs)) if getattr(y, "requires_grad", False)]
        return lamina.autograd.grad(roots, inputs, seeds, allow_unused=True)

    return (
        {"forward": forward, "forward+backward": both}
        if outputs and case.differentiable
        else {"forward": forward}
    )


def torch_runs(case: Case, sample: Sample, call: Call) -> dict[str, Run]:
    made: list[torch.Tensor] = []

    def make(x: Any) -> Any:
        t = to_torch(torch, x)
        if isinstance(x, Drawn):
            if x.values.ndim in TORCH_LAYOUTS and not x.values.flags.c_contiguous:
                t = t.detach().contiguous(memory_format=TORCH_LAYOUTS[x.values.ndim]).requires_grad_(x.grad)
            made.append(t)
        return t

    args, kwargs = call.mapped(make)
    function = torch_function(torch, case)

    def forward() -> Any:
        with torch.no_grad():
            return function(*args, **kwargs)

    outputs = [y for y in leaves(function(*args, **kwargs)) if getattr(y, "requires_grad", False)]
    seeds = [
        torch.empty_like(y).copy_(torch.from_numpy(g))
        for y, g in zip(outputs, output_grads(case, sample, [y.detach().numpy() for y in outputs]))
    ]
    inputs = [t for t in made if t.requires_grad]

    def both() -> Any:
        roots = [y for y in leaves(function(*args, **kwargs)) if getattr(y, "requires_grad", False)]
        return torch.autograd.grad(roots, inputs, seeds, allow_unused=True)

    return (
        {"forward": forward, "forward+backward": both}
        if outputs and case.differentiable
        else {"forward": forward}
    )


def verify(case: Case, sample: Sample, call: Call) -> None:
    """Raises AssertionError where lamina and torch disagree."""
    got = run_lamina(case, sample, call, backward=case.differentiable)
    want = run_torch(torch, case, sample, call)
    rtol, atol = tolerance(case, case.dtypes[0])
    for k, (a, b) in enumerate(zip(got.outputs, want.outputs, strict=True)):
        assert_close(a, b, 4 * rtol, 4 * atol, f"output {k}", by_scale=True)
    for k, (a, b) in enumerate(zip(got.grads, want.grads)):
        if a is not None and b is not None:
            assert_close(a, b, 8 * rtol, 8 * atol, f"gradient {k}", by_scale=True)


def measure(case: Case, sample: Sample, threads: int) -> list[dict[str, Any]]:
    """One record a pass: the times of both libraries in each layout, and torch's best over lamina's best."""
    set_threads(threads)
    plain = draw_call(case, sample, case.dtypes[0])
    verify(case, sample, plain)
    calls = {"contiguous": plain}
    if any(x.values.ndim in TORCH_LAYOUTS for x in plain.inputs()):
        calls["channels last"] = plain.rearranged(channels_last)
        verify(case, sample, calls["channels last"])
    runs = {
        (library, layout): make(case, sample, call)
        for layout, call in calls.items()
        for library, make in (("lamina", lamina_runs), ("torch", torch_runs))
    }
    records = []
    for passes in runs["lamina", "contiguous"]:
        taken = race({" ".join(key): run[passes] for key, run in runs.items()}, threads)
        best = {
            library: min(t for name, t in taken.items() if name.startswith(library))
            for library in ("lamina", "torch")
        }
        records.append(
            {
                "pass": passes,
                "threads": threads,
                "seconds": taken,
                **best,
                "ratio": best["torch"] / best["lamina"],
            }
        )
    return records


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", help="default: all")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--json", type=Path, help="where to write all times")
    options = parser.parse_args()

    records, rows, wrong = [], [], 0
    for case in all_cases():
        if case.torch is None or (options.families and not case.name.startswith(tuple(options.families))):
            continue
        for name, sample in case.benchmarks.items():
            for threads in options.threads:
                try:
                    measured = measure(case, sample, threads)
                except AssertionError as error:
                    wrong += 1
                    print(f"WRONG  {case.name} {name}: {error}", file=sys.stderr)
                    break
                for record in measured:
                    records.append({"case": case.name, "sample": name, **record})
                    times = (show(record["lamina"]), show(record["torch"]), f"{record['ratio']:.2f}")
                    rows.append([case.name, name, record["pass"], str(threads), *times])
                    print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print(table(["case", "sample", "pass", "threads", "lamina", "torch", "torch / lamina"], rows))
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "records": records}, indent=1))
    if wrong:
        print(f"{wrong} wrong answers were not timed", file=sys.stderr)
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
