"""Normalisation by neighbouring channels."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional._rederive import rederive
from lamina.nn.functional.pad import pad
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["local_response_norm"]


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """``x / (k + alpha * mean(x ** 2 over a window of channels)) ** beta`` (Krizhevsky et al., NIPS 2012, section 3.3).

    Args:
        input: (N, C, spatial...), float32 or float64.
        size: channels in a window: ``size // 2`` before a channel and ``(size - 1) // 2`` behind it; those beyond the
            ends count as zeros.
        alpha: the weight of the squares.
        beta: the exponent.
        k: added to the mean.

    Raises:
        ValueError: for fewer than 3 dimensions, or a size below 1.
        TypeError: for other dtypes.

    Example:
        >>> F.local_response_norm(lamina.tensor([[[1.0], [2.0]]]), 2, alpha=2.0, beta=1.0, k=0.0)
        tensor([[[1.0000],
                 [0.4000]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("local_response_norm", input=input)
    if casting.on:
        return in_autocast(local_response_norm, input, size, alpha, beta, k)
    options = (size, float(alpha), float(beta), float(k))
    y = Tensor(_C.local_response_norm(input._array, *options))
    if tracks(input):
        record(y, _local_response_norm_backward, (input,), (input, options))
    return y


def _local_response_norm_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...] | Tensor:
    x, options = node.saved
    if not mode.enabled:
        return Tensor(_C.local_response_norm_backward(x._array, grad._array, *options))
    return rederive(node, lambda x: _composite(x, *options), (x,), grad)


def _composite(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """The same from differentiable ops."""
    channels = x.shape[1]
    window = min(size, 2 * channels + 1)  # more would reach past every channel
    squares = pad((x * x).flatten(2), (0, 0, window // 2, (window - 1) // 2))
    total = squares.narrow(1, 0, channels)
    for shift in range(1, window):
        total = total + squares.narrow(1, shift, channels)
    return x * (total.reshape(tuple(x.shape)) * (alpha / size) + k) ** -beta
