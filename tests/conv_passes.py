"""The three passes of a convolution by one algorithm, for tests that compare algorithms."""

from __future__ import annotations

from typing import Any

import numpy as np

import lamina
import lamina.nn.functional as F

NAMES = ("y", "dx", "dw")


def draw(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Normal values, the same for the same shape."""
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b.astype(np.result_type(b, "float64"))) / max(np.linalg.norm(b), 1e-300))


def passes(
    x: np.ndarray,
    w: np.ndarray,
    algorithm: str,
    order: str = "NCHW",
    dy: np.ndarray | None = None,
    **options: Any,
) -> list[np.ndarray]:
    """Output, input gradient and weight gradient, for one and the same output gradient if none is given."""

    def laid_out(values: np.ndarray) -> lamina.Tensor:
        if order == "NHWC":
            values = np.ascontiguousarray(values.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return lamina.from_numpy(values)

    inputs, weights = laid_out(x).requires_grad_(), lamina.from_numpy(w).requires_grad_()
    with F.conv_algorithm(algorithm):
        y = F.conv2d(inputs, weights, **options)
        if dy is None:
            dy = np.cos(np.arange(y.numel())).reshape(tuple(y.shape)).astype(x.dtype)
        grads = lamina.autograd.grad(y, (inputs, weights), laid_out(dy))
    return [t.detach().numpy() for t in (y, *grads)]


def errors(x: np.ndarray, w: np.ndarray, algorithm: str, order: str, **options: Any) -> list[float]:
    """Of each pass against plain loops in float64, relative to the sums of the absolute values of what is added."""
    exact = [a.astype("float64") for a in (x, w)]
    want = passes(*exact, "reference", **options)
    dy = np.abs(np.cos(np.arange(want[0].size)).reshape(want[0].shape))
    scale = passes(*map(np.abs, exact), "reference", dy=dy, **options)
    got = passes(x, w, algorithm, order, **options)
    return [
        float(np.linalg.norm(a - b) / max(np.linalg.norm(c), 1e-300))
        for a, b, c in zip(got, want, scale, strict=True)
    ]
