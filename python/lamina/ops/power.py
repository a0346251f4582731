"""Powers, integer division and its rest, and atan2."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import ones_like
from lamina.ops.elementwise import (
    Number,
    Operand,
    check_out,
    compute,
    div,
    inplace,
    mul,
    neg,
    refuse_numbers,
    refuse_numbers_alone,
    tensor_or_none,
    write,
)
from lamina.ops.select import where
from lamina.ops.unary import log, reciprocal, rsqrt, sqrt, square
from lamina.tensor import Tensor, method

__all__ = ["arctan2", "atan2", "float_power", "floor_divide", "fmod", "pow", "remainder"]


@method("pow", "__pow__")
def pow(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input ** exponent``.

    Args:
        input: a tensor of any shape, or a number.
        exponent: a tensor whose shape broadcasts with ``input``'s, or a number.
        out: where to write the result.

    Raises:
        RuntimeError: for an integer tensor to a negative integer power.

    Example:
        >>> lamina.tensor([1.0, 2.0, 3.0]) ** 2
        tensor([1., 4., 9.])
    """
    if casting.on:
        return in_autocast(pow, input, exponent, out=out)
    if isinstance(exponent, (bool, int, float)) and isinstance(input, Tensor):
        return _power(input, exponent, out)
    refuse_numbers_alone("pow", input, exponent)
    if out is not None:
        return write(_C.pow_out, "pow", out, input, exponent)
    y = compute(_C.pow, "pow", input, exponent)
    if tracks(input, exponent):
        saved = (input, exponent, y if tracks(exponent) else None)
        record(y, _pow_backward, (tensor_or_none(input), tensor_or_none(exponent)), saved)
    return y


_QUICK = {2: square, 0.5: sqrt, -1: reciprocal, -0.5: rsqrt}


def _power(x: Tensor, exponent: Number, out: Tensor | None) -> Tensor:
    """To a power that is the same for all elements."""
    floating = x.dtype.is_floating_point
    if isinstance(exponent, int) and exponent < 0 and not floating:
        raise RuntimeError(f"[pow] integers to a negative integer power, {exponent}, are no integers")
    quick = _QUICK.get(exponent)
    if quick is not None and (
        floating or (exponent == 2 and isinstance(exponent, int) and x._array.dtype != 0)
    ):
        return quick(x, out=out)
    if floating or isinstance(exponent, float):
        if out is not None:
            check_out("pow", out, x)
            _C.power_out(x._array, exponent, out._array)
            return out
        y = Tensor(_C.power(x._array, exponent))
    elif out is not None:
        return write(_C.pow_out, "pow", out, x, exponent)
    else:
        y = Tensor(_C.pow(x._array, exponent))
    if tracks(x):
        record(y, _power_backward, (x,), (x, exponent))
    return y


def _power_backward(node: Node, grad: Tensor) -> Tensor:
    x, exponent = node.saved
    return mul(grad, 0) if exponent == 0 else mul(grad, mul(pow(x, exponent - 1), exponent))


def _pow_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    x, exponent, y = node.saved
    base_grad = exponent_grad = None
    if node.needs(0):
        slope = mul(pow(x, exponent - 1), exponent)
        base_grad = where(exponent == 0, 0.0, mul(grad, slope))
    if node.needs(1):
        base = x if isinstance(x, Tensor) else ones_like(exponent) * x
        flat = (base == 0) & (exponent >= 0)  # 0 ** exponent is 0 all around
        exponent_grad = where(flat, 0.0, mul(grad, mul(y, log(base))))
    return base_grad, exponent_grad


@method("__rpow__")
def _reverse_pow(self: Tensor, other: Number) -> Tensor:
    return pow(other, self)


@method()
def float_power(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input ** exponent`` in float64."""
    from lamina.dtypes import float64

    refuse_numbers_alone("float_power", input, exponent)

    def wide(x: Operand) -> Operand:
        return x.to(float64) if isinstance(x, Tensor) else float(x)

    return pow(wide(input), wide(exponent), out=out)


@method("floor_divide", "__floordiv__")
def floor_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input / other`` rounded down.

    Raises:
        RuntimeError: if integers are divided by zero.

    Example:
        >>> lamina.tensor([7, -7]) // 2
        tensor([ 3, -4])
    """
    return div(input, other, rounding_mode="floor", out=out)


@method("remainder", "__mod__")
def remainder(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """What ``input // other`` leaves: of the divisor's sign, as Python's ``%``.

    Raises:
        RuntimeError: if integers are divided by zero.

    Example:
        >>> lamina.tensor([7, -7]) % 3
        tensor([1, 2])
    """
    refuse_numbers_alone("remainder", input, other)
    if out is not None:
        return write(_C.remainder_out, "remainder", out, input, other)
    y = compute(_C.remainder, "remainder", input, other)
    if tracks(input, other):
        record(y, _remainder_backward, (tensor_or_none(input), tensor_or_none(other)), (input, other))
    return y


def _remainder_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None]:
    a, b = node.saved
    return grad, neg(mul(grad, div(a, b, rounding_mode="floor"))) if node.needs(1) else None


@method()
def fmod(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The rest of division that rounds towards zero: of the dividend's sign, as C's ``fmod``.

    Raises:
        RuntimeError: if integers are divided by zero.

    Example:
        >>> lamina.fmod(lamina.tensor([7, -7]), 3)
        tensor([ 1, -1])
    """
    refuse_numbers("fmod", input)
    if out is not None:
        return write(_C.fmod_out, "fmod", out, input, other)
    y = compute(_C.fmod, "fmod", input, other)
    if tracks(input, other):
        record(y, _fmod_backward, (tensor_or_none(input), tensor_or_none(other)), (input, other))
    return y


def _fmod_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None]:
    a, b = node.saved
    return grad, neg(mul(grad, div(a, b, rounding_mode="trunc"))) if node.needs(1) else None


@method("atan2", "arctan2")
def atan2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of the point (``other``, ``input``) from the first axis, in radians from -pi to pi.

    Example:
        >>> lamina.atan2(lamina.tensor([1.0, -1.0]), lamina.tensor([1.0, -1.0]))
        tensor([ 0.7854, -2.3562])
    """
    if casting.on:
        return in_autocast(atan2, input, other, out=out)
    refuse_numbers("atan2", input, other)
    if out is not None:
        return write(_C.atan2_out, "atan2", out, input, other)
    y = compute(_C.atan2, "atan2", input, other)
    if tracks(input, other):
        record(y, _atan2_backward, (tensor_or_none(input), tensor_or_none(other)), (input, other))
    return y


def _atan2_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b = node.saved
    scaled = div(grad, mul(a, a) + mul(b, b))
    return mul(scaled, b) if node.needs(0) else None, neg(mul(scaled, a)) if node.needs(1) else None


arctan2 = atan2
inplace(pow, "__ipow__")
inplace(float_power)
inplace(floor_divide, "__ifloordiv__")
inplace(remainder, "__imod__")
inplace(fmod)
inplace(atan2, "arctan2_")


@method("__rfloordiv__")
def _reverse_floor_divide(self: Tensor, other: Number) -> Tensor:
    return floor_divide(other, self)


@method("__rmod__")
def _reverse_remainder(self: Tensor, other: Number) -> Tensor:
    return remainder(other, self)


@method("__divmod__")
def _divmod(self: Tensor, other: Operand) -> tuple[Tensor, Tensor]:
    return floor_divide(self, other), remainder(self, other)
