"""Times inference against onnxruntime: the same network, exported from torch, and the same parameters.

    python benchmarks/inference.py [--works resnet50-1 mobilenet_v2-1] [--threads 1 2] [--json results.json]

Needs onnx, onnxscript and onnxruntime beside torch. lamina runs its model in eval mode under inference_mode, which
folds batch normalisations into convolutions; onnxruntime optimises the exported graph as far as it can. Their outputs
must agree, or nothing is timed and the exit status is 1.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

from harness.torch_twin import twin  # noqa: E402
from timing import machine, measure_works, race, report, set_threads, show, table  # noqa: E402

import lamina  # noqa: E402

BAR = 1.2  # onnxruntime's time over lamina's, at least


class Work(NamedTuple):
    file: str  # of lamina/models
    build: Callable[[Any], Any]  # the model, from that file's module
    images: tuple[int, ...]


WORKS = {
    "resnet50-1": Work("resnet", lambda m: m.resnet50(), (1, 3, 224, 224)),
    "resnet50-8": Work("resnet", lambda m: m.resnet50(), (8, 3, 224, 224)),
    "resnet18-1": Work("resnet", lambda m: m.resnet18(), (1, 3, 224, 224)),
    "mobilenet_v2-1": Work("mobilenet_v2", lambda m: m.mobilenet_v2(), (1, 3, 224, 224)),
}


def session_of(model: Any, images: np.ndarray, threads: int) -> onnxruntime.InferenceSession:
    """The torch model as onnxruntime runs it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        torch.onnx.export(model, (torch.from_numpy(images),), path, input_names=["x"], verbose=False)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def measure(name: str, threads: int) -> dict[str, Any]:
    set_threads(threads)
    work = WORKS[name]
    images = np.random.default_rng(0).standard_normal(work.images).astype(np.float32)
    lamina.manual_seed(0)
    ours = work.build(importlib.import_module(f"lamina.models.{work.file}"))
    theirs = work.build(twin(work.file))
    theirs.load_state_dict({key: torch.from_numpy(v.numpy()) for key, v in ours.state_dict().items()})
    session, x = session_of(theirs.eval(), images, threads), lamina.tensor(images)
    ours.eval()

    def run() -> lamina.Tensor:
        with lamina.inference_mode():
            return ours(x)

    def run_torch() -> torch.Tensor:
        with torch.inference_mode():
            return theirs(torch.from_numpy(images))

    expected = session.run(None, {"x": images})[0]
    scale = float(np.abs(expected).max())
    np.testing.assert_allclose(run().numpy(), expected, rtol=1e-3, atol=1e-4 * scale, err_msg=name)
    contenders = {
        "lamina": run,
        "onnxruntime": lambda: session.run(None, {"x": images}),
        "torch eager": run_torch,
    }
    taken = race(contenders, threads, rounds=7, budget=0.2)
    return {
        "work": name,
        "threads": threads,
        "seconds": taken,
        "ratio": taken["onnxruntime"] / taken["lamina"],
    }


def main() -> None:
    records, path = measure_works(__doc__, WORKS, measure)
    columns = ("lamina", "onnxruntime", "torch eager")
    header = ["network and batch", "threads", *columns, f"onnxruntime / lamina (bar {BAR:g})"]
    rows = [
        [r["work"], str(r["threads"]), *(show(r["seconds"][c]) for c in columns), f"{r['ratio']:.2f}"]
        for r in records
    ]
    where = machine() | {"onnxruntime": onnxruntime.__version__}
    report(records, where, table(header, rows), path)


if __name__ == "__main__":
    main()
