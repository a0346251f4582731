"""Times every algorithm of convolutions, and fits the prices by which one is picked: csrc/cpu/conv_costs.h.

    python benchmarks/conv_costs.py measure avx512.json [--shapes 1000] [--seed 1] [--threads 1] [--limit 90]
    LAMINA_MAX_ISA=avx2 python benchmarks/conv_costs.py measure avx2.json
    python benchmarks/conv_costs.py fit avx512.json avx2.json       # writes csrc/cpu/conv_costs.h
    python benchmarks/conv_costs.py regret unseen.json              # of the choice of the library that runs

`measure` draws shapes at random, after those of benchmarks/bars.py with `--listed`, and times each pass by each
algorithm that offers it. Algorithms count their work (`count` in csrc/cpu/conv_*.cpp, `_C.conv_work` here); `fit` finds
what a unit costs, so that the logarithms of predicted and measured times differ least. `regret` is the time of the
algorithm that the library picks over that of the fastest, for shapes that no fit has seen (another `--seed`).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

import numpy as np  # noqa: E402
from scipy.optimize import nnls  # noqa: E402
from timing import machine, table  # noqa: E402

import lamina  # noqa: E402
from lamina import _C  # noqa: E402
from lamina.nn.functional.conv import ALGORITHMS  # noqa: E402

Record = dict[str, Any]

HEADER = Path(__file__).parent.parent / "csrc" / "cpu" / "conv_costs.h"
MACROS = {"avx512": "__AVX512F__", "avx2": "__AVX2__", "baseline": "__SSE2__"}
KINDS = ("implicit", "depthwise", "winograd", "line", "fft", "phases", "small")
PASSES = ("fprop", "dgrad", "wgrad")
CONTENDERS = [a for a in ALGORITHMS if a not in ("automatic", "reference")]
SLICE = 1e-3  # seconds of a timing at least
HOPELESS = 8.0  # times the fastest: not timed again


def drawn(count: int, seed: int) -> list[Record]:
    """Shapes of 1 MFLOP to 1 GFLOP, as networks have them and beside that."""
    rng, shapes = random.Random(seed), []
    kernels = [(1, 1), (3, 3), (3, 3), (3, 3), (5, 5), (7, 7), (2, 2), (4, 4), (9, 9), (11, 11), (1, 3), (7, 1), (1, 5)]
    while len(shapes) < count:
        kernel = rng.choice(kernels)
        stride = 2 if kernel == (4, 4) else rng.choice((1, 1, 1, 2))
        dilation = rng.choice((1,) * 9 + (2,)) if stride == 1 else 1
        c, k = (_channels(rng) for _ in range(2))
        kind, groups = rng.random(), 1
        if kind < 0.12:
            groups, k = c, c
        elif kind < 0.2:
            groups = rng.choice((2, 4, 8, 32))
            c, k = (-(-v // groups) * groups for v in (c, k))
        size, n = round(4 * 32 ** rng.random()), round(64 ** rng.random())
        padding = [dilation * (r - 1) // 2 for r in kernel]
        reach = [dilation * (r - 1) + 1 - 2 * p for r, p in zip(kernel, padding)]
        out = [(size - r) // stride + 1 for r in reach]
        work = 2 * n * k * c // groups * kernel[0] * kernel[1] * out[0] * out[1]
        if min(out) >= 1 and 1e6 <= work <= 1e9 and n * (c * size**2 + k * out[0] * out[1]) < 2e7:
            x, w = (n, c, size, size), (k, c // groups, *kernel)
            shapes.append({"x": x, "w": w, "geometry": ([stride] * 2, padding, padding, [dilation] * 2, groups)})
    return shapes


def _channels(rng: random.Random) -> int:
    return rng.choice((1, 3, 4, 8, 16, 32, 64, 128, 256, 512)) if rng.random() < 0.6 else round(512 ** rng.random())


def listed() -> list[Record]:
    """The convolutions of benchmarks/bars.py."""
    import bars

    shapes = []
    for row in bars.rows():
        case, shape = row.measure.args[:2] if hasattr(row.measure, "args") and len(row.measure.args) > 1 else (None, None)
        if case is not bars.CONV:
            continue
        x, w, options = shape.args[0].shape, shape.args[1].shape, shape.kwargs
        pair = [v if isinstance(v, (tuple, list)) else (v, v) for v in (
            options.get("stride", 1), options.get("padding", 0), options.get("dilation", 1))]
        stride, padding, dilation = map(list, pair)
        shapes.append({"x": x, "w": w, "geometry": (stride, padding, padding, dilation, options.get("groups", 1))})
    return shapes


class Passes:
    """The three passes of a convolution, on arrays in the memory order that layers give them."""

    def __init__(self, shape: Record) -> None:
        rng = np.random.default_rng(0)
        self.x_shape, self.w_shape, self.geometry = tuple(shape["x"]), tuple(shape["w"]), shape["geometry"]
        self.x = self._activation(rng, self.x_shape)
        self.w = lamina.from_numpy(rng.standard_normal(self.w_shape, np.float32))._array
        y = _C.conv(self.x, self.w, None, *self.geometry, 0)
        self.dy = self._activation(rng, tuple(y.shape))

    @staticmethod
    def _activation(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        values = np.resize(rng.standard_normal(10007, np.float32), shape)
        if shape[1] >= 16:  # channels-last
            n, c, *size = shape
            values = np.moveaxis(values.reshape(n, *size, c), -1, 1)
        return lamina.from_numpy(values)._array

    def choice(self, name: str, algorithm: int = 0) -> int:
        return _C.conv_choice(getattr(_C.ConvPass, name), self.x, self.x_shape, self.w_shape, *self.geometry, algorithm)

    def work(self, name: str, algorithm: str) -> tuple[list[float], float]:
        which, code = getattr(_C.ConvPass, name), ALGORITHMS.index(algorithm)
        return _C.conv_work(which, self.x, self.x_shape, self.w_shape, *self.geometry, code)

    def run(self, name: str, algorithm: int) -> None:
        if name == "fprop":
            _C.conv(self.x, self.w, None, *self.geometry, algorithm)
        elif name == "dgrad":
            _C.conv_dgrad(self.dy, self.w, self.x_shape, *self.geometry, algorithm)
        else:
            _C.conv_wgrad(self.x, self.dy, self.w_shape, *self.geometry, algorithm)

    def times(self, name: str, threads: int, rounds: int = 3) -> dict[str, float]:
        """The least seconds of each algorithm that offers the pass; all take turns."""
        clock = time.thread_time if threads == 1 else time.perf_counter
        best: dict[str, float] = {}
        for turn in range(rounds + 1):  # the first one warms up, and finds who is hopeless
            for algorithm in CONTENDERS:
                if turn > 0 and best.get(algorithm, np.inf) > HOPELESS * min(best.values(), default=np.inf):
                    continue
                code = ALGORITHMS.index(algorithm)
                try:
                    start = clock()
                    self.run(name, code)
                    one = clock() - start
                except ValueError:
                    continue  # does not offer it
                repeats = 0 if turn == 0 else max(1, round(SLICE / max(one, 1e-6)))
                start = clock()
                for _ in range(repeats):
                    self.run(name, code)
                spent = (clock() - start) / repeats if repeats else one
                best[algorithm] = min(best.get(algorithm, np.inf), spent)
        return best


def kind(algorithm: str, record: Record) -> str:
    """What an algorithm's prices are called: winograd is two, by the shape of the kernel."""
    return "line" if algorithm == "winograd" and tuple(record["w"][2:]) != (3, 3) else algorithm


def annotate(record: Record, passes: Passes) -> None:
    """Adds what the running library makes of a shape: its choice, and each algorithm's units unless it is left out."""
    record["chosen"] = {name: ALGORITHMS[passes.choice(name)] for name in PASSES}
    record["units"] = {
        name: {a: units for a in record["times"][name] for units, seconds in [passes.work(name, a)] if seconds < math.inf}
        for name in PASSES
    }


def measure(options: argparse.Namespace) -> None:
    lamina.set_num_threads(options.threads)
    records, end = [], time.monotonic() + options.limit
    for shape in [*(listed() if options.listed else []), *drawn(options.shapes, options.seed)]:
        if time.monotonic() > end:
            break
        passes = Passes(shape)
        record = {**shape, "times": {name: passes.times(name, options.threads) for name in PASSES}}
        annotate(record, passes)
        records.append(record)
    (file,) = options.files
    file.write_text(json.dumps({"machine": machine(), "threads": options.threads, "records": records}))
    show_regret(records)


def regret(options: argparse.Namespace) -> None:
    for file in options.files:
        records = json.loads(file.read_text())["records"]
        for record in records:
            annotate(record, Passes(record))
        show_regret(records)


def show_regret(records: list[Record]) -> None:
    """A line a pass, and the shapes that lose most."""
    lines = []
    for name in PASSES:
        ratios = sorted((r["times"][name][r["chosen"][name]] / min(r["times"][name].values()), k) for k, r in enumerate(records))
        values = [v for v, _ in ratios]
        lines.append([name, str(len(values)), *(f"{v:.3f}" for v in (
            statistics.geometric_mean(values), statistics.median(values), values[int(0.95 * len(values))], values[-1]))])
        for v, k in ratios[-3:]:
            r = records[k]
            best = min(r["times"][name], key=r["times"][name].__getitem__)
            print(f"{v:.2f} {name} of {r['x']} by {r['w']} {r['geometry']}: {r['chosen'][name]}, not {best}", file=sys.stderr)
    print(table(["pass", "shapes", "mean of chosen / fastest", "median", "95 of 100", "worst"], lines))


def fit(options: argparse.Namespace) -> None:
    blocks = {}
    for isa in ("avx512", "avx2", "baseline"):
        files = [json.loads(f.read_text()) for f in options.files]
        records = [r for f in files if f["machine"]["isa"] == isa for r in f["records"]]
        if records:
            where = next(f["machine"] for f in files if f["machine"]["isa"] == isa)
            blocks[isa] = (where["cpu"], prices(records))
    write_header(blocks)


def prices(records: list[Record]) -> dict[tuple[str, str], np.ndarray]:
    """Nanoseconds a unit, by kind and pass."""
    samples: dict[tuple[str, str], list[tuple[list[float], float, float]]] = {}
    for r in records:
        for name in PASSES:
            fastest = min(r["times"][name].values())
            for algorithm, units in r["units"][name].items():
                t = r["times"][name][algorithm]
                samples.setdefault((kind(algorithm, r), name), []).append((units, t * 1e9, t / fastest))
    return {key: fitted(*map(np.array, zip(*rows))) for key, rows in samples.items()}


def fitted(units: np.ndarray, times: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """The prices, none negative, of least mean |log(predicted / measured)|.

    Least squares, weighted again and again: (p - t)^2 / (p t) is close to the square of the logarithm, and divided by its
    root to its size, which outliers move less. What is far behind the fastest matters less.
    """
    scale = units.max(axis=0) + 1e-30
    weight = 1 / np.sqrt(np.minimum(behind, 100))
    spread = times
    for _ in range(20):
        x, _ = nnls(units / scale * (weight / spread)[:, None], times * weight / spread)
        predicted = np.maximum(units / scale @ x, times / 30)
        spread = np.sqrt(predicted * times * np.maximum(np.abs(np.log(predicted / times)), 0.1))
    return x / scale


def write_header(blocks: dict[str, tuple[str, dict[tuple[str, str], np.ndarray]]]) -> None:
    """The instruction sets that were not measured take the next one's prices."""
    lines = [
        "// Generated by benchmarks/conv_costs.py: nanoseconds a unit of each algorithm's work (conv_work.h), by pass",
        "// (fprop, dgrad, wgrad), fitted to times of one core.",
        "#pragma once",
        "",
        '#include "cpu/vec.h"',
        '#include "kernels/conv.h"',
        "",
        "namespace lamina::cpu::LAMINA_ISA {",
        "",
        "using ConvCosts = double[3][kernels::kConvUnits];",
        "",
    ]
    for k, (isa, (cpu, costs)) in enumerate(blocks.items()):
        last = k + 1 == len(blocks)
        lines.append(f"{'#else' if last and k else '#elif' if k else '#if'}{'' if last and k else f' defined({MACROS[isa]})'}  // measured on {cpu}, {isa}")
        for name in KINDS:
            lines.append(f"inline constexpr ConvCosts k{name.capitalize()}Costs = {{")
            for p in PASSES:
                values = costs.get((name, p), np.zeros(0))
                lines.append("    {" + ", ".join(f"{v:.3g}" for v in values) + "},")
            lines.append("};")
    lines += ["#endif", "", "}  // namespace lamina::cpu::LAMINA_ISA", ""]
    HEADER.write_text("\n".join(lines))
    subprocess.run(["clang-format", "-i", str(HEADER)], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "fit", "regret"])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--shapes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=90, help="seconds after which measuring ends")
    parser.add_argument("--listed", action="store_true", help="begin with the shapes of benchmarks/bars.py")
    options = parser.parse_args()
    {"measure": measure, "fit": fit, "regret": regret}[options.what](options)


if __name__ == "__main__":
    main()
