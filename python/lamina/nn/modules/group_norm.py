"""Group normalisation module."""

from __future__ import annotations

from typing import Any

from lamina.nn import functional as F
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter
from lamina.ops.creation import ones, zeros
from lamina.tensor import Tensor

__all__ = ["GroupNorm"]


class GroupNorm(Module):
    """Normalises each image over groups of channels; see :func:`lamina.nn.functional.group_norm`.

    Args:
        num_groups: how many groups the channels fall into.
        num_channels: channels, C.
        eps: added to the variance.
        affine: whether to learn a weight and a bias a channel.
        device: where the parameters live.
        dtype: of the parameters.
        bias: whether an affine one learns a bias.

    Attributes:
        weight: (C,), ones at first.
        bias: (C,), zeros at first.

    Raises:
        ValueError: if the groups don't divide the channels.

    Example:
        >>> lamina.nn.GroupNorm(2, 4)(lamina.rand(3, 4, 5, 5)).mean().abs() < 1e-5
        tensor(True)
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"[GroupNorm] expected num_groups that divide num_channels, got {num_groups} and {num_channels}"
            )
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(ones(num_channels, device=device, dtype=dtype)) if affine else None
        self.bias = Parameter(zeros(num_channels, device=device, dtype=dtype)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Makes the weight ones and the bias zeros."""
        if self.weight is not None:
            self.weight.data.fill_(1)
        if self.bias is not None:
            self.bias.data.fill_(0)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
