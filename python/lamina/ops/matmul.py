"""Matrix products.

Every product of this family comes down to :func:`product`, whose gradients are products again; the transposes are flags
that the kernel reads as strides, so that no rule makes a view.
"""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import Number, deliver, expect_tensors, mul
from lamina.tensor import Tensor, method

__all__ = ["addmm", "baddbmm", "bmm", "dot", "ger", "inner", "kron", "matmul", "mm", "mv", "outer", "vdot"]


def product(a: Tensor, b: Tensor, transpose_a: bool = False, transpose_b: bool = False) -> Tensor:
    """``op(a) @ op(b)`` as :func:`matmul` has it; ``op`` swaps the last two dimensions where its flag is set."""
    return _recorded(
        Tensor(_C.matmul(a._array, b._array, transpose_a, transpose_b)), a, b, transpose_a, transpose_b
    )


def _recorded(
    y: Tensor, a: Tensor, b: Tensor, transpose_a: bool = False, transpose_b: bool = False
) -> Tensor:
    if tracks(a, b):
        # Each side is saved only for the other's gradient.
        kept_a, kept_b = (a if tracks(b) else None), (b if tracks(a) else None)
        ranks = (a._array.ndim, b._array.ndim)
        record(y, _product_backward, (a, b), (kept_a, kept_b, transpose_a, transpose_b, ranks))
    return y


def _product_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b, transpose_a, transpose_b, (rank_a, rank_b) = node.saved
    if rank_b == 1:  # a column, whose dimension the product has lost
        grad = grad.unsqueeze(-1)
        b = None if b is None else b.unsqueeze(-1)
    if rank_a == 1:  # a row
        grad = grad.unsqueeze(-2)
        a = None if a is None else a.unsqueeze(0)
    grad_a = grad_b = None
    if node.needs(0):
        grad_a = (
            product(b, grad, transpose_b, True) if transpose_a else product(grad, b, False, not transpose_b)
        )
        grad_a = grad_a.squeeze(-2) if rank_a == 1 else grad_a
    if node.needs(1):
        if (
            rank_b == 2 and a._array.ndim > 2 and not transpose_a
        ):  # one long product, not a sum of many short ones
            a, grad = a.flatten(0, -2), grad.flatten(0, -2)
        grad_b = (
            product(grad, a, True, transpose_a) if transpose_b else product(a, grad, not transpose_a, False)
        )
        grad_b = grad_b.squeeze(-1) if rank_b == 1 else grad_b
    return grad_a, grad_b


@method("matmul", "__matmul__")
def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product over the last two dimensions; leading dimensions broadcast.

    Args:
        input: (..., m, k); a 1-d tensor is a row, whose dimension is gone from the result.
        other: (..., k, n); a 1-d tensor is a column, likewise.
        out: where to write the result.

    Raises:
        ValueError: if the inner sizes differ or the leading ones don't broadcast.
        TypeError: if the dtypes differ or are bool.

    Example:
        >>> lamina.matmul(lamina.ones(2, 3), lamina.ones(3))
        tensor([3., 3.])
    """
    if casting.on:
        return in_autocast(matmul, input, other, out=out)
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise TypeError(f"[matmul] expected tensors, got {type(input).__name__} and {type(other).__name__}")
    y = product(input, other)
    return y if out is None else deliver(y, out)


@method("__rmatmul__")
def _reverse_matmul(self: Tensor, other: Any) -> Tensor:
    return matmul(other, self)


@method()
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices, (m, k) and (k, n); as :func:`matmul` without broadcasting."""
    if not (isinstance(input, Tensor) and isinstance(mat2, Tensor)):
        expect_tensors("mm", input=input, mat2=mat2)
    if casting.on:
        return in_autocast(mm, input, mat2, out=out)
    y = _recorded(Tensor(_C.mm(input._array, mat2._array)), input, mat2)
    return y if out is None else deliver(y, out)


@method()
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of the matrices of two batches, (b, m, k) and (b, k, n).

    Example:
        >>> lamina.bmm(lamina.ones(5, 2, 3), lamina.ones(5, 3, 4)).shape
        lamina.Size([5, 2, 4])
    """
    if not (isinstance(input, Tensor) and isinstance(mat2, Tensor)):
        expect_tensors("bmm", input=input, mat2=mat2)
    if casting.on:
        return in_autocast(bmm, input, mat2, out=out)
    y = _recorded(Tensor(_C.bmm(input._array, mat2._array)), input, mat2)
    return y if out is None else deliver(y, out)


@method()
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of a matrix (m, k) and a vector (k)."""
    if not (isinstance(input, Tensor) and isinstance(vec, Tensor)):
        expect_tensors("mv", input=input, vec=vec)
    if casting.on:
        return in_autocast(mv, input, vec, out=out)
    y = _recorded(Tensor(_C.mv(input._array, vec._array)), input, vec)
    return y if out is None else deliver(y, out)


@method()
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inner product of two vectors of one length.

    Example:
        >>> lamina.dot(lamina.tensor([2.0, 3.0]), lamina.tensor([2.0, 1.0]))
        tensor(7.)
    """
    if not (isinstance(input, Tensor) and isinstance(tensor, Tensor)):
        expect_tensors("dot", input=input, tensor=tensor)
    if casting.on:
        return in_autocast(dot, input, tensor, out=out)
    y = _recorded(Tensor(_C.dot(input._array, tensor._array)), input, tensor)
    return y if out is None else deliver(y, out)


vdot = method("vdot")(dot)


@method()
def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sums of products over the last dimension of both; the result has both leading shapes, one after the other."""
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        expect_tensors("inner", input=input, other=other)
    if casting.on:
        return in_autocast(inner, input, other, out=out)
    a, b = input, other
    if a._array.ndim == 0 or b._array.ndim == 0:
        y = mul(a, b)
    else:
        shape = (*a._array.shape[:-1], *b._array.shape[:-1])
        y = product(_rows(a), _rows(b), False, True).reshape(shape)
    return y if out is None else deliver(y, out)


def _rows(x: Tensor) -> Tensor:
    return x.unsqueeze(0) if x._array.ndim == 1 else x.flatten(0, -2)


@method("outer", "ger")
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of every element of a vector (m) with every element of another (n): (m, n).

    Example:
        >>> lamina.outer(lamina.tensor([1.0, 2.0]), lamina.tensor([3.0, 4.0]))
        tensor([[3., 4.],
                [6., 8.]])
    """
    if not (isinstance(input, Tensor) and isinstance(vec2, Tensor)):
        expect_tensors("outer", input=input, vec2=vec2)
    if input._array.ndim != 1 or vec2._array.ndim != 1:
        raise ValueError(
            f"[outer] expected two vectors, got shapes {input._array.shape} and {vec2._array.shape}"
        )
    y = mul(input.unsqueeze(1), vec2)
    return y if out is None else deliver(y, out)


ger = outer


@method()
def kron(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The Kronecker product: every element of ``input`` times the whole of ``other``, laid out in blocks.

    Example:
        >>> lamina.kron(lamina.eye(2), lamina.ones(1, 2))
        tensor([[1., 1., 0., 0.],
                [0., 0., 1., 1.]])
    """
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        expect_tensors("kron", input=input, other=other)
    a, b = input._array.shape, other._array.shape
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    blocks = mul(
        input.reshape([s for size in a for s in (size, 1)]),
        other.reshape([s for size in b for s in (1, size)]),
    )
    y = blocks.reshape([x * y for x, y in zip(a, b)])
    return y if out is None else deliver(y, out)


@method()
def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``.

    Args:
        input: broadcasts to (m, n); not read where ``beta`` is 0.
        mat1: (m, k).
        mat2: (k, n).
        beta: a factor of ``input``.
        alpha: a factor of the product.
        out: where to write the result.

    Example:
        >>> lamina.addmm(lamina.ones(2), lamina.ones(3, 4), lamina.ones(4, 2), alpha=0.5).tolist()
        [[3.0, 3.0], [3.0, 3.0], [3.0, 3.0]]
    """
    if not (isinstance(input, Tensor) and isinstance(mat1, Tensor) and isinstance(mat2, Tensor)):
        expect_tensors("addmm", input=input, mat1=mat1, mat2=mat2)
    if casting.on:
        return in_autocast(addmm, input, mat1, mat2, beta=beta, alpha=alpha, out=out)
    y = _added(_C.addmm, mm, input, mat1, mat2, beta, alpha)
    return y if out is None else deliver(y, out)


@method()
def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``; arguments as :func:`addmm`, with a leading batch dimension."""
    if not (isinstance(input, Tensor) and isinstance(batch1, Tensor) and isinstance(batch2, Tensor)):
        expect_tensors("baddbmm", input=input, batch1=batch1, batch2=batch2)
    if casting.on:
        return in_autocast(baddbmm, input, batch1, batch2, beta=beta, alpha=alpha, out=out)
    y = _added(_C.baddbmm, bmm, input, batch1, batch2, beta, alpha)
    return y if out is None else deliver(y, out)


def _added(
    kernel: Any, plain: Any, input: Tensor, a: Tensor, b: Tensor, beta: Number, alpha: Number
) -> Tensor:
    if alpha != 1:  # scale whichever is smaller
        a, b = (mul(a, alpha), b) if a._array.numel <= b._array.numel else (a, mul(b, alpha))
    if beta == 0:
        y = plain(a, b)
        input.expand(y._array.shape)  # raises where it would not have broadcast
        return y
    if beta != 1:
        input = mul(input, beta)
    y = Tensor(kernel(input._array, a._array, b._array))
    if tracks(input, a, b):
        kept_a, kept_b = (a if tracks(b) else None), (b if tracks(a) else None)
        record(y, _added_backward, (input, a, b), (kept_a, kept_b))
    return y


def _added_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    a, b = node.saved
    return (
        grad,
        product(grad, b, False, True) if node.needs(1) else None,
        product(a, grad, True, False) if node.needs(2) else None,
    )


def _inplace(name: str, function: Any) -> None:
    def apply(self: Tensor, a: Tensor, b: Tensor, *, beta: Number = 1, alpha: Number = 1) -> Tensor:
        recorded = self._check_inplace(name, a, b)
        result = function(self, a, b, beta=beta, alpha=alpha)
        if recorded:
            return self._become(result)
        _C.copy_to(self._array, result._array)
        return self

    apply.__name__ = name
    apply.__doc__ = f"As :func:`lamina.{name.strip('_')}`, in place."
    method(name)(apply)


_inplace("addmm_", addmm)
_inplace("baddbmm_", baddbmm)
