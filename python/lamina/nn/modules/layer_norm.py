"""Layer normalisation modules."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from lamina.nn import functional as F
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter
from lamina.ops.creation import ones, zeros
from lamina.tensor import Tensor

__all__ = ["LayerNorm", "RMSNorm"]


def _sizes(name: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    try:
        if isinstance(normalized_shape, Sequence):
            return tuple([operator.index(n) for n in normalized_shape])
        return (operator.index(normalized_shape),)
    except TypeError:
        raise TypeError(f"[{name}] expected integers as normalized_shape, got {normalized_shape!r}") from None


class LayerNorm(Module):
    """Normalises over the last dimensions; see :func:`lamina.nn.functional.layer_norm`.

    Args:
        normalized_shape: the sizes of the dimensions that are normalised together.
        eps: added to the variance.
        elementwise_affine: whether to learn a weight and a bias an element.
        bias: whether an affine one learns a bias.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight: of normalized_shape, ones at first.
        bias: of normalized_shape, zeros at first.

    Example:
        >>> lamina.nn.LayerNorm(8)(lamina.rand(2, 8)).mean(1).abs() < 1e-5
        tensor([True, True])
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape, affine = self.normalized_shape, elementwise_affine
        self.weight = Parameter(ones(shape, device=device, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(shape, device=device, dtype=dtype)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Makes the weight ones and the bias zeros."""
        if self.weight is not None:
            self.weight.data.fill_(1)
        if self.bias is not None:
            self.bias.data.fill_(0)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divides by the root of the mean square over the last dimensions; see :func:`lamina.nn.functional.rms_norm`.

    Args:
        normalized_shape: the sizes of the dimensions that are normalised together.
        eps: added to the mean square; None for the dtype's machine epsilon.
        elementwise_affine: whether to learn a weight an element.
        device: where the weight lives.
        dtype: of the weight.

    Attributes:
        weight: of normalized_shape, ones at first.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _sizes("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        made = ones(self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.weight = None if made is None else Parameter(made)

    def reset_parameters(self) -> None:
        """Makes the weight ones."""
        if self.weight is not None:
            self.weight.data.fill_(1)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
