"""Elementwise choices between operands: where, masks, extrema, bounds; and weighted sums."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import (
    Number,
    Operand,
    compute,
    div,
    expect_tensors,
    inplace,
    mul,
    neg,
    not_a_tensor,
    refuse_numbers,
    tensor_or_none,
    write,
)
from lamina.tensor import Tensor, method

__all__ = [
    "addcdiv", "addcmul", "clamp", "clamp_max", "clamp_min", "clip", "fmax", "fmin", "lerp", "masked_fill", "maximum",
    "minimum", "where",
]  # fmt: skip


def where(
    condition: Tensor,
    input: Operand | None = None,
    other: Operand | None = None,
    *,
    out: Tensor | None = None,
) -> Any:
    """``input`` where ``condition`` holds, ``other`` elsewhere.

    Args:
        condition: a bool tensor.
        input: a tensor or a number.
        other: a tensor or a number; all three shapes broadcast.
        out: where to write the result.

    Returns:
        A tensor; with ``condition`` alone, its positions as :func:`lamina.nonzero` with ``as_tuple=True`` gives them.

    Raises:
        TypeError: if the condition is not of dtype bool.
        ValueError: if the shapes do not broadcast.

    Example:
        >>> x = lamina.tensor([-1.0, 2.0])
        >>> lamina.where(x > 0, x, 0.0)
        tensor([0., 2.])
    """
    if input is None or other is None:
        if input is not other:
            raise TypeError("[where] expected a condition alone, or a condition and two operands")
        from lamina.ops.indexing import nonzero

        return nonzero(condition, as_tuple=True)
    if not isinstance(condition, Tensor):
        not_a_tensor("where", condition)
    if out is not None:
        return write(_C.where_out, "where", out, condition, input, other, 0.0)
    y = compute(_C.where, "where", condition, input, other, 0.0)
    if tracks(input, other):
        record(y, _where_backward, (None, tensor_or_none(input), tensor_or_none(other)), (condition,))
    return y


def _where_backward(node: Node, grad: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
    (condition,) = node.saved
    chosen = where(condition, grad, 0.0) if node.needs(1) else None
    return None, chosen, where(condition, 0.0, grad) if node.needs(2) else None


@method("where")
def _method_where(self: Tensor, condition: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """As :func:`lamina.where` with this tensor where ``condition`` holds."""
    return where(condition, self, other, out=out)


@method()
def masked_fill(input: Tensor, mask: Tensor, value: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input`` with ``value`` where ``mask`` holds, in the dtype of ``input``.

    Args:
        input: a tensor of any shape.
        mask: a bool tensor whose shape broadcasts with ``input``'s.
        value: a number or a tensor of one element.
        out: where to write the result.

    Raises:
        TypeError: if the mask is not of dtype bool.
        ValueError: if ``value`` has more than one element.

    Example:
        >>> lamina.ones(2).masked_fill(lamina.tensor([True, False]), -1.0)
        tensor([-1.,  1.])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("masked_fill", input)
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise ValueError(
                f"[masked_fill] expected a number or a 0-d tensor, got shape {tuple(value.shape)}"
            )
    elif isinstance(value, float) and not input.dtype.is_floating_point:
        raise TypeError(f"[masked_fill] value {value} can't be written to {input.dtype}")
    y = where(mask, value, input, out=out)
    return y if y._array.dtype == input._array.dtype else y.to(input.dtype)


inplace(masked_fill)


@method()
def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two, NaN if either is; at ties the gradient goes half to each.

    Example:
        >>> lamina.maximum(lamina.tensor([1, 5]), lamina.tensor([3, 2]))
        tensor([3, 5])
    """
    return _extremum("maximum", _maximum_backward, input, other, out)


@method()
def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two, NaN if either is; at ties the gradient goes half to each.

    Example:
        >>> lamina.minimum(lamina.tensor([1, 5]), lamina.tensor([3, 2]))
        tensor([1, 2])
    """
    return _extremum("minimum", _minimum_backward, input, other, out)


@method()
def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two, or the one that is not NaN.

    Example:
        >>> lamina.fmax(lamina.tensor([1.0, float("nan")]), lamina.tensor([0.0, 2.0]))
        tensor([1., 2.])
    """
    return _extremum("fmax", _fmax_backward, input, other, out)


@method()
def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two, or the one that is not NaN.

    Example:
        >>> lamina.fmin(lamina.tensor([1.0, float("nan")]), lamina.tensor([0.0, 2.0]))
        tensor([0., 2.])
    """
    return _extremum("fmin", _fmin_backward, input, other, out)


def _extremum(name: str, rule: Any, input: Tensor, other: Tensor, out: Tensor | None) -> Tensor:
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        refuse_numbers(name, input, other)
    if out is not None:
        return write(getattr(_C, f"{name}_out"), name, out, input, other)
    y = compute(getattr(_C, name), name, input, other)
    if tracks(input, other):
        record(y, rule, (tensor_or_none(input), tensor_or_none(other)), (input, other))
    return y


def _split_ties(node: Node, grad: Tensor, first: Tensor, tied: Tensor) -> tuple[Tensor, Tensor]:
    half = where(tied, mul(grad, 0.5), 0.0)
    return where(first, grad, half), where(first | tied, half, grad)


def _maximum_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.saved
    return _split_ties(node, grad, a > b, a == b)


def _minimum_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.saved
    return _split_ties(node, grad, a < b, a == b)


def _fmax_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.saved
    first = (a >= b) | (b != b)
    return where(first, grad, 0.0), where(first, 0.0, grad)


def _fmin_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.saved
    first = (a <= b) | (b != b)
    return where(first, grad, 0.0), where(first, 0.0, grad)


@method("clamp", "clip")
def clamp(
    input: Tensor, min: Operand | None = None, max: Operand | None = None, *, out: Tensor | None = None
) -> Tensor:
    """``input``, but not below ``min`` nor above ``max``; ``max`` wins where ``min`` exceeds it.

    Args:
        input: a tensor of any shape.
        min: a number or a tensor that broadcasts, or None for no lower bound.
        max: a number or a tensor that broadcasts, or None for no upper bound.
        out: where to write the result.

    Raises:
        ValueError: if both bounds are None.

    Example:
        >>> lamina.clamp(lamina.tensor([-2.0, 0.5, 3.0]), min=-1, max=1)
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("clamp", input)
    if min is None and max is None:
        raise ValueError("[clamp] expected at least one of min and max")
    if isinstance(min, Tensor) or isinstance(max, Tensor) or not input.dtype.is_floating_point:
        return _clamp_between(input, min, max, out)
    low = -INFINITY if min is None else float(min)
    high = INFINITY if max is None else float(max)
    if out is not None:
        return write(_C.clamp_out, "clamp", out, input, low, high, 0.0)
    y = Tensor(_C.clamp(input._array, low, high, 0.0))
    if tracks(input):
        record(y, _clamp_backward, (input,), (input, low, high))
    return y


INFINITY = float("inf")


def _clamp_backward(node: Node, grad: Tensor) -> Tensor:
    x, low, high = node.saved
    if mode.enabled:
        return where((x >= low) & (x <= high), grad, 0.0)
    return Tensor(_C.clamp_backward(grad._array, x._array, low, high))


def _clamp_between(x: Tensor, min: Operand | None, max: Operand | None, out: Tensor | None) -> Tensor:
    """With tensors for bounds, or of integers."""
    if max is None or min is None:
        name, bound = ("maximum", min) if max is None else ("minimum", max)
        if out is not None:
            return write(getattr(_C, f"{name}_out"), "clamp", out, x, bound)
        y = compute(getattr(_C, name), "clamp", x, bound)
    else:
        if out is not None:
            return write(_C.clamp_between_out, "clamp", out, x, min, max, 0.0)
        y = compute(_C.clamp_between, "clamp", x, min, max, 0.0)
    if tracks(x, min, max):
        inputs = (x, tensor_or_none(min), tensor_or_none(max))
        record(y, _clamp_between_backward, inputs, (x, min, max))
    return y


def _clamp_between_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    x, low, high = node.saved
    below: Any = x < low if low is not None else None
    above: Any = x > high if high is not None else None
    if low is not None and high is not None:
        crossed = low > high if isinstance(low, Tensor) else high < low
        inside = (x >= low) & (x <= high)
        low_wins = below & ~crossed if isinstance(crossed, Tensor) or not crossed else below & False
        high_wins = above | crossed
    else:
        inside = x >= low if low is not None else x <= high
        low_wins, high_wins = below, above
    return (
        where(inside, grad, 0.0) if node.needs(0) else None,
        where(low_wins, grad, 0.0) if node.needs(1) else None,
        where(high_wins, grad, 0.0) if node.needs(2) else None,
    )


@method()
def clamp_min(input: Tensor, min: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input``, but not below ``min``."""
    return clamp(input, min=min, out=out)


@method()
def clamp_max(input: Tensor, max: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input``, but not above ``max``."""
    return clamp(input, max=max, out=out)


clip = clamp
inplace(clamp, "clip_")
inplace(clamp_min)
inplace(clamp_max)


@method()
def lerp(input: Tensor, end: Tensor, weight: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input + weight * (end - input)``.

    Args:
        input: the start, a floating tensor.
        end: the end.
        weight: a number, or a tensor; all three shapes broadcast.
        out: where to write the result.

    Example:
        >>> lamina.lerp(lamina.tensor([0.0, 1.0]), lamina.tensor([10.0, 2.0]), 0.5)
        tensor([5.0000, 1.5000])
    """
    if out is not None:
        return write(_C.lerp_out, "lerp", out, input, end, weight, 0.0)
    y = compute(_C.lerp, "lerp", input, end, weight, 0.0)
    if tracks(input, end, weight):
        saved = (weight, input if tracks(weight) else None, end if tracks(weight) else None)
        record(y, _lerp_backward, (tensor_or_none(input), tensor_or_none(end), tensor_or_none(weight)), saved)
    return y


def _lerp_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    weight, start, end = node.saved
    return (
        mul(grad, 1 - weight) if node.needs(0) else None,
        mul(grad, weight) if node.needs(1) else None,
        mul(grad, end - start) if node.needs(2) else None,
    )


@method()
def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 * tensor2``, with broadcasting.

    Example:
        >>> lamina.addcmul(lamina.ones(2), lamina.tensor([1.0, 2.0]), lamina.tensor([3.0, 4.0]), value=10)
        tensor([31., 81.])
    """
    if not (isinstance(input, Tensor) and isinstance(tensor1, Tensor) and isinstance(tensor2, Tensor)):
        expect_tensors("addcmul", input=input, tensor1=tensor1, tensor2=tensor2)
    if casting.on:
        return in_autocast(addcmul, input, tensor1, tensor2, value=value, out=out)
    if out is not None:
        return write(_C.addcmul_out, "addcmul", out, input, tensor1, tensor2, value)
    y = compute(_C.addcmul, "addcmul", input, tensor1, tensor2, value)
    if tracks(input, tensor1, tensor2):
        record(y, _addcmul_backward, (input, tensor1, tensor2), (tensor1, tensor2, value))
    return y


def _addcmul_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    a, b, value = node.saved
    scaled = mul(grad, value) if node.needs(1) or node.needs(2) else grad
    return grad, mul(scaled, b) if node.needs(1) else None, mul(scaled, a) if node.needs(2) else None


@method()
def addcdiv(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1, out: Tensor | None = None
) -> Tensor:
    """``input + value * tensor1 / tensor2``, with broadcasting.

    Example:
        >>> lamina.addcdiv(lamina.ones(2), lamina.tensor([1.0, 2.0]), lamina.tensor([4.0, 4.0]), value=2)
        tensor([1.5000, 2.0000])
    """
    if not (isinstance(input, Tensor) and isinstance(tensor1, Tensor) and isinstance(tensor2, Tensor)):
        expect_tensors("addcdiv", input=input, tensor1=tensor1, tensor2=tensor2)
    if casting.on:
        return in_autocast(addcdiv, input, tensor1, tensor2, value=value, out=out)
    if out is not None:
        return write(_C.addcdiv_out, "addcdiv", out, input, tensor1, tensor2, value)
    y = compute(_C.addcdiv, "addcdiv", input, tensor1, tensor2, value)
    if tracks(input, tensor1, tensor2):
        record(y, _addcdiv_backward, (input, tensor1, tensor2), (tensor1, tensor2, value))
    return y


def _addcdiv_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    a, b, value = node.saved
    scaled = div(mul(grad, value), b) if node.needs(1) or node.needs(2) else grad
    return grad, scaled if node.needs(1) else None, neg(mul(scaled, div(a, b))) if node.needs(2) else None


inplace(lerp)
inplace(addcmul)
inplace(addcdiv)
