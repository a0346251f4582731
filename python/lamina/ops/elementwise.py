"""Elementwise arithmetic with broadcasting and type promotion, and what the files of elementwise ops share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.dtypes import bool as bool_
from lamina.tensor import Tensor, method

if TYPE_CHECKING:
    from lamina.autograd.graph import Rule

__all__ = [
    "add",
    "div",
    "divide",
    "mul",
    "multiply",
    "neg",
    "negative",
    "rsub",
    "sub",
    "subtract",
    "true_divide",
]

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


def compute(kernel: Callable[..., _C.Array], op: str, *operands: Any) -> Tensor:
    """The result of a kernel that takes arrays and numbers."""
    return Tensor(kernel(*[x._array if isinstance(x, Tensor) else raw(x, op) for x in operands]))


def write(kernel_out: Callable[..., None], op: str, out: Tensor, *operands: Any) -> Tensor:
    """As :func:`compute`, into ``out``."""
    check_out(op, out, *operands)
    kernel_out(*[raw(x, op) for x in operands], out._array)
    return out


def check_out(op: str, out: Any, *operands: Any) -> None:
    """Raises unless a result may be written to ``out``."""
    if not isinstance(out, Tensor):
        raise TypeError(f"[{op}] expected a tensor for out, got {type(out).__name__}")
    if tracks(out, *operands):
        raise RuntimeError(f"[{op}] out= can't be recorded for backward; use no_grad() or assign the result")


def deliver(result: Tensor, out: Tensor | None) -> Tensor:
    """Writes ``result`` into ``out`` where one is given, for functions that have no kernel to do so."""
    if out is None:
        return result
    check_out("out=", out, result)
    _C.copy_to(out._array, result._array)
    return out


def tensor_or_none(x: Any) -> Tensor | None:
    return x if isinstance(x, Tensor) else None


def not_a_tensor(op: str, x: Any) -> NoReturn:
    raise TypeError(f"[{op}] expected a tensor, got {type(x).__name__}")


def expect_tensors(op: str, **arguments: Any) -> None:
    """Raises for the first argument that is no tensor; callers look first whether there is one, for speed."""
    for name, x in arguments.items():
        if not isinstance(x, Tensor):
            raise TypeError(f"[{op}] expected a tensor for {name}, got {type(x).__name__}")


def refuse_numbers(op: str, *operands: Any) -> None:
    """Raises for Python numbers where torch takes tensors alone."""
    for x in operands:
        if isinstance(x, (bool, int, float)):
            not_a_tensor(op, x)


def refuse_numbers_alone(op: str, a: Any, b: Any) -> None:
    """Raises where neither operand is a tensor: no dtype but Python's would decide."""
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        refuse_numbers(op, a, b)


def inplace(function: Callable[..., Tensor], *names: str) -> Callable[..., Tensor]:
    """Makes the method ``x.name_(...)``: with ``out=x``, or through the graph where it is recorded."""
    name = f"{function.__name__}_"

    def apply(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self._check_inplace(name, *args):
            return self._become(function(self, *args, **kwargs))
        return function(self, *args, out=self, **kwargs)

    return _attach(apply, function, names)


def inplace_kernel(
    function: Callable[..., Tensor],
    kernel_out: Callable[..., None],
    rule: Rule,
    saves_output: bool,
    *names: str,
) -> Callable[..., Tensor]:
    """As :func:`inplace`, for a rule that does not need the values that go: recorded without a copy."""
    name = f"{function.__name__}_"

    def apply(self: Tensor, *others: Any, **kwargs: Any) -> Tensor:
        if not self._check_inplace(name, *others):
            return function(self, *others, out=self, **kwargs)
        if kwargs:
            return self._become(function(self, *others, **kwargs))
        operands = [raw(x, name) for x in (self, *others)]
        inputs = tuple([tensor_or_none(x) for x in others])
        return overwrite(self, lambda array: kernel_out(*operands, array), rule, inputs, saves_output)

    return _attach(apply, function, names)


def _attach(apply: Any, function: Callable[..., Tensor], names: tuple[str, ...]) -> Callable[..., Tensor]:
    apply.__name__ = f"{function.__name__}_"
    apply.__doc__ = f"As :func:`lamina.{function.__name__}`, in place."
    attached: Callable[..., Tensor] = method(apply.__name__, *names)(apply)
    return attached


def overwrite(
    x: Tensor,
    write_to: Callable[[_C.Array], None],
    rule: Rule,
    others: tuple[Tensor | None, ...] = (),
    saves_output: bool = False,
    parameters: tuple[Any, ...] = (),
) -> Tensor:
    """Records a kernel that writes over x: no copy, where x alone shows its memory.

    Args:
        x: what is written over.
        write_to: runs the kernel into an array, reading x.
        rule: gets the output where ``saves_output``, and ``parameters``; its inputs are x as it was and ``others``.
    """
    alone = x._base is None and not x._views and x._keeper is None
    y = x if alone else Tensor(_C.empty_like(x._array, x._array.dtype))
    before = Tensor(x._array)
    before._requires_grad, before._edge = x._requires_grad, x._edge
    write_to(y._array)
    record(y, rule, (before, *others), (y, *parameters) if saves_output else parameters)
    return x if alone else x._become(y)


@method("add", "__add__")
def add(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``.

    Args:
        input: a tensor of any shape, or a number.
        other: a tensor whose shape broadcasts with ``input``'s, or a number.
        alpha: a factor of ``other``.
        out: where to write the result.

    Raises:
        ValueError: if the shapes do not broadcast.

    Example:
        >>> lamina.add(lamina.tensor([1.0, 2.0]), 3)
        tensor([4., 5.])
    """
    if alpha != 1 or alpha is True:
        return _add_scaled(input, other, alpha, 1, out)
    if out is not None:
        return write(_C.add_out, "add", out, input, other)
    a = input._array if isinstance(input, Tensor) else raw(input, "add")
    b = other._array if isinstance(other, Tensor) else raw(other, "add")
    y = Tensor(_C.add(a, b))
    if tracks(input, other):
        record(y, _add_backward, (tensor_or_none(input), tensor_or_none(other)))
    return y


def _add_scaled(input: Operand, other: Operand, alpha: Number, sign: int, out: Tensor | None) -> Tensor:
    """``input + sign * alpha * other``: in one pass, but for integers."""
    op, kernel, kernel_out, plain = (
        ("add", _C.add_scaled, _C.add_scaled_out, add)
        if sign > 0
        else ("sub", _C.sub_scaled, _C.sub_scaled_out, sub)
    )
    bools = [x.dtype is bool_ if isinstance(x, Tensor) else isinstance(x, bool) for x in (input, other)]
    if sign < 0 and any(bools):
        return plain(input, other)  # which refuses them
    if isinstance(alpha, bool) and not all(bools):
        raise TypeError(f"[{op}] expected a number as alpha for numbers, got {alpha}")
    if not any(isinstance(x, Tensor) and x.dtype.is_floating_point for x in (input, other)):
        if isinstance(alpha, float) and not isinstance(input, float) and not isinstance(other, float):
            raise TypeError(f"[{op}] expected an integer alpha for integers, got {alpha}")
        if isinstance(input, Tensor) and isinstance(other, Tensor) and other.dtype is bool_:
            # A number would make integers of it whatever the input is.
            scaled = mul(other, alpha != 0) if input.dtype is bool_ else mul(other.to(input.dtype), alpha)
        else:
            scaled = mul(other, alpha)
        return plain(input, scaled, out=out)
    if out is not None:
        check_out(op, out, input, other)
        kernel_out(raw(input, op), raw(other, op), alpha, out._array)
        return out
    y = Tensor(kernel(raw(input, op), raw(other, op), alpha))
    if tracks(input, other):
        record(y, _add_scaled_backward, (tensor_or_none(input), tensor_or_none(other)), (sign * alpha,))
    return y


def _add_scaled_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None]:
    (factor,) = node.saved
    return grad, mul(grad, factor) if node.needs(1) else None


def _add_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    return grad, grad


@method("sub", "subtract", "__sub__")
def sub(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """``input - alpha * other``; arguments as :func:`lamina.add`.

    Example:
        >>> lamina.sub(lamina.tensor([1, 2]), 3)
        tensor([-2, -1])
    """
    if alpha != 1 or alpha is True:
        return _add_scaled(input, other, alpha, -1, out)
    if out is not None:
        return write(_C.sub_out, "sub", out, input, other)
    y = compute(_C.sub, "sub", input, other)
    if tracks(input, other):
        record(y, _sub_backward, (tensor_or_none(input), tensor_or_none(other)))
    return y


def _sub_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor | None]:
    return grad, neg(grad) if node.needs(1) else None


@method("mul", "multiply", "__mul__")
def mul(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """``input * other``; arguments as :func:`lamina.add`.

    Example:
        >>> lamina.mul(lamina.tensor([1.0, 2.0]), lamina.tensor([3.0, 4.0]))
        tensor([3., 8.])
    """
    if out is not None:
        return write(_C.mul_out, "mul", out, input, other)
    a = input._array if isinstance(input, Tensor) else raw(input, "mul")
    b = other._array if isinstance(other, Tensor) else raw(other, "mul")
    y = Tensor(_C.mul(a, b))
    if mode.enabled:
        left, right = getattr(input, "_requires_grad", False), getattr(other, "_requires_grad", False)
        if left or right:  # each side is saved only for the other's gradient
            inputs: Any = (input if left else None, other if right else None)
            Node(_mul_backward, inputs, (y,), (input if right else None, other if left else None))
    return y


def _mul_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    left, right = node.edges
    if mode.enabled:
        a, b = node.saved
        return mul(grad, b) if left is not None else None, mul(grad, a) if right is not None else None
    a, b = node.arrays
    g = grad._array
    return (
        Tensor(_C.mul(g, b)) if left is not None else None,
        Tensor(_C.mul(g, a)) if right is not None else None,
    )


@method("div", "divide", "true_divide", "__truediv__")
def div(
    input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """``input / other``; integers give the default floating dtype.

    Args:
        input: a tensor of any shape, or a number.
        other: a tensor whose shape broadcasts with ``input``'s, or a number.
        rounding_mode: ``"trunc"`` rounds towards zero and ``"floor"`` down, in the dtype of the operands.
        out: where to write the result.

    Raises:
        ValueError: if the shapes do not broadcast, or for another rounding mode.
        RuntimeError: if integers are divided by zero with a rounding mode.

    Example:
        >>> lamina.div(lamina.tensor([7, -7]), 2, rounding_mode="floor")
        tensor([ 3, -4])
    """
    if rounding_mode is not None:
        return _rounded_div(input, other, rounding_mode, out)
    if out is not None:
        return write(_C.div_out, "div", out, input, other)
    y = compute(_C.div, "div", input, other)
    if tracks(input, other):
        saved = (input if tracks(other) else None, other)
        record(y, _div_backward, (tensor_or_none(input), tensor_or_none(other)), saved)
    return y


def _div_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    a, b = node.saved
    scaled = div(grad, b)
    return scaled if node.needs(0) else None, neg(mul(scaled, div(a, b))) if node.needs(1) else None


def _rounded_div(input: Operand, other: Operand, rounding_mode: str, out: Tensor | None) -> Tensor:
    if rounding_mode not in ("trunc", "floor"):
        raise ValueError(f"[div] expected a rounding_mode of None, 'trunc' or 'floor', got {rounding_mode!r}")
    name = "trunc_divide" if rounding_mode == "trunc" else "floor_divide"
    if out is not None:
        return write(getattr(_C, f"{name}_out"), "div", out, input, other)
    y = compute(getattr(_C, name), "div", input, other)
    if tracks(input, other):
        record(y, _rounded_div_backward, (tensor_or_none(input), tensor_or_none(other)))
    return y


def _rounded_div_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    def zeros(k: int) -> Tensor | None:
        return grad.new_zeros(grad.shape) if node.needs(k) else None

    return zeros(0), zeros(1)


@method("neg", "negative", "__neg__")
def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``-input``.

    Example:
        >>> lamina.neg(lamina.tensor([1, -2]))
        tensor([-1,  2])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("neg", input)
    if out is not None:
        return write(_C.neg_out, "neg", out, input)
    y = Tensor(_C.neg(input._array))
    if tracks(input):
        record(y, _neg_backward, (input,))
    return y


def _neg_backward(node: Node, grad: Tensor) -> Tensor:
    return neg(grad)


subtract, multiply, divide, true_divide, negative = sub, mul, div, div, neg

inplace_kernel(add, _C.add_out, _add_backward, False, "__iadd__")
inplace_kernel(sub, _C.sub_out, _sub_backward, False, "subtract_", "__isub__")
inplace(mul, "multiply_", "__imul__")
inplace(div, "divide_", "true_divide_", "__itruediv__")
inplace_kernel(neg, _C.neg_out, _neg_backward, False, "negative_")


@method("rsub", "__rsub__")
def rsub(input: Tensor, other: Operand, *, alpha: Number = 1) -> Tensor:
    """``other - alpha * input``."""
    refuse_numbers("rsub", input)
    return sub(other, input, alpha=alpha)


@method("__radd__")
def _reverse_add(self: Tensor, other: Operand) -> Tensor:
    refuse_numbers("__radd__", self)
    return add(self, other)


@method("__rmul__")
def _reverse_mul(self: Tensor, other: Operand) -> Tensor:
    refuse_numbers("__rmul__", self)
    return mul(self, other)


@method("__rtruediv__")
def _reverse_div(self: Tensor, other: Operand) -> Tensor:
    return div(other, self)
