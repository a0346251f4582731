"""The gamma function's logarithm and its derivatives, and the inverses of the error and hyperbolic functions."""

from __future__ import annotations

import math

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.elementwise import div, mul, not_a_tensor
from lamina.ops.unary import exp, rsqrt, square, unary
from lamina.tensor import Tensor, method

__all__ = [
    "acosh", "arccosh", "arcsinh", "arctanh", "asinh", "atanh", "digamma", "erfinv", "lgamma", "polygamma",
]  # fmt: skip


def _lgamma_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, digamma(x))


def _digamma_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, polygamma(1, x))


def _erfinv_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    return mul(grad, mul(exp(square(y)), math.sqrt(math.pi) / 2))


lgamma = unary(
    "lgamma", _lgamma_backward, "The logarithm of the absolute value of the gamma function.",
    ("[1.0, 5.0]", "tensor([0.0000, 3.1781])"),
)  # fmt: skip
digamma = unary(
    "digamma", _digamma_backward, "The derivative of :func:`lgamma`.", ("[1.0, 2.0]", "tensor([-0.5772,  0.4228])")
)  # fmt: skip
erfinv = unary(
    "erfinv", _erfinv_backward, "The inverse of :func:`erf`: NaN outside [-1, 1].",
    ("[0.0, 0.5]", "tensor([0.0000, 0.4769])"), saves="output",
)  # fmt: skip


def _acosh_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, rsqrt(square(x) - 1))


def _asinh_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return mul(grad, rsqrt(square(x) + 1))


def _atanh_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    return div(grad, 1 - square(x))


acosh = unary(
    "acosh", _acosh_backward, "The inverse of :func:`cosh`: NaN below 1.",
    ("[1.0, 2.0]", "tensor([0.0000, 1.3170])"), aliases=("arccosh",),
)  # fmt: skip
asinh = unary(
    "asinh", _asinh_backward, "The inverse of :func:`sinh`.",
    ("[0.0, 1.0]", "tensor([0.0000, 0.8814])"), aliases=("arcsinh",),
)  # fmt: skip
atanh = unary(
    "atanh", _atanh_backward, "The inverse of :func:`tanh`: NaN outside [-1, 1].",
    ("[0.0, 0.5]", "tensor([0.0000, 0.5493])"), aliases=("arctanh",),
)  # fmt: skip
arccosh, arcsinh, arctanh = acosh, asinh, atanh


def polygamma(n: int, input: Tensor) -> Tensor:
    """The ``n``-th derivative of :func:`digamma`.

    Args:
        n: the order, at least 0.
        input: a tensor of any shape.

    Raises:
        ValueError: for a negative order.

    Example:
        >>> lamina.polygamma(1, lamina.tensor([1.0, 2.0]))
        tensor([1.6449, 0.6449])
    """
    if not isinstance(input, Tensor):
        not_a_tensor("polygamma", input)
    if n < 0:
        raise ValueError(f"[polygamma] expected n >= 0, got {n}")
    if n == 0:
        return digamma(input)
    y = Tensor(_C.polygamma(input._array, float(n)))
    if tracks(input):
        record(y, _polygamma_backward, (input,), (n, input))
    return y


def _polygamma_backward(node: Node, grad: Tensor) -> Tensor:
    n, x = node.saved
    return mul(grad, polygamma(n + 1, x))


@method("polygamma")
def _polygamma_of(self: Tensor, n: int) -> Tensor:
    """The ``n``-th derivative of :meth:`digamma`."""
    return polygamma(n, self)
