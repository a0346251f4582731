"""What a call or a network comes to: the algorithms picked, operations, bytes, and what bounds them here."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamina import _C
from lamina.autograd.grad_mode import is_inference_mode_enabled, no_grad
from lamina.config import get_num_threads
from lamina.nn import functional as F
from lamina.nn import fusion
from lamina.nn.functional.conv import ALGORITHMS, Geometry, check_operands, geometry_of
from lamina.nn.functional.conv_transpose import transposed_geometry
from lamina.nn.modules.conv import Conv1d, Conv2d, Conv3d
from lamina.nn.modules.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from lamina.nn.modules.linear import Linear
from lamina.nn.modules.module import Module
from lamina.ops.matmul import bmm, matmul, mm
from lamina.tensor import Tensor

__all__ = ["Explanation", "Limits", "Pass", "explain", "limits"]

CONVOLUTIONS: dict[Any, int] = {F.conv1d: 1, F.conv2d: 2, F.conv3d: 3}
TRANSPOSED: dict[Any, int] = {F.conv_transpose1d: 1, F.conv_transpose2d: 2, F.conv_transpose3d: 3}
HEADS = ("call", "shapes", "pass", "algorithm", "MFLOP", "MB", "limit", "bound by", "predicted on one core")
PRODUCTS = (matmul, mm, bmm)
LAYERS: dict[type, Any] = {
    Conv1d: F.conv1d,
    Conv2d: F.conv2d,
    Conv3d: F.conv3d,
    ConvTranspose1d: F.conv_transpose1d,
    ConvTranspose2d: F.conv_transpose2d,
    ConvTranspose3d: F.conv_transpose3d,
    Linear: F.linear,
}


@dataclass(frozen=True)
class Limits:
    """What this machine does at most, measured once a process.

    Attributes:
        flops: floating-point operations a second in float32, on all of lamina's threads.
        bandwidth: bytes a second read and written, far beyond the caches.
    """

    flops: float
    bandwidth: float


@dataclass(frozen=True)
class Pass:
    """One pass of one call.

    Attributes:
        name: ``"forward"``, ``"input gradient"`` or ``"weight gradient"``.
        algorithm: how it is computed.
        flops: floating-point operations of the definition, a multiplication and an addition being two.
        bytes: of the operands and the result, each once.
        saving: what the algorithm's multiplications are of the definition's.
        predicted: the seconds that one core is expected to take by each algorithm that was considered, by which the
            choice is made; empty where there is no choice or no such model.
    """

    name: str
    algorithm: str
    flops: float
    bytes: float
    saving: float = 1.0
    predicted: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, machine: Limits) -> float:
        """The least time that the machine's arithmetic and memory allow."""
        return max(self.flops * self.saving / machine.flops, self.bytes / machine.bandwidth)

    def bound(self, machine: Limits) -> str:
        """``"arithmetic"`` or ``"memory"``."""
        return (
            "arithmetic"
            if self.flops * self.saving / machine.flops > self.bytes / machine.bandwidth
            else "memory"
        )


@dataclass(frozen=True)
class Explanation:
    """What :func:`explain` found; print it.

    Attributes:
        calls: for each call or layer: its name, its shapes, its passes, and with which layers before it it is one.
        machine: what the limits are computed from.
    """

    calls: list[tuple[str, str, list[Pass], str]]
    machine: Limits

    def __str__(self) -> str:
        rows = [(*HEADS, "")]
        for name, shapes, passes, fused in self.calls:
            for k, p in enumerate(passes):
                first = (name, shapes) if k == 0 else ("", "")
                numbers = (f"{p.flops / 1e6:.4g}", f"{p.bytes / 1e6:.4g}", _time(p.seconds(self.machine)))
                by_time = sorted(p.predicted.items(), key=lambda item: item[1])
                predicted = ", ".join(f"{a} {_time(seconds)}" for a, seconds in by_time)
                last = fused if k == 0 else ""
                rows.append((*first, p.name, p.algorithm, *numbers, p.bound(self.machine), predicted, last))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows]
        gflops, bandwidth = self.machine.flops / 1e9, self.machine.bandwidth / 1e9
        return "\n".join(
            [
                *lines,
                f"limits of {get_num_threads()} threads here: {gflops:.0f} GFLOP/s, {bandwidth:.0f} GB/s",
            ]
        )

    __repr__ = __str__


def explain(op: Callable[..., Any] | Module, *args: Any, **kwargs: Any) -> Explanation:
    """What a call costs and how it is computed: the algorithm of each pass, FLOPs, bytes, this machine's limit.

    Args:
        op: a function of ``lamina.nn.functional`` or ``lamina``, or a module, whose layers are listed in the order in
            which they run. Convolutions and matrix products are known by their arithmetic, other ops by the bytes of
            what they take and give.
        args, kwargs: what it would be called with; it is called once, or for a module twice.

    Returns:
        The passes; ``print`` shows a table. Gradients are left out under ``no_grad`` and for modules in evaluation
        mode. A layer that runs as one with those before it says so: see :mod:`lamina.nn.fusion`.

    Example:
        >>> shown = lamina.explain(F.conv2d, lamina.ones(8, 64, 56, 56), lamina.ones(64, 64, 3, 3), padding=1)
        >>> [(p.name, p.algorithm, p.flops) for p in shown.calls[0][2]][0]
        ('forward', 'winograd', 1849688064)
    """
    if isinstance(op, Module):
        return Explanation(list(_layers(op, args, kwargs)), limits())
    with no_grad():
        result = op(*args, **kwargs)
    name = getattr(op, "__name__", type(op).__name__)
    shapes = _shapes((*args, *kwargs.values()), result)
    return Explanation([(name, shapes, _passes(op, args, kwargs, result), "")], limits())


def _layers(module: Module, args: Any, kwargs: Any) -> Iterator[tuple[str, str, list[Pass], str]]:
    """Runs a module as it is, to see what fuses, and with hooks, to see what passes."""
    inference = is_inference_mode_enabled()
    leaders: dict[
        Module, list[Module | None]
    ] = {}  # for each run of a module: the first of its group, unless itself

    def note(group: tuple[Module, ...]) -> None:
        for k, m in enumerate(group):
            leaders.setdefault(m, []).append(group[0] if k > 0 else None)

    with fusion.observed(note):
        module(*args, **kwargs)
    seen: list[tuple[Module, tuple[Any, ...], Any]] = []
    hooks = [
        m.register_forward_hook(lambda m, given, result: seen.append((m, given, result)))
        for m in module.modules()
        if not list(m.children())
    ]
    try:
        with no_grad():
            module(*args, **kwargs)
    finally:
        for hook in hooks:
            hook.remove()
    paths = {m: path or type(m).__name__ for path, m in module.named_modules()}
    for m, given, result in seen:
        leader = leaders[m].pop(0) if leaders.get(m) else None
        fused = f"one with {paths[leader]}" if leader is not None else ""
        passes = _passes(*_call_of(m, given), {}, result)
        if inference or not module.training:
            passes = passes[:1]
        yield paths[m], _shapes(given, result), passes, fused


def _call_of(layer: Any, given: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The function that a layer calls, and with what; its type where that is not known by its arithmetic."""
    if type(layer) not in LAYERS:
        return type(layer), given
    function = LAYERS[type(layer)]
    args: tuple[Any, ...] = (given[0], layer.weight, layer.bias)
    if function in TRANSPOSED:
        extra = layer.output_padding if len(given) == 1 else layer._padding_for(*given)
        args += (layer.stride, layer.padding, extra, layer.groups, layer.dilation)
    elif function in CONVOLUTIONS:
        args += (layer.stride, layer.padding, layer.dilation, layer.groups)
    return function, args


def _passes(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> list[Pass]:
    if op in CONVOLUTIONS:
        return _conv_passes(op.__name__, CONVOLUTIONS[op], result, *args, **kwargs)
    if op in TRANSPOSED:
        return _transposed_passes(op.__name__, TRANSPOSED[op], result, *args, **kwargs)
    arrays = [t for t in (*args, *kwargs.values()) if isinstance(t, Tensor)]
    moved = float(sum(t.nbytes for t in [*arrays, *_tensors(result)]))
    if op is F.linear or op in PRODUCTS:
        flops = 2.0 * result.numel() * arrays[0].shape[-1]
        return [Pass(name, "gemm", flops, moved) for name in ("forward", "input gradient", "weight gradient")]
    return [Pass("forward", "", 0.0, moved)]


def _conv_passes(
    op: str,
    rank: int,
    y: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> list[Pass]:
    check_operands(op, input, weight, bias, groups)
    geometry = geometry_of(op, rank, weight, stride, padding, dilation, groups)
    return _passes_of((_C.ConvPass.fprop, _C.ConvPass.dgrad), rank, input, weight, y, geometry)


def _transposed_passes(
    op: str,
    rank: int,
    y: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> list[Pass]:
    """Of the convolution that gives an input from an output, the two passes over activations exchanged."""
    check_operands(op, input, weight, bias, groups)
    geometry = transposed_geometry(op, rank, stride, padding, output_padding, groups, dilation)
    return _passes_of((_C.ConvPass.dgrad, _C.ConvPass.fprop), rank, y, weight, input, geometry)


def _passes_of(
    order: tuple[_C.ConvPass, _C.ConvPass],
    rank: int,
    x: Tensor,
    weight: Tensor,
    y: Tensor,
    geometry: Geometry,
) -> list[Pass]:
    """Of the convolution of x that gives y: forward and the input's gradient are the passes of ``order``."""
    shape = tuple(x.shape) if x.ndim == rank + 2 else (1, *x.shape)
    flops = 2 * y.numel() * math.prod(weight.shape[1:])
    moved = x.nbytes + weight.nbytes + y.nbytes
    passes = []
    names = ("forward", "input gradient", "weight gradient")
    for name, which in zip(names, (*order, _C.ConvPass.wgrad), strict=True):
        code = _C.conv_choice(which, x._array, shape, tuple(weight.shape), *geometry)
        algorithm = ALGORITHMS[code]
        predicted = _predicted(which, x, shape, tuple(weight.shape), geometry)
        passes.append(Pass(name, algorithm, flops, moved, _saving(algorithm, weight.shape[2:]), predicted))
    return passes


def _predicted(
    which: _C.ConvPass, input: Tensor, x: tuple[int, ...], w: tuple[int, ...], geometry: Geometry
) -> dict[str, float]:
    """Seconds by algorithm, of those that the choice by shape considers."""
    stride, begin, end, dilation, groups, asked = geometry
    seconds = {}
    for code, algorithm in enumerate(ALGORITHMS):
        if asked == 0 and algorithm not in ("automatic", "reference"):
            try:
                _, seconds[algorithm] = _C.conv_work(
                    which, input._array, x, w, stride, begin, end, dilation, groups, code
                )
            except (NotImplementedError, ValueError):  # it does not compute this pass
                continue
    return {algorithm: t for algorithm, t in seconds.items() if math.isfinite(t)}


def _saving(algorithm: str, kernel: Sequence[int]) -> float:
    """Multiplications over the definition's, in whole tiles: F(M, R) takes M + R - 1 for M R in each dimension."""
    if algorithm != "winograd":
        return 1.0
    tile = [(4 if 1 in kernel else 7 - r, r) for r in kernel if r > 1]
    return math.prod((m + r - 1) / (m * r) for m, r in tile)


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [t for part in result for t in _tensors(part)] if isinstance(result, (tuple, list)) else []


def _shapes(args: Any, result: Any) -> str:
    given = [str(tuple(t.shape)) for t in args if isinstance(t, Tensor)]
    return f"{' '.join(given)} -> {' '.join(str(tuple(t.shape)) for t in _tensors(result))}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.3g} us"


@functools.cache
def limits() -> Limits:
    """This machine's limits, by multiply-adds on registers and by a copy of 64 MB, in some 50 ms."""
    from lamina.dtypes import float32
    from lamina.ops.creation import empty

    threads = get_num_threads()
    flops = 0.0
    for _ in range(3):
        start = time.perf_counter()
        operations = _C.multiply_registers(float32.code, 200_000)
        flops = max(flops, operations / (time.perf_counter() - start))
    source, target = empty(16 << 20).zero_(), empty(16 << 20).zero_()
    seconds = math.inf
    for _ in range(3):
        start = time.perf_counter()
        target.copy_(source)
        seconds = min(seconds, time.perf_counter() - start)
    return Limits(flops * threads, (source.nbytes + target.nbytes) / seconds)
