"""Variances, standard deviations and vector norms."""

from __future__ import annotations

import math
from typing import Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, record_many, tracks
from lamina.dtypes import dtype
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import deliver, div, mul, not_a_tensor
from lamina.ops.reduce import Dim, dims_of, mean, reduced_size, spread, sum
from lamina.ops.select import where
from lamina.ops.unary import abs, sign
from lamina.tensor import Tensor, method

__all__ = ["dist", "norm", "std", "std_mean", "var", "var_mean"]


def _arguments(
    input: Tensor, dim: Any, unbiased: bool | None, correction: float | None, op: str
) -> tuple[tuple[int, ...] | None, float]:
    if not isinstance(input, Tensor):
        not_a_tensor(op, input)
    if isinstance(dim, bool):  # torch's old form: var(x, unbiased)
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = float(unbiased)
    return dims_of(dim, op), 1.0 if correction is None else float(correction)


@method()
def var(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance over ``dim``, or of all elements: ``sum((x - mean) ** 2) / (n - correction)``.

    Args:
        input: a floating tensor.
        dim: the dimension or dimensions; default: all.
        unbiased: True is a correction of 1 and False of 0.
        keepdim: keep the dimensions, with size 1.
        correction: what is taken off the number of elements; default: 1.

    Raises:
        TypeError: for integers.

    Example:
        >>> lamina.var(lamina.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    dims, less = _arguments(input, dim, unbiased, correction, "var")
    y = Tensor(_C.var(input._array, dims, keepdim, less))
    if tracks(input):
        record(y, _var_backward, (input,), (input, dims, keepdim, less))
    return y


def _var_slope(x: Tensor, dims: Any, less: float) -> Tensor:
    divisor = max(reduced_size(tuple(x.shape), dims) - less, 0)
    return mul(x - mean(x, dims, True), 2 / divisor if divisor else math.inf)


def _var_backward(node: Node, grad: Tensor) -> Tensor:
    x, dims, keepdim, less = node.saved
    return mul(spread(grad, tuple(x.shape), dims, keepdim), _var_slope(x, dims, less))


@method()
def std(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation, the square root of :func:`lamina.var`; the same arguments.

    Example:
        >>> lamina.std(lamina.tensor([1.0, 2.0, 3.0]))
        tensor(1.)
    """
    dims, less = _arguments(input, dim, unbiased, correction, "std")
    y = Tensor(_C.std(input._array, dims, keepdim, less))
    if tracks(input):
        record(y, _std_backward, (input,), (input, y, dims, keepdim, less))
    return y


def _over_deviation(grad: Tensor, y: Tensor) -> Tensor:
    """d std / d var = 1 / (2 std), taken as 0 where there is no deviation."""
    return where(y == 0, 0.0, div(grad, mul(y, 2)))


def _std_backward(node: Node, grad: Tensor) -> Tensor:
    x, y, dims, keepdim, less = node.saved
    return mul(spread(_over_deviation(grad, y), tuple(x.shape), dims, keepdim), _var_slope(x, dims, less))


def var_mean(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The variance and the mean, in one pass; arguments as :func:`lamina.var`.

    Example:
        >>> lamina.var_mean(lamina.tensor([1.0, 2.0, 3.0]))
        (tensor(1.), tensor(2.))
    """
    dims, less = _arguments(input, dim, unbiased, correction, "var_mean")
    variance, average = [Tensor(a) for a in _C.var_mean(input._array, dims, keepdim, less)]
    if tracks(input):
        record_many((variance, average), _var_mean_backward, (input,), (input, dims, keepdim, less))
    return variance, average


def _var_mean_backward(node: Node, grad: Tensor | None, mean_grad: Tensor | None) -> Tensor | None:
    x, dims, keepdim, less = node.saved
    slope = (
        None if grad is None else mul(spread(grad, tuple(x.shape), dims, keepdim), _var_slope(x, dims, less))
    )
    return _with_mean(slope, x, dims, keepdim, mean_grad)


def _with_mean(
    slope: Tensor | None, x: Tensor, dims: Any, keepdim: bool, grad: Tensor | None
) -> Tensor | None:
    if grad is None:
        return slope
    shape = tuple(x.shape)
    level = spread(div(grad, reduced_size(shape, dims)), shape, dims, keepdim)
    return level if slope is None else slope + level


def std_mean(
    input: Tensor,
    dim: Dim | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean, in one pass; arguments as :func:`lamina.var`."""
    dims, less = _arguments(input, dim, unbiased, correction, "std_mean")
    deviation, average = [Tensor(a) for a in _C.std_mean(input._array, dims, keepdim, less)]
    if tracks(input):
        record_many(
            (deviation, average), _std_mean_backward, (input,), (input, deviation, dims, keepdim, less)
        )
    return deviation, average


def _std_mean_backward(node: Node, grad: Tensor | None, mean_grad: Tensor | None) -> Tensor | None:
    x, y, dims, keepdim, less = node.saved
    slope = None
    if grad is not None:
        slope = mul(
            spread(_over_deviation(grad, y), tuple(x.shape), dims, keepdim), _var_slope(x, dims, less)
        )
    return _with_mean(slope, x, dims, keepdim, mean_grad)


@method()
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: dtype | None = None,
) -> Tensor:
    """The p-norm of the elements over ``dim``, or of all: ``sum(|x| ** p) ** (1 / p)``.

    Args:
        input: a floating tensor.
        p: the order: a number, infinite ones included, or ``"fro"``, which is 2.
        dim: the dimension or dimensions; default: all.
        keepdim: keep them, with size 1.
        out: where to write the result.
        dtype: what elements are converted to first.

    Raises:
        ValueError: for another string.
        TypeError: for integers.

    Example:
        >>> lamina.norm(lamina.tensor([3.0, -4.0]))
        tensor(5.)
    """
    if casting.on:
        return in_autocast(norm, input, p, dim, keepdim, out, dtype)
    if not isinstance(input, Tensor):
        not_a_tensor("norm", input)
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"[norm] expected a number or 'fro', got {p!r}")
    return vector_norm(input, 2 if p is None or p == "fro" else p, dim, keepdim, dtype=dtype, out=out)  # type: ignore[arg-type]


_KERNELS = {0: _C.norm0, 1: _C.norm1, 2: _C.norm2, math.inf: _C.norm_inf, -math.inf: _C.norm_neg_inf}


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """As :func:`lamina.norm`, with the argument names of ``torch.linalg.vector_norm``.

    Example:
        >>> lamina.linalg.vector_norm(lamina.tensor([3.0, -4.0]), ord=1)
        tensor(7.)
    """
    if casting.on:
        return in_autocast(vector_norm, x, ord, dim, keepdim, dtype=dtype, out=out)
    if dtype is not None:
        x = x.to(dtype)
    dims = dims_of(dim, "norm")
    if ord in _KERNELS:
        y = Tensor(_KERNELS[ord](x._array, dims, keepdim, None))
    else:
        y = Tensor(_C.norm_p(x._array, dims, keepdim, float(ord)))
    if tracks(x):
        record(y, _norm_backward, (x,), (x, y, ord, dims, keepdim))
    return y if out is None else deliver(y, out)


def _norm_backward(node: Node, grad: Tensor) -> Tensor:
    """d / dx of (sum |x|^p)^(1/p) = sign(x) |x|^(p-1) / y^(p-1), taken as 0 where y is 0."""
    x, y, p, dims, keepdim = node.saved
    shape = tuple(x.shape)
    y, grad = spread(y, shape, dims, keepdim), spread(grad, shape, dims, keepdim)
    if p == 0:
        return mul(grad, 0)
    if p == 1:
        return mul(grad, sign(x))
    if p == 2:
        return where(y == 0, 0.0, mul(grad, div(x, y)))
    if math.isinf(p):
        extreme = abs(x) == y
        return where(extreme, div(mul(grad, sign(x)), sum(extreme, dims, True)), 0.0)
    slope = mul(sign(x), (div(abs(x), y)) ** (p - 1))
    return where((y == 0) | ((x == 0) & (p > 1)), 0.0, mul(grad, slope))


@method()
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of ``input - other``.

    Example:
        >>> lamina.dist(lamina.tensor([1.0, 2.0]), lamina.tensor([4.0, 6.0]))
        tensor(5.)
    """
    if casting.on:
        return in_autocast(dist, input, other, p)
    return norm(input - other, p)
