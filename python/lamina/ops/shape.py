"""Views of the same memory in other shapes; ``reshape`` and ``flatten`` copy where no view does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina import _C
from lamina.autograd import inplace
from lamina.autograd.graph import Node, record, tracks
from lamina.dtypes import dtype
from lamina.ops.creation import shape_of
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor, method

__all__ = [
    "adjoint",
    "flatten",
    "moveaxis",
    "movedim",
    "permute",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "swapdims",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
]


def dim_of(dim: Any, ndim: int, op: str) -> int:
    """A dimension counted from the front; a 0-d tensor passes for 1-d."""
    n = max(ndim, 1)
    try:
        d = dim.__index__()
    except AttributeError:
        raise TypeError(f"[{op}] expected an integer dimension, got {type(dim).__name__}") from None
    if not -n <= d < n:
        raise IndexError(f"[{op}] expected a dimension from {-n} to {n - 1}, got {d}")
    return int(d + n if d < 0 else d)


@method()
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape: a view where the memory order allows it, else a copy.

    Args:
        input: any tensor.
        shape: sizes, or one sequence of sizes; one of them may be -1.

    Raises:
        ValueError: if the shape does not hold the elements.

    Example:
        >>> lamina.ones(2, 3).reshape(3, -1).shape
        lamina.Size([3, 2])
    """
    if not isinstance(input, Tensor):
        expect_tensors("reshape", input=input)
    return _reshaped(input, _C.reshape(input._array, shape_of(shape, "reshape")))


def _reshaped(input: Tensor, array: _C.Array) -> Tensor:
    """A tensor on ``array``, which holds the elements of ``input`` in the same order."""
    y = input._view(array) if array.data_ptr == input._array.data_ptr else Tensor(array)
    if tracks(input):
        record(y, _reshape_backward, (input,), (input._array.shape,))
    return y


def _reshape_backward(node: Node, grad: Tensor) -> Tensor:
    (shape,) = node.saved
    return reshape(grad, shape)


@method()
def view(self: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape, or, given a dtype, as elements of another type.

    Args:
        shape: sizes, or one sequence of sizes, one of them may be -1; or a dtype, which shows the same bytes.

    Raises:
        RuntimeError: if the strides allow no such view; :func:`lamina.reshape` copies then.

    Example:
        >>> lamina.ones(2, 3).view(-1).shape
        lamina.Size([6])
        >>> lamina.ones(1).view(lamina.int32)
        tensor([1065353216], dtype=lamina.int32)
    """
    if len(shape) == 1 and isinstance(shape[0], dtype):
        return self._view(_C.view_dtype(self._array, shape[0].code))
    return _reshaped(self, _C.view(self._array, shape_of(shape, "view")))


@method()
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """A view in the shape of ``other``."""
    return _reshaped(self, _C.view(self._array, other._array.shape))


@method()
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """As :func:`lamina.reshape` to the shape of ``other``."""
    if not (isinstance(self, Tensor) and isinstance(other, Tensor)):
        expect_tensors("reshape_as", self=self, other=other)
    return _reshaped(self, _C.reshape(self._array, other._array.shape))


@method()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions ``start_dim`` to ``end_dim``, both included, made one.

    Example:
        >>> lamina.ones(2, 3, 4).flatten(1).shape
        lamina.Size([2, 12])
    """
    if not isinstance(input, Tensor):
        expect_tensors("flatten", input=input)
    shape = input._array.shape
    start, end = dim_of(start_dim, len(shape), "flatten"), dim_of(end_dim, len(shape), "flatten")
    if start > end:
        raise ValueError(f"[flatten] expected start_dim <= end_dim, got {start_dim} and {end_dim}")
    if start == end and shape:
        return input
    n = 1
    for size in shape[start : end + 1]:
        n *= size
    return _reshaped(input, _C.reshape(input._array, (*shape[:start], n, *shape[end + 1 :])))


@method()
def ravel(input: Tensor) -> Tensor:
    """The elements in one dimension: a view where the memory order allows it."""
    if not isinstance(input, Tensor):
        expect_tensors("ravel", input=input)
    return _reshaped(input, _C.reshape(input._array, (-1,))) if input._array.ndim != 1 else input


@method()
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """The dimension ``dim`` split into several; one of ``sizes`` may be -1.

    Example:
        >>> lamina.ones(2, 12).unflatten(1, (3, -1)).shape
        lamina.Size([2, 3, 4])
    """
    if not isinstance(input, Tensor):
        expect_tensors("unflatten", input=input)
    shape = input._array.shape
    d = dim_of(dim, len(shape), "unflatten")
    sizes = list(shape_of((sizes,), "unflatten"))
    known = 1
    for size in sizes:
        known *= size if size != -1 else 1
    if sizes.count(-1) == 1 and known > 0:
        sizes[sizes.index(-1)] = shape[d] // known
        known *= shape[d] // known
    if not shape or not sizes or min(sizes) < 0 or known != shape[d]:
        raise ValueError(
            f"[unflatten] sizes {tuple(sizes)} do not multiply to dimension {d} of shape {shape}"
        )
    return _reshaped(input, _C.reshape(input._array, (*shape[:d], *sizes, *shape[d + 1 :])))


@method()
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """A view without the dimensions of size 1: all of them, or those in ``dim`` that have it.

    Example:
        >>> lamina.ones(1, 2, 1).squeeze().shape, lamina.ones(1, 2, 1).squeeze(0).shape
        (lamina.Size([2]), lamina.Size([2, 1]))
    """
    if not isinstance(input, Tensor):
        expect_tensors("squeeze", input=input)
    dims = None if dim is None else shape_of((dim,), "squeeze")
    return _reshaped(input, _C.squeeze(input._array, dims))


@method()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a new dimension of size 1 at ``dim``.

    Example:
        >>> lamina.ones(2, 3).unsqueeze(-1).shape
        lamina.Size([2, 3, 1])
    """
    if not isinstance(input, Tensor):
        expect_tensors("unsqueeze", input=input)
    return _reshaped(input, _C.unsqueeze(input._array, dim))


@method()
def permute(input: Tensor, *dims: Any) -> Tensor:
    """A view with the dimensions in another order.

    Example:
        >>> lamina.ones(2, 3, 4).permute(2, 0, 1).shape
        lamina.Size([4, 2, 3])
    """
    if not isinstance(input, Tensor):
        expect_tensors("permute", input=input)
    order = shape_of(dims, "permute")
    y = input._view(_C.permute(input._array, order))
    if tracks(input):
        record(y, _permute_backward, (input,), (order,))
    return y


def _permute_backward(node: Node, grad: Tensor) -> Tensor:
    (order,) = node.saved
    inverse = [0] * len(order)
    for position, dim in enumerate(order):
        inverse[dim] = position
    return permute(grad, inverse)


@method("transpose", "swapaxes", "swapdims")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two dimensions exchanged.

    Example:
        >>> lamina.ones(2, 3, 4).transpose(0, -1).shape
        lamina.Size([4, 3, 2])
    """
    if not isinstance(input, Tensor):
        expect_tensors("transpose", input=input)
    y = input._view(_C.transpose(input._array, dim0, dim1))
    if tracks(input):
        record(y, _transpose_backward, (input,), (dim0, dim1))
    return y


def _transpose_backward(node: Node, grad: Tensor) -> Tensor:
    dim0, dim1 = node.saved
    return transpose(grad, dim0, dim1)


swapaxes = swapdims = transpose


@method()
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a tensor of fewer than two dimensions as it is."""
    if not isinstance(input, Tensor):
        expect_tensors("t", input=input)
    if input._array.ndim > 2:
        raise RuntimeError(f"[t] expected at most 2 dimensions, got shape {tuple(input.shape)}")
    return transpose(input, 0, 1) if input._array.ndim == 2 else input


@method()
def adjoint(input: Tensor) -> Tensor:
    """The transpose of each matrix in the last two dimensions."""
    if input._array.ndim < 2:
        raise RuntimeError(f"[adjoint] expected at least 2 dimensions, got shape {tuple(input.shape)}")
    return transpose(input, -2, -1)


def _reversed(self: Tensor) -> Tensor:
    """A view with all dimensions in reverse order: of a matrix, its transpose."""
    return permute(self, tuple(range(self._array.ndim))[::-1])


for _name, _getter in {"T": _reversed, "mT": adjoint, "mH": adjoint}.items():
    setattr(Tensor, _name, property(_getter))


@method("movedim", "moveaxis")
def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with dimensions ``source`` moved to positions ``destination``; the others keep their order.

    Example:
        >>> lamina.ones(2, 3, 4).movedim(0, -1).shape
        lamina.Size([3, 4, 2])
    """
    if not isinstance(input, Tensor):
        expect_tensors("movedim", input=input)
    n = input._array.ndim
    start = [dim_of(d, n, "movedim") for d in shape_of((source,), "movedim")]
    end = [dim_of(d, n, "movedim") for d in shape_of((destination,), "movedim")]
    if len(start) != len(end) or len(set(start)) != len(start) or len(set(end)) != len(end):
        raise ValueError(f"[movedim] expected as many different dimensions, got {source} and {destination}")
    order = [d for d in range(n) if d not in start]
    for to, d in sorted(zip(end, start)):
        order.insert(to, d)
    return permute(input, order) if n else input


moveaxis = movedim


def _restrided_in_place(name: str, function: Callable[..., Tensor]) -> None:
    """The method ``name_``: the tensor itself takes the shape and strides that ``function`` shows."""

    def apply(self: Tensor, *args: Any) -> Tensor:
        if self._requires_grad and (self.is_leaf or self._base is not None or not tracks(self)):
            raise RuntimeError(
                f"[{name}_] a leaf or a view that requires a gradient can't change its shape in place; use {name}"
            )
        result = function(self, *args)
        self._array = result._array
        if self._requires_grad:
            inplace.move(self, result)
        return self

    apply.__name__ = f"{name}_"
    apply.__doc__ = f"As :func:`lamina.{name}`, in place."
    method(f"{name}_")(apply)


_restrided_in_place("squeeze", squeeze)
_restrided_in_place("unsqueeze", unsqueeze)
_restrided_in_place("t", t)
_restrided_in_place("transpose", transpose)
