"""Sums and products in the domain of logarithms: logaddexp, logit, xlogy; and signs, roots and angles beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.elementwise import (
    Operand,
    compute,
    div,
    expect_tensors,
    mul,
    refuse_numbers_alone,
    tensor_or_none,
)
from lamina.ops.select import clamp, where
from lamina.ops.unary import cos, log, sigmoid, sin
from lamina.tensor import Tensor, method

__all__ = [
    "copysign", "deg2rad", "heaviside", "hypot", "logaddexp", "logaddexp2", "logit", "rad2deg", "sgn", "signbit",
    "sinc", "xlogy",
]  # fmt: skip

LN2 = math.log(2)


def _two_floats(op: str, input: Tensor, other: Tensor) -> None:
    expect_tensors(op, input=input, other=other)
    if not (input.dtype.is_floating_point and other.dtype.is_floating_point):
        raise TypeError(f"[{op}] expected floating dtypes, got {input.dtype} and {other.dtype}")


@method()
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """``log(exp(input) + exp(other))`` without overflow.

    Args:
        input: a floating tensor.
        other: a floating tensor whose shape broadcasts with ``input``'s.

    Raises:
        TypeError: for integers.

    Example:
        >>> lamina.logaddexp(lamina.tensor([0.0, 1000.0]), lamina.tensor([0.0, 1000.0]))
        tensor([6.9315e-01, 1.0007e+03])
    """
    _two_floats("logaddexp", input, other)
    y = compute(_C.logaddexp, "logaddexp", input, other)
    if tracks(input, other):
        record(y, _logaddexp_backward, (input, other), (input, other))
    return y


def _logaddexp_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.saved
    return mul(grad, sigmoid(a - b)), mul(grad, sigmoid(b - a))


@method()
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """``log2(2 ** input + 2 ** other)`` without overflow; arguments as :func:`lamina.logaddexp`.

    Example:
        >>> lamina.logaddexp2(lamina.tensor([3.0]), lamina.tensor([3.0]))
        tensor([4.])
    """
    _two_floats("logaddexp2", input, other)
    y = compute(_C.logaddexp2, "logaddexp2", input, other)
    if tracks(input, other):
        record(y, _logaddexp2_backward, (input, other), (input, other))
    return y


def _logaddexp2_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b = node.saved
    apart = mul(a - b, LN2)
    return mul(grad, sigmoid(apart)), mul(grad, sigmoid(-apart))


def _floating(op: str, x: Tensor) -> Tensor:
    """The tensor, integers in the default floating dtype."""
    expect_tensors(op, input=x)
    return x if x.dtype.is_floating_point else x.float()


@method()
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(p / (1 - p))``, the inverse of the sigmoid.

    Args:
        input: probabilities.
        eps: what they are kept away from 0 and 1 by; None gives infinities there, and NaN beyond.

    Example:
        >>> lamina.logit(lamina.tensor([0.5, 0.75]))
        tensor([0.0000, 1.0986])
    """
    x = _floating("logit", input)
    inside = x.detach() if eps is None else clamp(x.detach(), eps, 1 - eps)
    y = log(div(inside, 1 - inside))
    if tracks(x):
        record(y, _logit_backward, (x,), (x, eps))
    return y


def _logit_backward(node: Node, grad: Tensor) -> Tensor:
    x, eps = node.saved
    low, high = (0.0, 1.0) if eps is None else (eps, 1 - eps)
    slope = div(grad, mul(x, 1 - x))
    return where((x >= low) & (x <= high), slope, math.nan if eps is None else 0.0)


@method()
def xlogy(input: Operand, other: Operand) -> Tensor:
    """``input * log(other)``, 0 where ``input`` is 0 unless ``other`` is NaN.

    Args:
        input: a tensor or a number.
        other: a tensor or a number, not both numbers.

    Example:
        >>> lamina.xlogy(lamina.tensor([0.0, 2.0]), lamina.tensor([0.0, 1.0]))
        tensor([0., 0.])
    """
    refuse_numbers_alone("xlogy", input, other)
    y = compute(_C.xlogy, "xlogy", input, other)
    if tracks(input, other):
        record(y, _xlogy_backward, (tensor_or_none(input), tensor_or_none(other)), (input, other))
    return y


def _xlogy_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    x, z = node.saved
    to_input = None
    if node.needs(0):
        to_input = where((x == 0) & (z <= 0), 0.0, xlogy(grad, z))
    return to_input, mul(grad, div(x, z)) if node.needs(1) else None


@method()
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """``sqrt(input ** 2 + other ** 2)`` without overflow.

    Args:
        input: a floating tensor.
        other: a floating tensor whose shape broadcasts with ``input``'s.

    Example:
        >>> lamina.hypot(lamina.tensor([3.0]), lamina.tensor([4.0]))
        tensor([5.])
    """
    _two_floats("hypot", input, other)
    y = compute(_C.hypot, "hypot", input, other)
    if tracks(input, other):
        record(y, _hypot_backward, (input, other), (input, other, y))
    return y


def _hypot_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    a, b, y = node.saved
    return mul(grad, div(a, y)), mul(grad, div(b, y))


@method()
def signbit(input: Tensor) -> Tensor:
    """Whether each element has a minus sign, -0.0 among them.

    Example:
        >>> lamina.signbit(lamina.tensor([-0.0, 0.0, -3.0]))
        tensor([ True, False,  True])
    """
    expect_tensors("signbit", input=input)
    x = input.detach()
    if not x.dtype.is_floating_point:
        return x < 0
    return compute(_C.copysign, "signbit", 1.0, x) < 0


@method()
def copysign(input: Tensor, other: Operand) -> Tensor:
    """The size of ``input`` with the sign of ``other``.

    Args:
        input: a tensor; integers give the default floating dtype.
        other: a tensor whose shape broadcasts with ``input``'s, or a number.

    Example:
        >>> lamina.copysign(lamina.tensor([1.0, -2.0]), -1)
        tensor([-1., -2.])
    """
    expect_tensors("copysign", input=input)
    y = compute(_C.copysign, "copysign", input, other)
    if tracks(input, other):
        record(y, _copysign_backward, (input, tensor_or_none(other)), (input, y))
    return y


def _copysign_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None]:
    x, y = node.saved
    slope = where(x == 0, 0.0, div(y.detach(), x.detach()))
    return mul(grad, slope), mul(grad, 0) if node.needs(1) else None


@method()
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below zero, 1 above, ``values`` at zero; it has no gradient.

    Args:
        input: a tensor.
        values: a tensor of the same dtype that broadcasts with it.

    Raises:
        TypeError: if the dtypes differ.

    Example:
        >>> lamina.heaviside(lamina.tensor([-1.0, 0.0, 2.0]), lamina.tensor(0.5))
        tensor([0.0000, 0.5000, 1.0000])
    """
    expect_tensors("heaviside", input=input, values=values)
    if input.dtype != values.dtype:
        raise TypeError(f"[heaviside] expected one dtype, got {input.dtype} and {values.dtype}")
    x = input.detach()
    return where(x == 0, values.detach(), (x > 0).to(x.dtype))


@method()
def sgn(input: Tensor) -> Tensor:
    """As :func:`lamina.sign`, of real numbers."""
    from lamina.ops.unary import sign

    return sign(input)


@method()
def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians.

    Example:
        >>> lamina.deg2rad(lamina.tensor([180.0]))
        tensor([3.1416])
    """
    return mul(_floating("deg2rad", input), math.pi / 180)


@method()
def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees.

    Example:
        >>> lamina.rad2deg(lamina.tensor([lamina.pi]))
        tensor([180.])
    """
    return mul(_floating("rad2deg", input), 180 / math.pi)


@method()
def sinc(input: Tensor) -> Tensor:
    """``sin(pi x) / (pi x)``, 1 at 0.

    Example:
        >>> lamina.sinc(lamina.tensor([0.0, 0.5]))
        tensor([1.0000, 0.6366])
    """
    x = _floating("sinc", input)
    angle = where(x.detach() == 0, 1.0, mul(x.detach(), math.pi))
    y = where(x.detach() == 0, 1.0, div(sin(angle), angle))
    if tracks(x):
        record(y, _sinc_backward, (x,), (x,))
    return y


def _sinc_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    angle = mul(x, math.pi)
    slope = div(mul(cos(angle), angle) - sin(angle), mul(angle, x))
    return where(x == 0, 0.0, mul(grad, slope))


def _in_place(function: Callable[..., Tensor]) -> None:
    """Attaches the method ``x.name_(...)``: the result's values written over x, in its dtype."""
    name = f"{function.__name__}_"

    def apply(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        recorded = self._check_inplace(name, *args)
        result = function(self, *args, **kwargs)
        if result.dtype.is_floating_point and not self.dtype.is_floating_point:
            raise TypeError(f"[{name}] expected a floating dtype, got {self.dtype}")
        return self._become(result) if recorded else self.copy_(result)

    apply.__name__, apply.__doc__ = name, f"As :func:`lamina.{function.__name__}`, in place."
    method(name)(apply)


for _function in (copysign, deg2rad, heaviside, hypot, logit, rad2deg, sgn, sinc, xlogy):
    _in_place(_function)
