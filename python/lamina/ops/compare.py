"""Comparisons, logic and bits, elementwise; and whether tensors are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import _C
from lamina.ops.elementwise import (
    Operand,
    compute,
    inplace,
    not_a_tensor,
    refuse_numbers,
    refuse_numbers_alone,
    write,
)
from lamina.tensor import Tensor, method

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "eq", "equal", "ge", "greater", "greater_equal", "gt", "isclose", "isfinite", "isinf", "isnan", "isneginf",
    "isposinf", "le", "less", "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "ne",
    "not_equal",
]  # fmt: skip


def _binary(
    name: str,
    says: str,
    gives: str,
    *aliases: str,
    takes: Callable[..., None],
    operands: str = "tensor([1, 2, 3]), 2",
) -> Callable[..., Tensor]:
    """Makes a function of two operands that has no gradient, from the kernel of that name, and its methods.

    ``takes`` raises for numbers where torch wants tensors.
    """
    kernel, kernel_out = getattr(_C, name), getattr(_C, f"{name}_out")

    def function(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
        if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
            takes(name, input, other)
        if out is not None:
            return write(kernel_out, name, out, input, other)
        return compute(kernel, name, input, other)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{says}

    Args:
        input: a tensor of any shape.
        other: a tensor whose shape broadcasts with ``input``'s{"" if takes is refuse_numbers else ", or a number"}.
        out: where to write the result.

    Raises:
        TypeError: for numbers where a tensor is expected.

    Example:
        >>> lamina.{name}(lamina.{operands})
        {gives}
    """
    method(name, *aliases)(function)
    inplace(function, *[f"{alias}_" for alias in aliases])
    return function


def _first_is_a_tensor(op: str, input: Any, other: Any) -> None:
    refuse_numbers(op, input)


eq = _binary("eq", "``input == other``, as bools.", "tensor([False,  True, False])", takes=_first_is_a_tensor)
ne = _binary(
    "ne",
    "``input != other``, as bools.",
    "tensor([ True, False,  True])",
    "not_equal",
    takes=_first_is_a_tensor,
)
lt = _binary(
    "lt", "``input < other``, as bools.", "tensor([ True, False, False])", "less", takes=_first_is_a_tensor
)
le = _binary(
    "le",
    "``input <= other``, as bools.",
    "tensor([ True,  True, False])",
    "less_equal",
    takes=_first_is_a_tensor,
)
gt = _binary(
    "gt", "``input > other``, as bools.", "tensor([False, False,  True])", "greater", takes=_first_is_a_tensor
)
ge = _binary(
    "ge",
    "``input >= other``, as bools.",
    "tensor([False,  True,  True])",
    "greater_equal",
    takes=_first_is_a_tensor,
)
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge

_TRUTHS = "tensor([True, False]), lamina.tensor([True, True])"
logical_and = _binary(
    "logical_and",
    "Whether both are not zero.",
    "tensor([ True, False])",
    takes=refuse_numbers,
    operands=_TRUTHS,
)
logical_or = _binary(
    "logical_or", "Whether one is not zero.", "tensor([True, True])", takes=refuse_numbers, operands=_TRUTHS
)
logical_xor = _binary(
    "logical_xor",
    "Whether just one is not zero.",
    "tensor([False,  True])",
    takes=refuse_numbers,
    operands=_TRUTHS,
)
bitwise_and = _binary(
    "bitwise_and", "``input & other``, of integers or bools.", "tensor([0, 2, 2])", takes=refuse_numbers_alone
)
bitwise_or = _binary(
    "bitwise_or", "``input | other``, of integers or bools.", "tensor([3, 2, 3])", takes=refuse_numbers_alone
)
bitwise_xor = _binary(
    "bitwise_xor", "``input ^ other``, of integers or bools.", "tensor([3, 0, 1])", takes=refuse_numbers_alone
)
bitwise_left_shift = _binary(
    "bitwise_left_shift",
    "``input << other``, of integers.",
    "tensor([ 4,  8, 12])",
    takes=refuse_numbers_alone,
)
bitwise_right_shift = _binary(
    "bitwise_right_shift", "``input >> other``, of integers.", "tensor([0, 0, 0])", takes=refuse_numbers_alone
)


def _operator(name: str, function: Callable[..., Tensor], swapped: bool = False) -> None:
    """Makes an operator that leaves operands of unknown types to their own operators."""

    def apply(self: Tensor, other: Any) -> Any:
        if not isinstance(self, Tensor):
            not_a_tensor(name, self)
        if not isinstance(other, (Tensor, bool, int, float)) and not hasattr(other, "__array__"):
            return NotImplemented
        return function(other, self) if swapped else function(self, other)

    apply.__name__ = name
    method(name)(apply)


for _name, _function in (("eq", eq), ("ne", ne), ("lt", lt), ("le", le), ("gt", gt), ("ge", ge)):
    _operator(f"__{_name}__", _function)
for _name, _function in (
    ("and", bitwise_and),
    ("or", bitwise_or),
    ("xor", bitwise_xor),
    ("lshift", bitwise_left_shift),
    ("rshift", bitwise_right_shift),
):
    _operator(f"__{_name}__", _function)
    _operator(f"__r{_name}__", _function, swapped=True)
    setattr(Tensor, f"__i{_name}__", getattr(Tensor, f"{_function.__name__}_"))


def _test(name: str, says: str, gives: str) -> Callable[[Tensor], Tensor]:
    """Makes a test of each element."""
    kernel = getattr(_C, name)

    def function(input: Tensor) -> Tensor:
        if not isinstance(input, Tensor):
            not_a_tensor(name, input)
        return Tensor(kernel(input._array))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{says}

    Example:
        >>> lamina.{name}(lamina.tensor([1.0, float("inf"), float("nan")]))
        {gives}
    """
    return method(name)(function)


isnan = _test("isnan", "Whether each element is NaN.", "tensor([False, False,  True])")
isinf = _test("isinf", "Whether each element is infinite, of either sign.", "tensor([False,  True, False])")
isfinite = _test(
    "isfinite", "Whether each element is neither infinite nor NaN.", "tensor([ True, False, False])"
)


@method()
def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is plus infinity."""
    return eq(input, float("inf"), out=out)


@method()
def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is minus infinity."""
    return eq(input, float("-inf"), out=out)


@method()
def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether each element is zero.

    Example:
        >>> lamina.logical_not(lamina.tensor([0, 2]))
        tensor([ True, False])
    """
    return _inverted(_C.logical_not, _C.logical_not_out, "logical_not", input, out)


@method("bitwise_not", "__invert__")
def bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``~input``: every bit of an integer, or the other bool.

    Raises:
        TypeError: for floating dtypes.

    Example:
        >>> lamina.bitwise_not(lamina.tensor([0, 2]))
        tensor([-1, -3])
    """
    if isinstance(input, Tensor) and input._array.dtype == 0:
        return logical_not(input, out=out)
    return _inverted(_C.bitwise_not, _C.bitwise_not_out, "bitwise_not", input, out)


def _inverted(kernel: Any, kernel_out: Any, name: str, input: Tensor, out: Tensor | None) -> Tensor:
    if not isinstance(input, Tensor):
        not_a_tensor(name, input)
    return Tensor(kernel(input._array)) if out is None else write(kernel_out, name, out, input)


inplace(logical_not)
inplace(bitwise_not)


@method()
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether ``|input - other| <= atol + rtol * |other|``.

    Args:
        input: a tensor of any shape.
        other: a tensor whose shape broadcasts with ``input``'s.
        rtol: the difference allowed relative to ``other``.
        atol: the difference allowed besides.
        equal_nan: whether NaN is close to NaN.

    Raises:
        ValueError: if a tolerance is negative.

    Example:
        >>> lamina.isclose(lamina.tensor([1.0, 2.0]), lamina.tensor([1.0, 2.1]))
        tensor([ True, False])
    """
    if rtol < 0 or atol < 0:
        raise ValueError(f"[isclose] expected tolerances of at least 0, got rtol {rtol} and atol {atol}")
    for x in (input, other):
        if not isinstance(x, Tensor):
            not_a_tensor("isclose", x)
    from lamina.ops.unary import abs

    a, b = input.detach(), other.detach()
    close = eq(a, b)
    if equal_nan:
        close = close | (ne(a, a) & ne(b, b))
    if rtol or atol:
        difference, size = abs(a.double() - b.double()), abs(b.double())
        close = close | (isfinite(difference) & le(difference, size * rtol + atol))
    return close


@method()
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether :func:`isclose` holds everywhere.

    Example:
        >>> lamina.allclose(lamina.tensor([1.0]), lamina.tensor([1.0 + 1e-7]))
        True
    """
    return bool(_C.all(isclose(input, other, rtol, atol, equal_nan)._array, None, False, None).item())


@method()
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and the same elements.

    Example:
        >>> lamina.equal(lamina.tensor([1, 2]), lamina.tensor([1, 2]))
        True
    """
    for x in (input, other):
        if not isinstance(x, Tensor):
            not_a_tensor("equal", x)
    if input._array.shape != other._array.shape:
        return False
    return bool(_C.all(_C.eq(input._array, other._array), None, False, None).item())
