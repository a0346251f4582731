"""Local response normalisation module."""

from __future__ import annotations

from lamina.nn import functional as F
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["LocalResponseNorm"]


class LocalResponseNorm(Module):
    """Normalises by neighbouring channels; see :func:`lamina.nn.functional.local_response_norm`.

    Args:
        size: channels in a window.
        alpha: the weight of the squares.
        beta: the exponent.
        k: added to the mean.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
