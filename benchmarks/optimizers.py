"""Times optimizer steps against torch's fastest form, and says how many bytes a second they move.

    python benchmarks/optimizers.py [SGD Adam ...] [--threads 1 2] [--json results.json]

The parameters are those of a ResNet-18 for small images, 11 million in 62 tensors. torch runs as a loop, ``foreach``
and, where it has one, ``fused``; the best counts. Both libraries' parameters must agree after three steps, or the
optimizer is not timed and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from timing import machine, race, set_threads, show, table

import lamina

# Options, and how many arrays of the parameters' size a step reads and writes.
OPTIMIZERS: dict[str, tuple[dict[str, Any], int]] = {
    "SGD": ({"lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-4}, 5),
    "Adam": ({}, 7),
    "AdamW": ({}, 7),
    "Adamax": ({}, 7),
    "NAdam": ({}, 7),
    "RAdam": ({}, 7),
    "Adagrad": ({}, 5),
    "RMSprop": ({}, 5),
    "Adadelta": ({}, 7),
    "ASGD": ({}, 5),
    "Rprop": ({}, 7),
}
SHAPES = [tuple(p.shape) for p in lamina.models.resnet18(num_classes=10).parameters()]


def contenders(name: str, options: dict[str, Any], **ours: Any) -> dict[str, Any]:
    """Optimizers over parameters and gradients of equal values: ``lamina`` with options ``ours``, torch's forms."""
    rng = np.random.default_rng(0)
    start = [rng.standard_normal((2, *s)).astype("float32") for s in SHAPES]
    made: dict[str, Any] = {}
    forms = {
        "lamina": (lamina, ours),
        "loop": (torch, {"foreach": False}),
        "foreach": (torch, {"foreach": True}),
    }
    if name in ("SGD", "Adam", "AdamW", "Adagrad"):
        forms["fused"] = (torch, {"fused": True})
    for form, (lib, extra) in forms.items():
        params = [lib.nn.Parameter(lib.tensor(s[0])) for s in start]
        for p, s in zip(params, start):
            p.grad = lib.tensor(s[1])
        made[form] = getattr(lib.optim, name)(params, **options, **extra)
    return made


def agree(optimizers: dict[str, Any]) -> bool:
    """Whether all have the same parameters after three steps, as far as float32 goes."""
    ends = []
    for optimizer in optimizers.values():
        for _ in range(3):
            optimizer.step()
        ends.append([p.detach().numpy() for p in optimizer.param_groups[0]["params"]])
    return all(np.allclose(a, b, rtol=1e-4, atol=1e-6) for other in ends[1:] for a, b in zip(ends[0], other))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", default=list(OPTIMIZERS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows, results, wrong = [], [], []
    numbers = sum(int(np.prod(s)) for s in SHAPES)
    for name in args.names:
        options, arrays = OPTIMIZERS[name]
        made = contenders(name, options)
        if not agree(made):
            wrong.append(name)
            continue
        for threads in args.threads:
            set_threads(threads)
            times = race({form: o.step for form, o in made.items()}, threads, rounds=5, budget=0.02)
            ours = times.pop("lamina")
            form = min(times, key=lambda f: times[f])
            rate = arrays * 4 * numbers / ours / 1e9
            best = f"{show(times[form])} ({form})"
            rows.append(
                [name, str(threads), show(ours), best, f"{times[form] / ours:.2f}", f"{rate:.1f} GB/s"]
            )
            results.append({"name": name, "threads": threads, "lamina": ours, **times})
    print(table(["optimizer", "threads", "lamina", "torch", "torch / lamina", "bandwidth"], rows))
    for name in wrong:
        print(f"WRONG: {name} disagrees with torch; not timed")
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "results": results}, indent=1))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
