"""Smooth activations."""

from __future__ import annotations

import math

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional.rectifier import apply
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import empty_like, zeros_like
from lamina.ops.elementwise import expect_tensors, not_a_tensor
from lamina.ops.gather import scatter
from lamina.ops.select import where
from lamina.ops.softmax import softmax
from lamina.ops.unary import erf, exp, sigmoid, tanh
from lamina.tensor import Tensor

__all__ = [
    "gelu", "glu", "gumbel_softmax", "logsigmoid", "maxout", "mish", "sigmoid", "silu", "softplus", "softsign", "tanh",
]  # fmt: skip


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """``input * Phi(input)``, Phi the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).

    Args:
        input: a floating tensor of any shape.
        approximate: ``"none"``, or ``"tanh"`` for ``0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x ** 3)))``.

    Raises:
        ValueError: for another approximation.
        TypeError: for integers.

    Example:
        >>> lamina.nn.functional.gelu(lamina.tensor([-1.0, 1.0]))
        tensor([-0.1587,  0.8413])
    """
    if approximate == "none":
        return apply("gelu", _C.gelu, _gelu_backward, input, (), "input", False)
    if approximate == "tanh":
        return apply("gelu", _C.gelu_tanh, _gelu_tanh_backward, input, (), "input", False)
    raise ValueError(f"[gelu] expected an approximate of 'none' or 'tanh', got {approximate!r}")


def _gelu_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    if mode.enabled:
        density = exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))
        return grad * ((erf(x * math.sqrt(0.5)) + 1) * 0.5 + x * density)
    return Tensor(_C.gelu_backward(grad._array, x._array, 0, 0))


def _gelu_tanh_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    if mode.enabled:
        scale, cubic = math.sqrt(2 / math.pi), 0.044715
        t = tanh(x * (x * x * cubic + 1) * scale)
        return grad * ((t + 1) * 0.5 + x * 0.5 * (1 - t * t) * (x * x * (3 * cubic) + 1) * scale)
    return Tensor(_C.gelu_tanh_backward(grad._array, x._array, 0, 0))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)`` (Elfwing et al., arXiv:1702.03118).

    Example:
        >>> lamina.nn.functional.silu(lamina.tensor([-1.0, 1.0]))
        tensor([-0.2689,  0.7311])
    """
    return apply("silu", _C.silu, _silu_backward, input, (), "input", inplace)


def _silu_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    if mode.enabled:
        s = sigmoid(x)
        return grad * (s * (x * (1 - s) + 1))
    return Tensor(_C.silu_backward(grad._array, x._array, 0, 0))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``: a smooth relu.

    Args:
        input: a floating tensor of any shape.
        beta: how sharp the bend is.
        threshold: where ``beta * input`` exceeds it, the result is ``input``.

    Example:
        >>> lamina.nn.functional.softplus(lamina.tensor([-1.0, 1.0]))
        tensor([0.3133, 1.3133])
    """
    if casting.on:
        return in_autocast(softplus, input, beta, threshold)
    if not isinstance(input, Tensor):
        not_a_tensor("softplus", input)
    y = Tensor(_C.softplus(input._array, float(beta), float(threshold), 0.0))
    if tracks(input):
        record(y, _softplus_backward, (input,), (input, float(beta), float(threshold)))
    return y


def _softplus_backward(node: Node, grad: Tensor) -> Tensor:
    x, beta, threshold = node.saved
    if mode.enabled:
        return where(x * beta > threshold, grad, grad * sigmoid(x * beta))
    return Tensor(_C.softplus_backward(grad._array, x._array, beta, threshold))


def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))``, computed as ``min(input, 0) - log(1 + exp(-|input|))``.

    Example:
        >>> lamina.nn.functional.logsigmoid(lamina.tensor([-1.0, 1.0]))
        tensor([-1.3133, -0.3133])
    """
    return apply("log_sigmoid", _C.log_sigmoid, _log_sigmoid_backward, input, (), "input", False)


def _log_sigmoid_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    if mode.enabled:
        return grad * sigmoid(-x)
    return Tensor(_C.log_sigmoid_backward(grad._array, x._array, 0, 0))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))`` (Misra, arXiv:1908.08681).

    Example:
        >>> lamina.nn.functional.mish(lamina.tensor([-1.0, 1.0]))
        tensor([-0.3034,  0.8651])
    """
    return apply("mish", _C.mish, _mish_backward, input, (), "input", inplace)


def _mish_backward(node: Node, grad: Tensor) -> Tensor:
    (x,) = node.saved
    if mode.enabled:
        t = tanh(softplus(x))
        return grad * (t + x * (1 - t * t) * sigmoid(x))
    return Tensor(_C.mish_backward(grad._array, x._array, 0, 0))


def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)``.

    Example:
        >>> lamina.nn.functional.softsign(lamina.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """
    if not isinstance(input, Tensor):
        expect_tensors("softsign", input=input)
    return input / (input.abs() + 1)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """``a * sigmoid(b)``, a and b the halves of ``input`` along ``dim`` (Dauphin et al., arXiv:1612.08083).

    Raises:
        ValueError: if the dimension has an odd size.

    Example:
        >>> lamina.nn.functional.glu(lamina.tensor([2.0, 0.0]))
        tensor([1.])
    """
    if not isinstance(input, Tensor):
        expect_tensors("glu", input=input)
    if input.shape[dim] % 2:
        raise ValueError(f"[glu] expected an even size of dimension {dim}, got {tuple(input.shape)}")
    a, b = input.chunk(2, dim)
    return a * sigmoid(b)


def maxout(input: Tensor, pieces: int, dim: int = 1) -> Tensor:
    """The greatest of every ``pieces`` neighbours along ``dim`` (Goodfellow et al., arXiv:1302.4389).

    After a linear map or a convolution this is a learned convex activation: the maximum of affine functions.

    Args:
        input: (N, C * pieces, ...).
        pieces: how many maps compete for one output.
        dim: the dimension of the maps.

    Returns:
        (N, C, ...); of equal maps the first gets the gradient.

    Raises:
        ValueError: if ``pieces`` does not divide the dimension.

    Example:
        >>> lamina.nn.functional.maxout(lamina.tensor([[1.0, 3.0, -2.0, -5.0]]), 2)
        tensor([[ 3., -2.]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("maxout", input=input)
    size = input.shape[dim]
    if pieces < 1 or size % pieces:
        raise ValueError(f"[maxout] expected pieces that divide dimension {dim} of size {size}, got {pieces}")
    at = dim % input.ndim
    return input.unflatten(at, (size // pieces, pieces)).max(at + 1).values


def gumbel_softmax(logits: Tensor, tau: float = 1.0, hard: bool = False, dim: int = -1) -> Tensor:
    """A draw from a category's distribution that has a gradient (Jang et al., arXiv:1611.01144).

    Args:
        logits: unnormalised log-probabilities.
        tau: the temperature: towards 0 the draws become one-hot.
        hard: give one-hot vectors, with the gradient of the soft ones.
        dim: the categories' dimension.

    Raises:
        ValueError: unless ``tau`` is positive.

    Example:
        >>> lamina.nn.functional.gumbel_softmax(lamina.zeros(2, 3), hard=True).sum(-1)
        tensor([1., 1.])
    """
    if not tau > 0:
        raise ValueError(f"[gumbel_softmax] expected tau above 0, got {tau}")
    gumbels = -empty_like(logits, requires_grad=False).exponential_().log()
    soft = softmax((logits + gumbels) / tau, dim)
    if not hard:
        return soft
    winners = soft.max(dim, keepdim=True).indices
    return scatter(zeros_like(soft), dim, winners, 1.0) - soft.detach() + soft
