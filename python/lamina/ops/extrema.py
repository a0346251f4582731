"""Largest and smallest elements and where they are; running sums, products and extrema."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.dtypes import dtype
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import ones_like
from lamina.ops.elementwise import deliver, div, inplace, mul, not_a_tensor
from lamina.ops.gather import scatter
from lamina.ops.join import cat
from lamina.ops.rearrange import flip
from lamina.ops.reduce import Dim, dims_of, prod, spread, sum
from lamina.ops.select import maximum, minimum, where
from lamina.tensor import Tensor, method

__all__ = [
    "amax",
    "amin",
    "aminmax",
    "argmax",
    "argmin",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "max",
    "min",
]


class Extremum(NamedTuple):
    """The extreme values along a dimension, and their positions."""

    values: Tensor
    indices: Tensor


class Range(NamedTuple):
    """The smallest and the largest elements."""

    min: Tensor
    max: Tensor


@method()
def amax(input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The largest elements over ``dim``, or of all; NaN wins.  The gradient is shared evenly among equal ones.

    Args:
        input: any tensor.
        dim: the dimension or dimensions; default: all.
        keepdim: keep them, with size 1.
        out: where to write the result.

    Raises:
        IndexError: if there are no elements to choose from.

    Example:
        >>> lamina.amax(lamina.tensor([[1, 5], [7, 3]]), dim=1)
        tensor([5, 7])
    """
    return _extreme(_C.amax, "amax", _amax_backward, input, dim, keepdim, out)


@method()
def amin(input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The smallest elements over ``dim``, or of all; arguments as :func:`lamina.amax`.

    Example:
        >>> lamina.amin(lamina.tensor([[1, 5], [7, 3]]), dim=1)
        tensor([1, 3])
    """
    return _extreme(_C.amin, "amin", _amin_backward, input, dim, keepdim, out)


def _extreme(
    kernel: Any, op: str, rule: Any, x: Tensor, dim: Dim, keepdim: bool, out: Tensor | None
) -> Tensor:
    if not isinstance(x, Tensor):
        not_a_tensor(op, x)
    dims = dims_of(dim, op)
    y = Tensor(kernel(x._array, dims, keepdim, None))
    if tracks(x):
        record(y, rule, (x,), (x, y, dims, keepdim))
    return y if out is None else deliver(y, out)


def _shared(node: Node, grad: Tensor) -> Tensor:
    x, y, dims, keepdim = node.saved
    shape = tuple(x.shape)
    extreme = x == spread(y, shape, dims, keepdim)
    count = sum(extreme, dims, keepdim)
    return where(extreme, spread(div(grad, count), shape, dims, keepdim), 0.0)


def _amax_backward(node: Node, grad: Tensor) -> Tensor:
    return _shared(node, grad)


def _amin_backward(node: Node, grad: Tensor) -> Tensor:
    return _shared(node, grad)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Range:
    """The smallest and the largest elements over ``dim``, or of all.

    Example:
        >>> lamina.aminmax(lamina.tensor([3, 1, 2])).max
        tensor(3)
    """
    return Range(amin(input, dim, keepdim), amax(input, dim, keepdim))


method("aminmax")(aminmax)


@method()
def max(
    input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None
) -> Any:
    """The largest element; or along ``dim``, with its position; or of two tensors.

    Args:
        input: any tensor.
        dim: the dimension; default: all elements.  A tensor here is ``other``.
        keepdim: keep the dimension, with size 1.
        other: gives ``lamina.maximum(input, other)``.

    Returns:
        A tensor; with ``dim`` the named tuple ``(values, indices)``, where of equal elements the first counts.

    Raises:
        IndexError: if there are no elements to choose from.

    Example:
        >>> lamina.max(lamina.tensor([[1, 5], [7, 3]]), dim=1).indices
        tensor([1, 0])
    """
    if other is not None or isinstance(dim, Tensor):
        return maximum(input, dim if other is None else other)  # type: ignore[arg-type]
    if dim is None:
        return _extreme(_C.amax, "max", _max_backward, input, None, keepdim, None)
    return _along(_C.max_dim, "max", input, dim, keepdim)


@method()
def min(
    input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None
) -> Any:
    """The smallest element; or along ``dim``, with its position; or of two tensors; as :func:`lamina.max`.

    Example:
        >>> lamina.min(lamina.tensor([[1, 5], [7, 3]]), dim=1).values
        tensor([1, 3])
    """
    if other is not None or isinstance(dim, Tensor):
        return minimum(input, dim if other is None else other)  # type: ignore[arg-type]
    if dim is None:
        return _extreme(_C.amin, "min", _min_backward, input, None, keepdim, None)
    return _along(_C.min_dim, "min", input, dim, keepdim)


def _max_backward(node: Node, grad: Tensor) -> Tensor:
    return _shared(node, grad)


def _min_backward(node: Node, grad: Tensor) -> Tensor:
    return _shared(node, grad)


def _along(kernel: Any, op: str, x: Tensor, dim: Any, keepdim: bool) -> Extremum:
    if not isinstance(x, Tensor):
        not_a_tensor(op, x)
    if not isinstance(dim, int):
        raise TypeError(f"[{op}] expected one dimension, got {dim!r}")
    values, indices = kernel(x._array, (dim,), keepdim, 0.0)
    y, positions = Tensor(values), Tensor(indices)
    if tracks(x):
        record(y, _along_backward, (x,), (x._array.shape, dim, keepdim, positions))
    return Extremum(y, positions)


def _along_backward(node: Node, grad: Tensor) -> Tensor:
    shape, dim, keepdim, positions = node.saved
    if not shape:
        return grad
    if not keepdim:
        grad, positions = grad.unsqueeze(dim), positions.unsqueeze(dim)
    return scatter(Tensor(_C.new_zeros(grad._array, shape)), dim, positions, grad)


@method()
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The position of the largest element along ``dim``, or in the flattened tensor; of equal ones the first.

    Args:
        input: any tensor.
        dim: the dimension; default: all, counted in row-major order.
        keepdim: keep the dimension, with size 1.

    Raises:
        IndexError: if there are no elements to choose from.

    Example:
        >>> lamina.argmax(lamina.tensor([[1, 5], [7, 3]]))
        tensor(2)
    """
    if not isinstance(input, Tensor):
        not_a_tensor("argmax", input)
    return Tensor(_C.argmax(input._array, None if dim is None else (dim,), keepdim, None))


@method()
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The position of the smallest element; arguments as :func:`lamina.argmax`.

    Example:
        >>> lamina.argmin(lamina.tensor([[1, 5], [7, 3]]), dim=0)
        tensor([0, 1])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("argmin", input)
    return Tensor(_C.argmin(input._array, None if dim is None else (dim,), keepdim, None))


@method()
def cumsum(input: Tensor, dim: int, *, dtype: dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Running sums along ``dim``; float32 is carried in double.

    Args:
        input: any tensor; integers and bools are summed as int64.
        dim: the dimension.
        dtype: what elements are converted to first.
        out: where to write the result.

    Example:
        >>> lamina.cumsum(lamina.tensor([1, 2, 3]), dim=0)
        tensor([1, 3, 6])
    """
    if casting.on:
        return in_autocast(cumsum, input, dim, dtype=dtype, out=out)
    if not isinstance(input, Tensor):
        not_a_tensor("cumsum", input)
    y = Tensor(_C.cumsum(input._array, dim, None if dtype is None else dtype.code))
    if tracks(input):
        record(y, _cumsum_backward, (input,), (dim,))
    return y if out is None else deliver(y, out)


def _from_the_end(x: Tensor, dim: int) -> Tensor:
    return flip(cumsum(flip(x, dim), dim), dim) if x.ndim else x


def _cumsum_backward(node: Node, grad: Tensor) -> Tensor:
    (dim,) = node.saved
    return _from_the_end(grad, dim)


@method()
def cumprod(input: Tensor, dim: int, *, dtype: dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Running products along ``dim``; arguments as :func:`lamina.cumsum`.

    Example:
        >>> lamina.cumprod(lamina.tensor([1, 2, 3]), dim=0)
        tensor([1, 2, 6])
    """
    if casting.on:
        return in_autocast(cumprod, input, dim, dtype=dtype, out=out)
    if not isinstance(input, Tensor):
        not_a_tensor("cumprod", input)
    y = Tensor(_C.cumprod(input._array, dim, None if dtype is None else dtype.code))
    if tracks(input):
        record(y, _cumprod_backward, (input,), (input, dim))
    return y if out is None else deliver(y, out)


def _cumprod_backward(node: Node, grad: Tensor) -> Tensor:
    """Up to a line's first zero x_z the sums over i of grad_i y_i / x_k; at z that with 1 for x_z; beyond it 0."""
    x, dim = node.saved
    if mode.enabled and not _C.all(x._array, None, False, None).item():
        return _cumprod_slopes(x, dim, grad)
    zeros_so_far = cumsum(x == 0, dim)
    first = (zeros_so_far == 1) & (x == 0)
    products = cumprod(where(first, 1.0, x), dim)
    ahead = _from_the_end(mul(grad, where(zeros_so_far == 0, products, 0.0)), dim)
    at_zero = _from_the_end(mul(grad, products), dim)
    divisor = where(x == 0, 1.0, x)
    return where(zeros_so_far == 0, div(ahead, divisor), where(first, at_zero, 0.0))


def _cumprod_slopes(x: Tensor, dim: int, grad: Tensor) -> Tensor:
    """The same without divisions, in n steps: differentiable where elements are zero."""
    n = x.shape[dim] if x.ndim else 1
    if not x.ndim:
        return grad
    slopes = []
    for k in range(n):
        before = prod(x.narrow(dim, 0, k), dim, True)
        after = mul(before, cumprod(x.narrow(dim, k + 1, n - k - 1), dim))
        slopes.append(sum(mul(grad.narrow(dim, k, n - k), cat([before, after], dim)), dim, True))
    return cat(slopes, dim)


def products_of_others(x: Tensor, dim: int) -> Tensor:
    """For each element the product of the others along ``dim``, without a division."""
    if not x.ndim:
        return ones_like(x)
    n = x.shape[dim]
    one = ones_like(x.narrow(dim, 0, 1))
    before = cat([one, cumprod(x.narrow(dim, 0, n - 1), dim)], dim)
    after = flip(cat([one, cumprod(flip(x.narrow(dim, 1, n - 1), dim), dim)], dim), dim)
    return mul(before, after)


inplace(cumsum)
inplace(cumprod)


@method()
def cummax(input: Tensor, dim: int) -> Extremum:
    """The largest element so far along ``dim``, and its position; of equal ones the last.

    Example:
        >>> lamina.cummax(lamina.tensor([1, 3, 2]), dim=0).values
        tensor([1, 3, 3])
    """
    return _running(_C.cummax, "cummax", input, dim)


@method()
def cummin(input: Tensor, dim: int) -> Extremum:
    """The smallest element so far along ``dim``, and its position; of equal ones the last.

    Example:
        >>> lamina.cummin(lamina.tensor([2, 3, 1]), dim=0).values
        tensor([2, 2, 1])
    """
    return _running(_C.cummin, "cummin", input, dim)


def _running(kernel: Any, op: str, x: Tensor, dim: int) -> Extremum:
    if not isinstance(x, Tensor):
        not_a_tensor(op, x)
    values, indices = kernel(x._array, dim)
    y, positions = Tensor(values), Tensor(indices)
    if tracks(x):
        record(y, _running_backward, (x,), (x._array.shape, dim, positions))
    return Extremum(y, positions)


def _running_backward(node: Node, grad: Tensor) -> Tensor:
    shape, dim, positions = node.saved
    if not shape:
        return grad
    return Tensor(_C.new_zeros(grad._array, shape)).scatter_add_(dim, positions, grad)
