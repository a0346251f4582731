"""Sums, means, products, truth and counts over some or all dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.dtypes import dtype
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import shape_of
from lamina.ops.elementwise import deliver, div, mul, not_a_tensor
from lamina.ops.select import where
from lamina.ops.unary import exp
from lamina.tensor import Tensor, method

__all__ = ["all", "any", "count_nonzero", "logsumexp", "mean", "nanmean", "nansum", "prod", "sum"]

Dim = int | Sequence[int] | None


def dims_of(dim: Dim, op: str) -> tuple[int, ...] | None:
    """``dim`` as the compiled module takes it: a tuple, or None for all."""
    if dim is None:
        return None
    if isinstance(dim, int):
        return (dim,)
    try:
        return tuple([d.__index__() for d in dim])
    except (AttributeError, TypeError):
        raise TypeError(f"[{op}] expected a dimension or several, got {dim!r}") from None


def spread(x: Tensor, shape: tuple[int, ...], dims: Sequence[int] | None, keepdim: bool) -> Tensor:
    """What a reduction of ``shape`` gave, expanded to ``shape`` again."""
    if dims and shape and not keepdim:
        kept = list(shape)
        for d in dims:
            kept[d] = 1
        x = x.reshape(kept)
    return x.expand(shape)


def reduced_size(shape: tuple[int, ...], dims: Sequence[int] | None) -> int:
    """How many elements a reduction makes one of."""
    n = 1
    for d in (dims or range(len(shape))) if shape else ():
        n *= shape[d]
    return n


def _code(dtype: dtype | None) -> int | None:
    return None if dtype is None else dtype.code


@method()
def sum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum over ``dim``, or over all elements; integers and bools are summed as int64.

    float32 is summed in blocks that join in double, in an order that depends on the shape alone.

    Args:
        input: any tensor.
        dim: the dimension or dimensions to sum over; default: all.
        keepdim: keep them, with size 1.
        dtype: what elements are converted to before they are summed.
        out: where to write the result.

    Raises:
        IndexError: if there is no such dimension.
        ValueError: if a dimension is given twice.

    Example:
        >>> lamina.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=0)
        tensor([4., 6.])
    """
    if casting.on:
        return in_autocast(sum, input, dim, keepdim, dtype=dtype, out=out)
    if not isinstance(input, Tensor):
        not_a_tensor("sum", input)
    dims = dims_of(dim, "sum")
    y = Tensor(_C.sum(input._array, dims, keepdim, _code(dtype)))
    if tracks(input):
        record(y, _sum_backward, (input,), (input._array.shape, dims, keepdim))
    return y if out is None else deliver(y, out)


def _sum_backward(node: Node, grad: Tensor) -> Tensor:
    return spread(grad, *node.saved)


@method()
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """The sum over the dimensions that broadcasting ``size`` to this tensor's shape would add or stretch.

    Args:
        size: sizes, or one sequence of sizes.

    Raises:
        ValueError: if ``size`` does not broadcast to this tensor's shape.

    Example:
        >>> lamina.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    target, shape = shape_of(size, "sum_to_size"), self._array.shape
    if target == shape:
        return self if target else sum(self)  # which makes integers int64, as in torch
    y = Tensor(_C.sum_to(self._array, target))
    if tracks(self):
        record(y, _sum_to_size_backward, (self,), (shape,))
    return y


def _sum_to_size_backward(node: Node, grad: Tensor) -> Tensor:
    (shape,) = node.saved
    return grad.expand(shape)


@method()
def mean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The arithmetic mean over ``dim``, or over all elements; arguments as :func:`lamina.sum`.

    Raises:
        TypeError: for integers without a floating ``dtype``.

    Example:
        >>> lamina.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(dim=1)
        tensor([1.5000, 3.5000])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("mean", input)
    dims = dims_of(dim, "mean")
    y = Tensor(_C.mean(input._array, dims, keepdim, _code(dtype)))
    if tracks(input):
        record(y, _mean_backward, (input,), (input._array.shape, dims, keepdim))
    return y if out is None else deliver(y, out)


def _mean_backward(node: Node, grad: Tensor) -> Tensor:
    shape, dims, keepdim = node.saved
    n = reduced_size(shape, dims)
    return spread(div(grad, n) if n else grad, shape, dims, keepdim)


@method()
def nansum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """As :func:`lamina.sum`, with NaN counted as 0.

    Example:
        >>> lamina.nansum(lamina.tensor([1.0, float("nan")]))
        tensor(1.)
    """
    return sum(where(input == input, input, 0), dim, keepdim, dtype=dtype)


@method()
def nanmean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: dtype | None = None) -> Tensor:
    """The mean of the elements that are not NaN.

    Example:
        >>> lamina.nanmean(lamina.tensor([1.0, 3.0, float("nan")]))
        tensor(2.)
    """
    return div(nansum(input, dim, keepdim, dtype=dtype), sum(input == input, dim, keepdim))


@method()
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: dtype | None = None
) -> Tensor:
    """The product over ``dim``, or over all elements; integers and bools are multiplied as int64.

    Args:
        input: any tensor.
        dim: the dimension; default: all.
        keepdim: keep it, with size 1.
        dtype: what elements are converted to first.

    Example:
        >>> lamina.tensor([2.0, 3.0, 4.0]).prod()
        tensor(24.)
    """
    if casting.on:
        return in_autocast(prod, input, dim, keepdim, dtype=dtype)
    if not isinstance(input, Tensor):
        not_a_tensor("prod", input)
    dims = dims_of(dim, "prod")
    y = Tensor(_C.prod(input._array, dims, keepdim, _code(dtype)))
    if tracks(input):
        record(y, _prod_backward, (input,), (input, dims, keepdim))
    return y


def _prod_backward(node: Node, grad: Tensor) -> Tensor:
    """grad * (the product of the others): a division by x, or where x has zeros, products from both sides."""
    x, dims, keepdim = node.saved
    shape = tuple(x.shape)
    grad = spread(grad, shape, dims, keepdim)
    if _C.all(x._array, None, False, None).item():
        whole = x.prod().reshape([1] * x.ndim) if dims is None else prod(x, dims[0], True)
        return mul(grad, div(whole, x))
    from lamina.ops.extrema import products_of_others

    line = x.reshape(-1) if dims is None else x
    return mul(grad, products_of_others(line, 0 if dims is None else dims[0]).reshape(shape))


@method()
def all(input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Whether all elements, over ``dim`` or over everything, are not zero.

    Example:
        >>> lamina.all(lamina.tensor([True, False]))
        tensor(False)
    """
    return _truth(_C.all, "all", input, dim, keepdim, out)


@method()
def any(input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Whether some element, over ``dim`` or over everything, is not zero.

    Example:
        >>> lamina.any(lamina.tensor([True, False]))
        tensor(True)
    """
    return _truth(_C.any, "any", input, dim, keepdim, out)


def _truth(kernel: Any, op: str, input: Tensor, dim: Dim, keepdim: bool, out: Tensor | None) -> Tensor:
    if not isinstance(input, Tensor):
        not_a_tensor(op, input)
    return deliver(Tensor(kernel(input._array, dims_of(dim, op), keepdim, None)), out)


@method()
def count_nonzero(input: Tensor, dim: Dim = None) -> Tensor:
    """How many elements are not zero.

    Example:
        >>> lamina.count_nonzero(lamina.tensor([0, 1, 2]))
        tensor(2)
    """
    if not isinstance(input, Tensor):
        not_a_tensor("count_nonzero", input)
    return Tensor(_C.sum(_C.ne(input._array, 0), dims_of(dim, "count_nonzero"), False, None))


@method()
def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """``log(sum(exp(input)))`` over ``dim``, computed without overflow.

    Args:
        input: any tensor; integers become the default floating dtype.
        dim: the dimension or dimensions.
        keepdim: keep them, with size 1.
        out: where to write the result.

    Example:
        >>> lamina.logsumexp(lamina.tensor([1000.0, 1000.0]), dim=0)
        tensor(1000.6932)
    """
    if casting.on:
        return in_autocast(logsumexp, input, dim, keepdim, out=out)
    if not isinstance(input, Tensor):
        not_a_tensor("logsumexp", input)
    if not input.dtype.is_floating_point:
        input = input * 1.0
    dims, array = dims_of(dim, "logsumexp"), input._array
    if array.numel == 0:
        y = sum(input, dims, keepdim) - float("inf")
        return deliver(y, out)
    top = _C.amax(array, dims, True, None)
    top = _C.where(_C.isfinite(top), top, 0.0, 0.0)  # inf - inf would be NaN
    total = _C.sum(_C.exp(_C.sub(array, top)), dims, True, None)
    result = _C.add(_C.log(total), top)
    y = Tensor(result if keepdim else _C.squeeze(result, dims or tuple(range(array.ndim))))
    if tracks(input):
        record(y, _logsumexp_backward, (input,), (input, y, dims, keepdim))
    return y if out is None else deliver(y, out)


def _logsumexp_backward(node: Node, grad: Tensor) -> Tensor:
    x, y, dims, keepdim = node.saved
    shape = tuple(x.shape)
    return mul(spread(grad, shape, dims, keepdim), exp(x - spread(y, shape, dims, keepdim)))
