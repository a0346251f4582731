"""Values for the inputs of a sample: the same in every dtype and run."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from case import Case, Input, Sample

import lamina


def rng_of(case: Case, sample: Sample) -> np.random.Generator:
    """A generator seeded by what is drawn, so that a new sample leaves the others as they were."""
    return np.random.default_rng(zlib.crc32(f"{case.name} {sample}".encode()))


def is_float(dtype: str) -> bool:
    return "float" in dtype


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """float32 values that bfloat16 holds exactly."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def draw(spec: Input, rng: np.random.Generator, dtype: str) -> Drawn:
    """The values of an input; NumPy holds bfloat16 as float32."""
    values, own = _values(spec, rng, spec.dtype or dtype)
    dtype = spec.dtype or own or dtype
    if dtype == "bfloat16":
        values = to_bfloat16(values)
    else:
        values = values.astype(dtype)
    return Drawn(np.array(values, order="C"), dtype, spec.grad and is_float(dtype))


def _values(spec: Input, rng: np.random.Generator, dtype: str) -> tuple[np.ndarray, str | None]:
    """The values, and the dtype that the kind brings along."""
    shape = spec.shape
    n = int(np.prod(shape))
    match spec.kind:
        case "values":
            values = np.asarray(spec.values)
            return values, {"b": "bool", "i": "int64", "u": "int64"}.get(values.dtype.kind)
        case "int":
            return rng.integers(spec.low, spec.high, shape), "int64"
        case "bool":
            return rng.integers(0, 2, shape) == 1, "bool"
        case "distinct":
            # In no dtype is there a tie, a zero or an integer among the floats: kinks of common functions.
            grid = np.arange(n) if not is_float(dtype) else -2 + 4 * (np.arange(n) + 0.37) / max(n, 1)
            return rng.permutation(grid).reshape(shape), None
        case "normal":
            values = rng.standard_normal(shape)
            return (values if is_float(dtype) else np.rint(values * 3)), None
        case "uniform":
            values = rng.random(shape)
            return (values if is_float(dtype) else np.rint(values)), None
        case "positive":
            values = rng.uniform(0.5, 2.5, shape)
            return (values if is_float(dtype) else np.ceil(values)), None
    raise ValueError(f"unknown kind of input: {spec.kind!r}")


@dataclass
class Drawn:
    """An input's values, in memory of any order, and how they become a tensor."""

    values: np.ndarray
    dtype: str
    grad: bool


@dataclass
class Call:
    """A sample with its inputs drawn: ``args`` and ``kwargs`` hold Drawn where the sample holds an Input."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def inputs(self) -> list[Drawn]:
        return [x for x in leaves((self.args, self.kwargs)) if isinstance(x, Drawn)]

    def mapped(self, f: Callable[[Any], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return mapped(self.args, f), mapped(self.kwargs, f)

    def rearranged(self, layout: Callable[[np.ndarray], np.ndarray]) -> Call:
        def move(x: Any) -> Any:
            return Drawn(layout(x.values), x.dtype, x.grad) if isinstance(x, Drawn) else x

        return Call(*self.mapped(move))


def draw_call(case: Case, sample: Sample, dtype: str) -> Call:
    rng = rng_of(case, sample)

    def fill(x: Any) -> Any:
        return draw(x, rng, dtype) if isinstance(x, Input) else x

    return Call(mapped(sample.args, fill), mapped(sample.kwargs, fill))


def mapped(x: Any, f: Callable[[Any], Any]) -> Any:
    if type(x) is dict:
        return {k: mapped(v, f) for k, v in x.items()}
    if type(x) in (list, tuple):
        return type(x)(mapped(v, f) for v in x)
    return f(x)


def leaves(x: Any) -> Iterator[Any]:
    if isinstance(x, dict):
        x = list(x.values())
    if isinstance(x, (list, tuple)) and type(x) is not lamina.Size:
        for v in x:
            yield from leaves(v)
    else:
        yield x
