"""Elementwise functions of one tensor: exponentials, logarithms, trigonometry, rounding."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast, is_listed
from lamina.ops.creation import zeros_like
from lamina.ops.elementwise import div, inplace, inplace_kernel, mul, neg, not_a_tensor, write
from lamina.tensor import Tensor, method

if TYPE_CHECKING:
    from lamina.autograd.graph import Rule

__all__ = [
    "abs", "absolute", "acos", "arccos", "arcsin", "arctan", "asin", "atan", "ceil", "cos", "cosh", "erf", "erfc",
    "exp", "exp2", "expm1", "fix", "floor", "frac", "log", "log1p", "log2", "log10", "nan_to_num", "positive",
    "reciprocal", "relu", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc",
]  # fmt: skip

LN2, LN10 = math.log(2), math.log(10)

_absolute = builtins.abs


def unary(
    name: str,
    rule: Rule,
    says: str,
    example: tuple[str, str],
    *,
    saves: str = "input",
    aliases: tuple[str, ...] = (),
) -> Callable[..., Tensor]:
    """Makes a function of one tensor from the kernel of that name, its methods and its in-place method.

    Args:
        name: the function's, and the kernel's.
        rule: its backward rule; gets what ``saves`` says.
        says: the docstring's first sentence.
        example: the elements of an argument, and the result as printed.
        saves: ``"input"``, ``"output"`` or ``"nothing"``.
        aliases: other names of the methods.
    """
    kernel, kernel_out = getattr(_C, name), getattr(_C, f"{name}_out")
    saves_input, saves_output, casts = saves == "input", saves == "output", is_listed(name)

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        if casts and casting.on:
            return in_autocast(function, input, out=out)
        if not isinstance(input, Tensor):
            not_a_tensor(name, input)
        if out is not None:
            return write(kernel_out, name, out, input)
        y = Tensor(kernel(input._array))
        if tracks(input):
            record(y, rule, (input,), (input,) if saves_input else (y,) if saves_output else ())
        return y

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{says}

    Args:
        input: a tensor of any shape.
        out: where to write the result.

    Example:
        >>> lamina.{name}(lamina.tensor({example[0]}))
        {example[1]}
    """
    method(name, *aliases)(function)
    names = [f"{alias}_" for alias in aliases if not alias.startswith("__")]
    if saves_input:
        inplace(function, *names)
    else:
        inplace_kernel(function, kernel_out, rule, saves_output, *names)
    return function


def _zero(node: Node, grad: Tensor) -> Tensor:
    return zeros_like(grad)


def _abs_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, sign(x))


def _sign_backward(node: Node, grad: Tensor) -> Tensor:
    return _zero(node, grad)


abs = unary(
    "abs", _abs_backward, "The absolute value.", ("[-1.5, 2.0]", "tensor([1.5000, 2.0000])"),
    aliases=("absolute", "__abs__"),
)  # fmt: skip
sign = unary(
    "sign",
    _sign_backward,
    "-1, 0 or 1 by the sign.",
    ("[-3.0, 0.0, 2.0]", "tensor([-1.,  0.,  1.])"),
    saves="nothing",
)


def _exp_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    return mul(grad, y)


def _exp2_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    return mul(grad, mul(y, LN2))


def _expm1_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    return mul(grad, y + 1)


exp = unary(
    "exp", _exp_backward, "``e ** input``.", ("[0.0, 1.0]", "tensor([1.0000, 2.7183])"), saves="output"
)
exp2 = unary("exp2", _exp2_backward, "``2 ** input``.", ("[0.0, 3.0]", "tensor([1., 8.])"), saves="output")
expm1 = unary(
    "expm1", _expm1_backward, "``exp(input) - 1``, exact to the last digits near 0.",
    ("[0.0, 1e-10]", "tensor([0.0000e+00, 1.0000e-10])"), saves="output",
)  # fmt: skip


def _log_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return div(grad, x)


def _log2_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return div(grad, mul(x, LN2))


def _log10_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return div(grad, mul(x, LN10))


def _log1p_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return div(grad, x + 1)


log = unary("log", _log_backward, "The natural logarithm.", ("[1.0, 10.0]", "tensor([0.0000, 2.3026])"))
log2 = unary("log2", _log2_backward, "The logarithm to base 2.", ("[1.0, 8.0]", "tensor([0., 3.])"))
log10 = unary("log10", _log10_backward, "The logarithm to base 10.", ("[1.0, 100.0]", "tensor([0., 2.])"))
log1p = unary(
    "log1p", _log1p_backward, "``log(1 + input)``, exact to the last digits near 0.",
    ("[0.0, 1e-10]", "tensor([0.0000e+00, 1.0000e-10])"),
)  # fmt: skip


def _sqrt_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    return div(grad, mul(y, 2))


def _rsqrt_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    return mul(mul(grad, -0.5), mul(square(y), y))


def _square_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, mul(x, 2))


def _reciprocal_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    return neg(mul(grad, square(y)))


sqrt = unary("sqrt", _sqrt_backward, "The square root.", ("[4.0, 9.0]", "tensor([2., 3.])"), saves="output")
rsqrt = unary(
    "rsqrt",
    _rsqrt_backward,
    "``1 / sqrt(input)``.",
    ("[4.0, 1.0]", "tensor([0.5000, 1.0000])"),
    saves="output",
)
square = unary("square", _square_backward, "``input * input``.", ("[2.0, -3.0]", "tensor([4., 9.])"))
reciprocal = unary(
    "reciprocal",
    _reciprocal_backward,
    "``1 / input``.",
    ("[2.0, 4.0]", "tensor([0.5000, 0.2500])"),
    saves="output",
)


def _sin_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, cos(x))


def _cos_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return neg(mul(grad, sin(x)))


def _tan_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    return mul(grad, square(y) + 1)


def _asin_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, rsqrt(1 - square(x)))


def _acos_backward(node: Node, grad: Tensor) -> Tensor:
    return neg(_asin_backward(node, grad))


def _atan_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return div(grad, square(x) + 1)


def _sinh_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, cosh(x))


def _cosh_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, sinh(x))


def _tanh_backward(node: Node, grad: Tensor) -> Tensor:
    if mode.enabled:
        (y,) = node.saved
        return mul(grad, 1 - square(y))
    return Tensor(_C.tanh_backward(grad._array, node.arrays[0], 0, 0))


sin = unary(
    "sin", _sin_backward, "The sine of an angle in radians.", ("[0.0, 1.0]", "tensor([0.0000, 0.8415])")
)
cos = unary(
    "cos", _cos_backward, "The cosine of an angle in radians.", ("[0.0, 1.0]", "tensor([1.0000, 0.5403])")
)
tan = unary(
    "tan",
    _tan_backward,
    "The tangent of an angle in radians.",
    ("[0.0, 1.0]", "tensor([0.0000, 1.5574])"),
    saves="output",
)
asin = unary(
    "asin",
    _asin_backward,
    "The inverse sine.",
    ("[0.0, 1.0]", "tensor([0.0000, 1.5708])"),
    aliases=("arcsin",),
)
acos = unary(
    "acos",
    _acos_backward,
    "The inverse cosine.",
    ("[0.0, 1.0]", "tensor([1.5708, 0.0000])"),
    aliases=("arccos",),
)
atan = unary(
    "atan",
    _atan_backward,
    "The inverse tangent.",
    ("[0.0, 1.0]", "tensor([0.0000, 0.7854])"),
    aliases=("arctan",),
)
sinh = unary("sinh", _sinh_backward, "The hyperbolic sine.", ("[0.0, 1.0]", "tensor([0.0000, 1.1752])"))
cosh = unary("cosh", _cosh_backward, "The hyperbolic cosine.", ("[0.0, 1.0]", "tensor([1.0000, 1.5431])"))
tanh = unary(
    "tanh",
    _tanh_backward,
    "The hyperbolic tangent.",
    ("[0.0, 1.0]", "tensor([0.0000, 0.7616])"),
    saves="output",
)


def _sigmoid_backward(node: Node, grad: Tensor) -> Tensor:
    if mode.enabled:
        (y,) = node.saved
        return mul(grad, mul(y, 1 - y))
    return Tensor(_C.sigmoid_backward(grad._array, node.arrays[0], 0, 0))


def _relu_backward(node: Node, grad: Tensor) -> Tensor:
    if mode.enabled:
        (y,) = node.saved
        return mul(grad, ~(y <= 0))  # as the kernel, also where it is NaN
    return Tensor(_C.relu_backward(grad._array, node.arrays[0], 0, 0))


def _erf_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, mul(exp(neg(square(x))), 2 / math.sqrt(math.pi)))


def _erfc_backward(node: Node, grad: Tensor) -> Tensor:
    return neg(_erf_backward(node, grad))


sigmoid = unary(
    "sigmoid", _sigmoid_backward, "``1 / (1 + exp(-input))``.", ("[0.0, 1.0]", "tensor([0.5000, 0.7311])"),
    saves="output",
)  # fmt: skip
relu = unary(
    "relu", _relu_backward, "``max(input, 0)``.", ("[-1.0, 2.0]", "tensor([0., 2.])"), saves="output"
)
erf = unary(
    "erf", _erf_backward, "The error function ``2 / sqrt(pi) * integral of exp(-t ** 2) from 0 to input``.",
    ("[0.0, 1.0]", "tensor([0.0000, 0.8427])"),
)  # fmt: skip
erfc = unary("erfc", _erfc_backward, "``1 - erf(input)``.", ("[0.0, 1.0]", "tensor([1.0000, 0.1573])"))


def _floor_backward(node: Node, grad: Tensor) -> Tensor:
    return _zero(node, grad)


def _ceil_backward(node: Node, grad: Tensor) -> Tensor:
    return _zero(node, grad)


def _round_backward(node: Node, grad: Tensor) -> Tensor:
    return _zero(node, grad)


def _trunc_backward(node: Node, grad: Tensor) -> Tensor:
    return _zero(node, grad)


def _frac_backward(node: Node, grad: Tensor) -> Tensor:
    return grad


floor = unary(
    "floor", _floor_backward, "Rounds down.", ("[1.5, -1.5]", "tensor([ 1., -2.])"), saves="nothing"
)
ceil = unary("ceil", _ceil_backward, "Rounds up.", ("[1.5, -1.5]", "tensor([ 2., -1.])"), saves="nothing")
trunc = unary(
    "trunc", _trunc_backward, "Rounds towards zero.", ("[1.5, -1.5]", "tensor([ 1., -1.])"), saves="nothing",
    aliases=("fix",),
)  # fmt: skip
frac = unary(
    "frac",
    _frac_backward,
    "``input - trunc(input)``.",
    ("[1.5, -1.5]", "tensor([ 0.5000, -0.5000])"),
    saves="nothing",
)


@method()
def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """Rounds to the nearest integer, halves to the even one.

    Args:
        input: a tensor of any shape.
        decimals: digits after the point to keep; negative ones round to tens, hundreds and so on.
        out: where to write the result.

    Example:
        >>> lamina.round(lamina.tensor([0.5, 1.5, 2.25]))
        tensor([0., 2., 2.])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("round", input)
    kernel: Callable[..., Any] = _C.round
    kernel_out: Callable[..., None] = _C.round_out
    numbers: tuple[float, ...] = ()
    if decimals != 0:
        if not -308 <= decimals <= 308:
            raise ValueError(f"[round] expected decimals from -308 to 308, got {decimals}")
        kernel, kernel_out = _C.round_to, _C.round_to_out
        numbers = (10.0 ** _absolute(decimals), float(decimals < 0), 0.0)
    if out is not None:
        return write(kernel_out, "round", out, input, *numbers)
    y = Tensor(kernel(input._array, *numbers))
    if tracks(input):
        record(y, _round_backward, (input,))
    return y


@method()
def nan_to_num(
    input: Tensor,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Replaces NaN and infinities.

    Args:
        input: a tensor of any shape.
        nan: what NaN becomes.
        posinf: what infinity becomes; default: the largest number of the dtype.
        neginf: what minus infinity becomes; default: the smallest number of the dtype.
        out: where to write the result.

    Example:
        >>> lamina.nan_to_num(lamina.tensor([float("nan"), 1.0]))
        tensor([0., 1.])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("nan_to_num", input)
    largest = LARGEST.get(input.dtype.name, 0.0)
    numbers = (nan, largest if posinf is None else posinf, -largest if neginf is None else neginf)
    if out is not None:
        return write(_C.nan_to_num_out, "nan_to_num", out, input, *numbers)
    y = Tensor(_C.nan_to_num(input._array, *numbers))
    if tracks(input):
        record(y, _nan_to_num_backward, (input,), (input,))
    return y


def _nan_to_num_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, Tensor(_C.isfinite(x._array)))


LARGEST = {
    "float16": 65504.0,
    "bfloat16": (2 - 2**-7) * 2.0**127,
    "float32": (2 - 2**-23) * 2.0**127,
    "float64": (2 - 2**-52) * 2.0**1023,
}

inplace(round)
inplace(nan_to_num)
absolute, arcsin, arccos, arctan, fix = abs, asin, acos, atan, trunc


@method("positive", "__pos__")
def positive(input: Tensor) -> Tensor:
    """``+input``: the tensor itself.

    Raises:
        TypeError: for a bool tensor.
    """
    if not isinstance(input, Tensor):
        not_a_tensor("positive", input)
    if input.dtype.name == "bool":
        raise TypeError("[positive] expected numbers, got bool")
    return input


@method("__round__")
def _dunder_round(self: Tensor, decimals: int = 0) -> Tensor:
    return round(self, decimals=decimals)


@method("__floor__")
def _dunder_floor(self: Tensor) -> Any:
    return floor(self)


@method("__ceil__")
def _dunder_ceil(self: Tensor) -> Any:
    return ceil(self)


@method("__trunc__")
def _dunder_trunc(self: Tensor) -> Any:
    return trunc(self)
