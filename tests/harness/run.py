"""Runs a drawn call in lamina, in torch and by its NumPy reference."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from case import Case, Sample

import lamina
from harness.draw import Call, Drawn, is_float, leaves


@dataclass
class Result:
    """Outputs, and the gradient of each input that wants one, as NumPy arrays with dtype names."""

    outputs: list[np.ndarray]
    dtypes: list[str]
    differentiable: list[bool]
    grads: list[np.ndarray | None]


def to_lamina(x: Drawn, device: str = "cpu") -> lamina.Tensor:
    t = lamina.from_numpy(x.values).to(device)
    if x.dtype == "bfloat16":
        t = t.to(lamina.bfloat16)
    return t.requires_grad_() if x.grad else t


def numpy_of(t: Any) -> np.ndarray:
    """The values of a lamina or torch tensor or of a number; bfloat16 as float32."""
    if not hasattr(t, "detach"):
        return np.asarray(t)
    if "bfloat16" in str(t.dtype):
        t = t.float()
    return t.detach().cpu().numpy()


def dtype_name(t: Any) -> str:
    return str(t.dtype).rpartition(".")[2] if hasattr(t, "detach") else type(t).__name__


def output_grads(case: Case, sample: Sample, outputs: list[np.ndarray]) -> list[np.ndarray]:
    """Random gradients of the outputs, the same in every dtype and library."""
    rng = np.random.default_rng(zlib.crc32(f"grad {case.name} {sample}".encode()))
    return [rng.standard_normal(y.shape) for y in outputs]


def run_lamina(
    case: Case, sample: Sample, call: Call, backward: bool = True, order: str = "C", device: str = "cpu"
) -> Result:
    """Forward and, with ``backward``, the gradients for the random gradients of the outputs, laid out in ``order``."""
    tensors: list[lamina.Tensor] = []

    def make(x: Any) -> Any:
        if not isinstance(x, Drawn):
            return x
        tensors.append(to_lamina(x, device))
        return tensors[-1]

    args, kwargs = call.mapped(make)
    outputs = [y for y in leaves(case.call(*args, **kwargs)) if y is not None]
    values = [numpy_of(y) for y in outputs]
    tracked = [getattr(y, "requires_grad", False) for y in outputs]
    grads: list[Any] = []
    inputs = [t for t in tensors if t.requires_grad]
    if backward and any(tracked) and inputs:
        seeds = [
            lamina.from_numpy(np.asarray(g, order=order)).to(y.dtype).to(y.device)
            for y, g, wanted in zip(outputs, output_grads(case, sample, values), tracked)
            if wanted
        ]
        roots = [y for y, wanted in zip(outputs, tracked) if wanted]
        found = lamina.autograd.grad(roots, inputs, seeds, allow_unused=True)
        grads = [None if g is None else numpy_of(g) for g in found]
    return Result(values, [dtype_name(y) for y in outputs], tracked, grads)


def run_reference(case: Case, call: Call) -> list[np.ndarray]:
    """The NumPy reference on float64 copies of the inputs."""

    def widen(x: Any) -> Any:
        if not isinstance(x, Drawn):
            return x
        return x.values.astype(np.float64) if is_float(x.dtype) else x.values.copy()

    args, kwargs = call.mapped(widen)
    assert case.reference is not None
    with np.errstate(all="ignore"):
        result = case.reference(*args, **kwargs)
    return [np.asarray(y) for y in leaves(result) if y is not None]


def torch_function(torch: Any, case: Case) -> Callable[..., Any]:
    """What a case names in torch."""
    if callable(case.torch):
        function = case.torch
        return lambda *args, **kwargs: function(torch, *args, **kwargs)
    found = torch
    for name in str(case.torch).split("."):
        found = getattr(found, name)
    return found


def to_torch(torch: Any, x: Any, device: str = "cpu") -> Any:
    """A drawn input as a tensor; lamina's dtypes and memory formats as torch's; anything else as it is."""
    if isinstance(x, Drawn):
        t = torch.from_numpy(x.values.copy()).to(device).to(getattr(torch, x.dtype))
        return t.requires_grad_() if x.grad else t
    if type(x).__module__.startswith("lamina.") and hasattr(torch, getattr(x, "name", "")):
        return getattr(torch, x.name)
    return x


def run_torch(torch: Any, case: Case, sample: Sample, call: Call, device: str = "cpu") -> Result:
    tensors: list[Any] = []

    def make(x: Any) -> Any:
        t = to_torch(torch, x, device)
        if isinstance(x, Drawn):
            tensors.append(t)
        return t

    args, kwargs = call.mapped(make)
    outputs = [y for y in leaves(torch_function(torch, case)(*args, **kwargs)) if y is not None]
    values = [numpy_of(y) for y in outputs]
    tracked = [getattr(y, "requires_grad", False) for y in outputs]
    grads: list[Any] = []
    inputs = [t for t in tensors if t.requires_grad]
    if any(tracked) and inputs:
        seeds = output_grads(case, sample, values)
        pairs = [
            (y, torch.from_numpy(g).to(y.device).to(y.dtype))
            for y, g, wanted in zip(outputs, seeds, tracked)
            if wanted
        ]
        found = torch.autograd.grad([y for y, _ in pairs], inputs, [g for _, g in pairs], allow_unused=True)
        grads = [None if g is None else numpy_of(g) for g in found]
    return Result(values, [dtype_name(y) for y in outputs], tracked, grads)
