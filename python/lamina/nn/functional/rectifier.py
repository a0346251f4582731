"""Activations with a kink, and their smooth relatives ELU, CELU and SELU."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.ops import unary
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import empty_like
from lamina.ops.elementwise import expect_tensors, not_a_tensor, overwrite
from lamina.ops.select import where
from lamina.ops.unary import exp
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.autograd.graph import Rule

__all__ = [
    "celu", "celu_", "elu", "elu_", "hardsigmoid", "hardswish", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_",
    "prelu", "relu", "relu6", "relu_", "rrelu", "rrelu_", "selu", "selu_",
]  # fmt: skip


def apply(
    op: str,
    kernel: Callable[..., Any],
    rule: Rule,
    x: Tensor,
    parameters: tuple[float, ...],
    keep: str,
    inplace: bool,
) -> Tensor:
    """Runs a kernel with number parameters; the rule gets the parameters and the ``"input"`` or ``"output"``."""
    if not isinstance(x, Tensor):
        not_a_tensor(op, x)
    if inplace:
        kernel_out = getattr(_C, f"{op}_out")
        if not x._check_inplace(f"{op}_"):
            kernel_out(x._array, *parameters, x._array)
            return x
        if keep == "output":
            return overwrite(x, lambda y: kernel_out(x._array, *parameters, y), rule, (), True, parameters)
        return x._become(apply(op, kernel, rule, x, parameters, keep, False))
    y = Tensor(kernel(x._array, *parameters))
    if tracks(x):
        record(y, rule, (x,), (x if keep == "input" else y, *parameters))
    return y


def write_over(x: Tensor, y: Tensor, op: str) -> Tensor:
    return x._become(y) if x._check_inplace(op) else x.copy_(y)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``.  Its gradient needs the output alone, so that the input's memory may go.

    Args:
        input: a tensor of any shape.
        inplace: write over ``input``.

    Example:
        >>> lamina.nn.functional.relu(lamina.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return input.relu_() if inplace else unary.relu(input)


def relu_(input: Tensor) -> Tensor:
    """:func:`relu`, in place."""
    return input.relu_()


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else ``negative_slope * input`` (Maas et al., ICML 2013).

    Args:
        input: a floating tensor of any shape.
        negative_slope: the slope below zero.
        inplace: write over ``input``.

    Raises:
        TypeError: for integers.

    Example:
        >>> lamina.nn.functional.leaky_relu(lamina.tensor([-1.0, 2.0]), 0.1)
        tensor([-0.1000,  2.0000])
    """
    keep = "output" if negative_slope >= 0 else "input"  # a negative slope hides the sign of the input
    return apply(
        "leaky_relu", _C.leaky_relu, _leaky_relu_backward, input, (float(negative_slope),), keep, inplace
    )


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """:func:`leaky_relu`, in place."""
    return leaky_relu(input, negative_slope, True)


def _leaky_relu_backward(node: Node, grad: Tensor) -> Tensor:
    x, slope = node.saved
    if mode.enabled:
        return where(x > 0, grad, grad * slope)
    return Tensor(_C.leaky_relu_backward(grad._array, x._array, slope, 0))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else ``alpha * (exp(input) - 1)`` (Clevert et al., arXiv:1511.07289).

    Args:
        input: a floating tensor of any shape.
        alpha: the limit, negated, far below zero.
        inplace: write over ``input``.

    Raises:
        TypeError: for integers.

    Example:
        >>> lamina.nn.functional.elu(lamina.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """
    keep = "output" if alpha >= 0 else "input"
    return apply("elu", _C.elu, _elu_backward, input, (float(alpha),), keep, inplace)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """:func:`elu`, in place."""
    return elu(input, alpha, True)


def _elu_backward(node: Node, grad: Tensor) -> Tensor:
    y, alpha = node.saved
    if alpha < 0:
        return where(y > 0, grad, grad * exp(y) * alpha)  # y is the input
    if mode.enabled:
        return where(y > 0, grad, grad * (y + alpha))
    return Tensor(_C.elu_backward(grad._array, y._array, alpha, 0))


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else ``alpha * (exp(input / alpha) - 1)`` (Barron, arXiv:1704.07483).

    Args:
        input: a floating tensor of any shape.
        alpha: the limit, negated, far below zero.
        inplace: write over ``input``.

    Raises:
        ValueError: if alpha is zero.
        TypeError: for integers.

    Example:
        >>> lamina.nn.functional.celu(lamina.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        raise ValueError("[celu] expected an alpha other than 0")
    keep = "output" if alpha > 0 else "input"
    return apply("celu", _C.celu, _celu_backward, input, (float(alpha),), keep, inplace)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """:func:`celu`, in place."""
    return celu(input, alpha, True)


def _celu_backward(node: Node, grad: Tensor) -> Tensor:
    y, alpha = node.saved
    if alpha < 0:
        return where(y > 0, grad, grad * exp(y / alpha))  # y is the input
    if mode.enabled:
        return where(y > 0, grad, grad * (y / alpha + 1))
    return Tensor(_C.celu_backward(grad._array, y._array, alpha, 0))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``scale * elu(input, alpha)``, whose constants keep mean 0 and variance 1 (Klambauer et al., arXiv:1706.02515).

    Example:
        >>> lamina.nn.functional.selu(lamina.tensor([-1.0, 1.0]))
        tensor([-1.1113,  1.0507])
    """
    return apply("selu", _C.selu, _selu_backward, input, (), "output", inplace)


def selu_(input: Tensor) -> Tensor:
    """:func:`selu`, in place."""
    return selu(input, True)


def _selu_backward(node: Node, grad: Tensor) -> Tensor:
    (y,) = node.saved
    if mode.enabled:
        return grad * where(y > 0, SELU_SCALE, y + SELU_ALPHA * SELU_SCALE)
    return Tensor(_C.selu_backward(grad._array, y._array, 0, 0))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` held between two bounds.

    Raises:
        ValueError: if the bounds are in the wrong order.

    Example:
        >>> lamina.nn.functional.hardtanh(lamina.tensor([-2.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError(f"[hardtanh] expected min_val of at most max_val, got {min_val} and {max_val}")
    parameters = (float(min_val), float(max_val))
    if not isinstance(input, Tensor):
        not_a_tensor("hardtanh", input)
    if inplace and input._check_inplace("hardtanh_"):
        return overwrite(
            input,
            lambda y: _C.clamp_out(input._array, *parameters, 0.0, y),
            _hardtanh_backward,
            (),
            True,
            parameters,
        )
    if inplace:
        return input.clamp_(*parameters)
    y = Tensor(_C.clamp(input._array, *parameters, 0.0))
    if tracks(input):
        record(y, _hardtanh_backward, (input,), (y, *parameters))
    return y


def _hardtanh_backward(node: Node, grad: Tensor) -> Tensor:
    y, low, high = node.saved
    if mode.enabled:
        return where((y > low) & (y < high), grad, 0.0)
    return Tensor(_C.hardtanh_backward(grad._array, y._array, low, high))


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """:func:`hardtanh`, in place."""
    return hardtanh(input, min_val, max_val, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)``.

    Example:
        >>> lamina.nn.functional.relu6(lamina.tensor([-1.0, 8.0]))
        tensor([0., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(input + 3) / 6``.

    Example:
        >>> lamina.nn.functional.hardsigmoid(lamina.tensor([-4.0, 0.0]))
        tensor([0.0000, 0.5000])
    """
    return apply("hardsigmoid", _C.hardsigmoid, _hardsigmoid_backward, input, (), "input", inplace)


def _hardsigmoid_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    if mode.enabled:
        return where((x > -3) & (x < 3), grad / 6, 0.0)
    return Tensor(_C.hardsigmoid_backward(grad._array, x._array, 0, 0))


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * relu6(input + 3) / 6`` (Howard et al., arXiv:1905.02244).

    Example:
        >>> lamina.nn.functional.hardswish(lamina.tensor([1.0, 4.0]))
        tensor([0.6667, 4.0000])
    """
    return apply("hardswish", _C.hardswish, _hardswish_backward, input, (), "input", inplace)


def _hardswish_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    if mode.enabled:
        return where(x <= -3, 0.0, where(x < 3, grad * (x / 3 + 0.5), grad))
    return Tensor(_C.hardswish_backward(grad._array, x._array, 0, 0))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """:func:`leaky_relu` with learned slopes (He et al., arXiv:1502.01852).

    Args:
        input: a floating tensor of shape (N, C, ...).
        weight: one slope, or one a channel.

    Raises:
        ValueError: if the number of slopes is neither 1 nor C.

    Example:
        >>> lamina.nn.functional.prelu(lamina.tensor([[-1.0, 2.0]]), lamina.tensor([0.25]))
        tensor([[-0.2500,  2.0000]])
    """
    if not (isinstance(input, Tensor) and isinstance(weight, Tensor)):
        expect_tensors("prelu", input=input, weight=weight)
    if casting.on:
        return in_autocast(prelu, input, weight)
    n, channels = weight.numel(), input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1:
        raise ValueError(f"[prelu] expected slopes of at most 1 dimension, got shape {tuple(weight.shape)}")
    if n not in (1, channels):
        raise ValueError(f"[prelu] expected 1 or {channels} slopes, got {n}")
    slopes = weight.reshape([n if d == 1 else 1 for d in range(input.ndim)]) if n > 1 else weight.reshape([])
    return where(input > 0, input, input * slopes)


def rrelu(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """:func:`leaky_relu` whose slope is drawn for each element while training (Xu et al., arXiv:1505.00853).

    Args:
        input: a floating tensor of any shape.
        lower: the least slope.
        upper: the greatest slope.
        training: draw slopes uniformly; otherwise their mean serves all.
        inplace: write over ``input``.

    Raises:
        ValueError: if the bounds are in the wrong order.
        TypeError: for integers.

    Example:
        >>> lamina.nn.functional.rrelu(lamina.tensor([-3.0, 2.0]), 0.25, 0.75)
        tensor([-1.5000,  2.0000])
    """
    if not isinstance(input, Tensor):
        expect_tensors("rrelu", input=input)
    if lower > upper:
        raise ValueError(f"[rrelu] expected lower of at most upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    if not input.dtype.is_floating_point:
        raise TypeError(f"[rrelu] expected a floating dtype, got {input.dtype}")
    slopes = empty_like(input, requires_grad=False).uniform_(lower, upper)
    y = input * where(input > 0, 1.0, slopes)
    return write_over(input, y, "rrelu_") if inplace else y


def rrelu_(input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Tensor:
    """:func:`rrelu`, in place."""
    return rrelu(input, lower, upper, training, True)
