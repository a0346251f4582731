"""The rows of benchmarks/bars.py that move bytes: optimizers, activations, losses, tables, copies, skinny products.

A row counts the bytes that it can't do without, each input read and each output written once by each pass, so that the
table can set its rate against that of a plain copy on the same machine in the same run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import optimizers
import run
import torch
from case import Case, Input, Sample, sample
from timing import race, set_threads

import lamina
import lamina.nn.functional as F

Record = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A row of the table; the bar, torch's time over lamina's at least, is for the last pass that is measured."""

    family: str
    name: str
    bar: float
    measure: Callable[[int], list[Record]]  # (threads): a record a pass
    megabytes: float = 0  # what the last pass has to move


def of_case(family: str, name: str, bar: float, case: Case, shape: Sample, megabytes: float = 0) -> Row:
    return Row(family, name, bar, partial(run.measure, case, shape), megabytes)


def copy_rate(threads: int) -> float:
    """Bytes a second, read and written, of copying 128 MB to memory that was written before."""
    set_threads(threads)
    a, b = torch.zeros(1 << 25), torch.ones(1 << 25)
    return 8 * (1 << 25) / race({"copy": lambda: a.copy_(b)}, threads)["copy"]


def case(name: str, ours: Any, theirs: Any, **options: Any) -> Case:
    return Case(name, ours, [], None, theirs, rtol=1e-4, atol=1e-5, **options)


memory = partial(of_case, "memory")
SQUARE, CELLS = Input((4096, 4096)), 4 * 4096 * 4096 / 1e6  # megabytes
IMAGES, BLOCK = Input((8, 64, 56, 56)), 4 * 8 * 64 * 56 * 56 / 1e6


def rows() -> Iterator[Row]:
    yield from optimizer_rows()
    yield from layer_rows()
    yield from reduction_rows()
    yield from copy_rows()
    yield from chain_rows()


def layer_rows() -> Iterator[Row]:
    """Activations, losses, tables and skinny products."""
    n = 10_000_000
    values, array = Input((n,)), 4 * n / 1e6
    yield Row("memory", "dropout 1e7", 8, measure_dropout, 4 * array)
    yield memory("relu 1e7", 5, case("relu", F.relu, "nn.functional.relu"), sample(values), 5 * array)
    yield memory("gelu 1e7", 3, case("gelu", F.gelu, "nn.functional.gelu"), sample(values), 5 * array)
    entropy = case("cross_entropy", F.cross_entropy, "nn.functional.cross_entropy")
    targets = Input((8192,), "int", high=1000)
    yield memory("cross-entropy 8192x1000", 2, entropy, sample(Input((8192, 1000)), targets), 3 * 4 * 8.192)
    table = case("embedding", F.embedding, "nn.functional.embedding")
    ids = Input((8192,), "int", high=30000)
    moved = 4 * 0.256 * (3 * 8.192 + 30)
    yield memory("embedding 30000x256, 8192 ids", 1.5, table, sample(ids, Input((30000, 256))), moved)
    for name, bar in (("softmax", 1.5), ("log_softmax", 1.0)):
        one = case(name, getattr(F, name), f"nn.functional.{name}")
        yield memory(f"{name} 4096x4096", bar, one, sample(SQUARE, 1), 5 * CELLS)
    linear = case("linear", F.linear, "nn.functional.linear", differentiable=False)
    for count in (1, 8):
        shape = sample(Input((count, 4096)), SQUARE, Input((4096,)))
        yield memory(f"Linear {count}x4096x4096, inference", 1.5, linear, shape, CELLS)


def reduction_rows() -> Iterator[Row]:
    for name in ("sum", "mean"):
        one = case(name, getattr(lamina, name), name, differentiable=False)
        yield memory(f"{name} 1e7", 1, one, sample(Input((10_000_000,))), 40)
        yield memory(f"{name} of rows 4096x4096", 1, one, sample(SQUARE, 1), CELLS)
        yield memory(f"{name} of columns 4096x4096", 1, one, sample(SQUARE, 0), CELLS)


def copy_rows() -> Iterator[Row]:
    """Copies; going back, the gradients of what was copied are views."""
    yield memory("cat 4 x 64@56 b8", 1, case("cat", lamina.cat, "cat"), sample([IMAGES] * 4, 1), 8 * BLOCK)
    yield memory(
        "stack 4 x 64@56 b8", 1, case("stack", lamina.stack, "stack"), sample([IMAGES] * 4), 8 * BLOCK
    )
    permute = case(
        "permute",
        lambda x: x.permute(0, 2, 1).contiguous(),
        lambda torch, x: x.permute(0, 2, 1).contiguous(),
    )
    yield memory("permute copy 32x64x3136", 1, permute, sample(Input((32, 64, 3136))), 8 * BLOCK)
    double = case("interpolate", F.interpolate, "nn.functional.interpolate")
    shape = sample(IMAGES, scale_factor=2, mode="bilinear")
    yield memory("bilinear 2x 64@56 b8", 1, double, shape, 10 * BLOCK)


def chain_rows() -> Iterator[Row]:
    """Neighbours that one pass could do; the bytes are that pass's."""
    residual = case("residual", lambda x, y: (x + y).relu(), lambda torch, x, y: torch.relu(x + y))
    shape = sample(*[Input((32, 64, 56, 56))] * 2)
    yield memory("residual add + relu 64@56 b32", 1, residual, shape, 24 * BLOCK)
    yield Row("memory", "bias + gelu + dropout 8192x1024", 1, measure_chain, 5 * 4 * 8.192 * 1.024)
    yield Row("memory", "GELU, Dropout 8192x1024, modules", 1, measure_modules, 5 * 4 * 8.192 * 1.024)


def optimizer_rows() -> Iterator[Row]:
    numbers = sum(math.prod(s) for s in optimizers.SHAPES) / 1e6
    for form, bar in (("loop", 3.0), ("fused", 1.0)):
        for name in ("Adam", "SGD", "AdamW", "Adagrad", "RMSprop"):
            if form == "fused" and name == "RMSprop":
                continue  # torch has no such form
            told = name + (" momentum" if name == "SGD" else "")
            kind = "default" if form == "loop" else form
            measure = partial(measure_optimizer, name, form)
            yield Row(
                "memory", f"{told} / {kind}", bar, measure, 4 * optimizers.OPTIMIZERS[name][1] * numbers
            )
    for name, arrays in (("Adam", 10), ("SGD", 8)):
        yield Row(
            "memory",
            f"clip_grad_norm_ + {name} / fused",
            1,
            partial(measure_optimizer, name, "fused", clip=True),
            4 * arrays * numbers,
        )
        yield Row(
            "memory",
            f"{name} with max_grad_norm / clip_grad_norm_ + fused",
            1,
            partial(measure_optimizer, name, "fused", clip=True, inside=True),
            4 * (arrays - 2) * numbers,
        )


def record(name: str, taken: dict[str, float], threads: int) -> Record:
    ratio = taken["torch"] / taken["lamina"]
    return {"pass": name, "threads": threads, "seconds": taken, **taken, "ratio": ratio}


def measure_optimizer(
    name: str, form: str, threads: int, clip: bool = False, inside: bool = False
) -> list[Record]:
    """Steps over ResNet-18's parameters; `form` is torch's: ``"loop"``, its default here, or ``"fused"``.

    With `clip` gradients are clipped first, with `inside` lamina's in the optimizer's pass.
    """
    set_threads(threads)
    bound = {"max_grad_norm": 1.0} if inside else {}
    made = optimizers.contenders(name, optimizers.OPTIMIZERS[name][0], **bound)
    made = {"lamina": made["lamina"], "torch": made[form]}
    norms = {"lamina": lamina.nn.utils.clip_grad_norm_, "torch": torch.nn.utils.clip_grad_norm_}

    def step(library: str) -> None:
        if clip and not (inside and library == "lamina"):
            norms[library](made[library].param_groups[0]["params"], 1.0)
        made[library].step()

    for library in made:
        step(library)
    if not optimizers.agree(made):
        raise AssertionError(f"the parameters of {name} differ")
    return [record("step", race({library: partial(step, library) for library in made}, threads), threads)]


def measure_dropout(threads: int) -> list[Record]:
    """Masks differ between the libraries, so each is held to what a mask must be."""
    return measure_random(
        lambda library, x: library.nn.functional.dropout(x, 0.5), (10_000_000,), threads, scaled=2
    )


def measure_chain(threads: int) -> list[Record]:
    """What follows a linear layer of a transformer's block."""

    def chain(library: Any, x: Any) -> Any:
        bias = library.ones(1024) * 0.5
        return library.nn.functional.dropout(library.nn.functional.gelu(x + bias), 0.1)

    return measure_random(chain, (8192, 1024), threads)


def measure_modules(threads: int) -> list[Record]:
    """An activation and dropout in a Sequential, where they run as one."""
    rows = {lib: lib.nn.Sequential(lib.nn.GELU(), lib.nn.Dropout(0.1)) for lib in (lamina, torch)}
    return measure_random(lambda library, x: rows[library](x), (8192, 1024), threads)


def measure_random(
    function: Callable[[Any, Any], Any], shape: tuple[int, ...], threads: int, scaled: float | None = None
) -> list[Record]:
    """A function of (library, input) that drops elements, forward, and forward and backward."""
    set_threads(threads)
    values = np.random.default_rng(0).standard_normal(shape).astype("float32")
    values[values == 0] = 1
    runs: dict[str, dict[str, Callable[[], object]]] = {"forward": {}, "forward+backward": {}}
    kept: dict[str, Any] = {}
    for name, library in (("lamina", lamina), ("torch", torch)):
        x = library.from_numpy(values.copy()).requires_grad_()
        y = function(library, x)
        seed = library.ones_like(y)
        (grad,) = library.autograd.grad([y], [x], [seed])
        y, grad = y.detach().numpy(), grad.numpy()
        if not np.array_equal(y != 0, grad != 0):
            raise AssertionError(f"{name} drops other elements backward than forward")
        kept[name] = y
        if scaled is not None and not (
            np.all(grad[y != 0] == scaled) and np.all(y[y != 0] == scaled * values[y != 0])
        ):
            raise AssertionError(f"{name} does not scale what it keeps by {scaled}")

        def forward(library: Any = library, x: Any = x) -> object:
            with library.no_grad():
                return function(library, x)

        def both(library: Any = library, x: Any = x, seed: Any = seed) -> object:
            return library.autograd.grad([function(library, x)], [x], [seed])

        runs["forward"][name], runs["forward+backward"][name] = forward, both
    a, b = kept["lamina"], kept["torch"]
    if abs(np.mean(a != 0) - np.mean(b != 0)) > 2e-3:
        raise AssertionError("the libraries drop different shares")
    alive = (a != 0) & (b != 0)
    if not np.allclose(a[alive], b[alive], rtol=1e-4, atol=1e-5):
        raise AssertionError("elements that both libraries keep differ")
    return [record(name, race(calls, threads), threads) for name, calls in runs.items()]
