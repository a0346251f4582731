"""Activations."""

from __future__ import annotations

from collections.abc import Callable

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.ops import unary
from lamina.ops.select import where
from lamina.tensor import Tensor

__all__ = ["elu", "elu_", "leaky_relu", "leaky_relu_", "relu", "relu_", "sigmoid", "tanh"]

sigmoid, tanh = unary.sigmoid, unary.tanh


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``.

    Args:
        input: any shape.
        inplace: write over ``input``.

    Example:
        >>> lamina.nn.functional.relu(lamina.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    return relu_(input) if inplace else unary.relu(input)


def relu_(input: Tensor) -> Tensor:
    """As :func:`relu`, in place."""
    return input.relu_()


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else ``negative_slope * input`` (Maas et al., ICML 2013).

    Args:
        input: floating, any shape.
        negative_slope: at least 0.
        inplace: write over ``input``.

    Example:
        >>> lamina.nn.functional.leaky_relu(lamina.tensor([-1.0, 2.0]), 0.5)
        tensor([-0.5000,  2.0000])
    """
    y = Tensor(_C.leaky_relu(input._array, negative_slope))
    if tracks(input):
        # For a negative slope the output's sign says nothing of the input's: the input is kept instead.
        kept = y if negative_slope >= 0 else input
        record(y, _leaky_relu_backward, (input,), (kept, negative_slope))
    return _overwrite(input, y, "leaky_relu_") if inplace else y


def _leaky_relu_backward(node: Node, grad: Tensor) -> Tensor:
    kept, slope = node.saved
    if mode.enabled or slope < 0:
        return where(kept > 0, grad, grad * slope)
    return Tensor(_C.leaky_relu_backward(grad._array, kept._array, slope, 0))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where it is positive, else ``alpha * (exp(input) - 1)`` (Clevert et al., arXiv 1511.07289).

    Args:
        input: floating, any shape.
        alpha: the limit at minus infinity is ``-alpha``.
        inplace: write over ``input``.

    Example:
        >>> lamina.nn.functional.elu(lamina.tensor([0.0, 2.0]))
        tensor([0., 2.])
    """
    y = Tensor(_C.elu(input._array, alpha))
    if tracks(input):
        record(y, _elu_backward, (input,), (y if alpha >= 0 else input, alpha))
    return _overwrite(input, y, "elu_") if inplace else y


def _elu_backward(node: Node, grad: Tensor) -> Tensor:
    kept, alpha = node.saved
    if alpha < 0:
        return where(kept > 0, grad, grad * alpha * kept.exp())
    if mode.enabled:
        return where(kept > 0, grad, grad * (kept + alpha))
    return Tensor(_C.elu_backward(grad._array, kept._array, alpha, 0))


def _overwrite(input: Tensor, y: Tensor, op: str) -> Tensor:
    return input._become(y) if input._check_inplace(op, y) else input.copy_(y)


def _in_place(function: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    def apply(input: Tensor, *args: float) -> Tensor:
        return function(input, *args, inplace=True)

    apply.__name__, apply.__doc__ = name, f"As :func:`{function.__name__}`, in place."
    return apply


leaky_relu_ = _in_place(leaky_relu, "leaky_relu_")
elu_ = _in_place(elu, "elu_")
