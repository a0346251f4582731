"""Elementwise arithmetic with broadcasting and type promotion, and the copies that change dtype or memory order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.tensor import Tensor, method

if TYPE_CHECKING:
    from lamina.autograd.graph import Rule

__all__ = ["add", "div", "divide", "mul", "multiply", "sub", "subtract", "true_divide"]

Number = bool | int | float
Operand = Tensor | Number


def raw(x: Any, op: str) -> Any:
    """What the compiled module takes for an operand: an array or a Python number."""
    if isinstance(x, Tensor):
        return x._array
    if isinstance(x, (bool, int, float)):
        return x
    if hasattr(x, "__array__"):  # NumPy's arrays and scalars
        import numpy as np

        return _C.from_numpy(np.asarray(x))
    raise TypeError(f"[{op}] expected a tensor or a number, got {type(x).__name__}")


def deliver(result: Tensor, out: Tensor | None) -> Tensor:
    """Writes ``result`` into ``out`` where one is given; torch's ``out=``."""
    if out is None:
        return result
    if tracks(result, out):
        raise RuntimeError("[out=] can't be recorded for backward; use no_grad() or assign the result")
    _C.copy_to(out._array, result._array)
    return out


def inplace(name: str, kernel_out: Callable[..., None], function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method ``x.name_(other)``: straight into x's memory, or through the recorded op where a graph needs it."""

    def apply(self: Tensor, other: Operand) -> Tensor:
        if self._check_inplace(name, other):
            return self._become(function(self, other))
        kernel_out(self._array, raw(other, name), self._array)
        return self

    apply.__name__ = name
    apply.__doc__ = f"As :func:`lamina.{name.strip('_')}`, in place."
    return method(name)(apply)


@method("add", "__add__", "__radd__")
def add(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``.

    Args:
        input: a tensor of any shape, or a number.
        other: a tensor whose shape broadcasts with ``input``'s, or a number.
        alpha: a factor of ``other``.
        out: where to write the result.

    Example:
        >>> lamina.add(lamina.tensor([1.0, 2.0]), 3)
        tensor([4., 5.])
    """
    if alpha != 1:
        other = mul(other, alpha)
    y = Tensor(_C.add(raw(input, "add"), raw(other, "add")))
    if tracks(input, other):
        record(y, _add_backward, (_tensor(input), _tensor(other)))
    return y if out is None else deliver(y, out)


def _add_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    return grad, grad


@method("sub", "subtract", "__sub__")
def sub(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """``input - alpha * other``; arguments as :func:`lamina.add`."""
    if alpha != 1:
        other = mul(other, alpha)
    y = Tensor(_C.sub(raw(input, "sub"), raw(other, "sub")))
    if tracks(input, other):
        record(y, _sub_backward, (_tensor(input), _tensor(other)))
    return y if out is None else deliver(y, out)


def _sub_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None]:
    return grad, grad * -1 if node.needs(1) else None


@method("mul", "multiply", "__mul__", "__rmul__")
def mul(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input * other``, with broadcasting.

    Example:
        >>> lamina.mul(lamina.tensor([1.0, 2.0]), lamina.tensor([3.0, 4.0]))
        tensor([3., 8.])
    """
    y = Tensor(_C.mul(raw(input, "mul"), raw(other, "mul")))
    if tracks(input, other):
        # Each side is saved only for the other's gradient, so that x.mul_(constant) may overwrite x.
        saved = (input if tracks(other) else None, other if tracks(input) else None)
        record(y, _mul_backward, (_tensor(input), _tensor(other)), saved)
    return y if out is None else deliver(y, out)


def _mul_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b = node.saved
    return grad * b if node.needs(0) else None, grad * a if node.needs(1) else None


@method("div", "divide", "true_divide", "__truediv__")
def div(
    input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """``input / other``; integers give the default floating dtype."""
    y = Tensor(_C.div(raw(input, "div"), raw(other, "div")))
    if tracks(input, other):
        saved = (input if tracks(other) else None, other)
        record(y, _div_backward, (_tensor(input), _tensor(other)), saved)
    return y if out is None else deliver(y, out)


def _div_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b = node.saved
    scaled = grad / b
    return scaled if node.needs(0) else None, scaled * (a / b) * -1 if node.needs(1) else None


subtract, multiply, divide, true_divide = sub, mul, div, div

inplace("add_", _C.add_out, add)
inplace("sub_", _C.sub_out, sub)
inplace("mul_", _C.mul_out, mul)
inplace("div_", _C.div_out, div)
for _name in ("add", "sub", "mul"):
    setattr(Tensor, f"__i{_name}__", getattr(Tensor, f"{_name}_"))
Tensor.__itruediv__ = Tensor.div_


@method("__rsub__")
def _reverse_sub(self: Tensor, other: Number) -> Tensor:
    return sub(other, self)


@method("__rtruediv__")
def _reverse_div(self: Tensor, other: Number) -> Tensor:
    return div(other, self)


def _tensor(x: Operand) -> Tensor | None:
    return x if isinstance(x, Tensor) else None
