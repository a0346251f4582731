"""Draws from distributions whose parameters are tensors: Poisson, binomial, gamma."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.random import Generator
from lamina.tensor import Tensor

__all__ = ["binomial", "poisson"]


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts, as floats, from the Poisson distributions of the rates in ``input``.

    Args:
        input: rates, not negative.
        generator: where the draws come from; default: the process's.

    Raises:
        ValueError: for a negative rate or NaN.

    Example:
        >>> lamina.poisson(lamina.tensor([0.0, 1e6])) > 9e5
        tensor([False,  True])
    """
    return Tensor(_C.poisson(input._array, generator))


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of ``count`` trials succeed, each with probability ``prob``.

    Args:
        count: whole numbers, as floats.
        prob: probabilities, of the same shape and dtype.
        generator: where the draws come from; default: the process's.

    Raises:
        ValueError: for counts or probabilities that are none, or of two shapes.

    Example:
        >>> lamina.binomial(lamina.tensor([10.0, 10.0]), lamina.tensor([0.0, 1.0]))
        tensor([ 0., 10.])
    """
    return Tensor(_C.binomial(count._array, prob._array, generator))


def standard_gamma(shape: Tensor, generator: Generator | None = None) -> Tensor:
    """Draws from the gamma distributions of these shapes and rate 1, through which gradients pass to the shapes.

    The derivative is that of the draw at constant probability of less: Figurnov, Mohamed & Mnih, "Implicit
    reparameterization gradients", 2018.

    Args:
        shape: shapes, not negative.
        generator: where the draws come from; default: the process's.

    Raises:
        ValueError: for a negative shape or NaN.
    """
    y = Tensor(_C.standard_gamma(shape._array, generator))
    if tracks(shape):
        record(y, _standard_gamma_backward, (shape,), (shape, y))
    return y


def _standard_gamma_backward(node: Node, grad: Tensor) -> Tensor:
    shape, y = node.saved
    slope = Tensor(_C.standard_gamma_grad(shape._array, y._array))
    if tracks(shape):
        record(slope, _standard_gamma_twice_backward, (shape,))
    return grad * slope


def _standard_gamma_twice_backward(node: Node, grad: Tensor) -> Tensor:
    raise RuntimeError("[standard_gamma] the gradient of a draw has no derivative of its own")
