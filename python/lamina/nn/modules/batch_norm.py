"""Batch normalisation modules."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.dtypes import int64
from lamina.nn import functional as F
from lamina.nn.functional.batch_norm import batch_norm_of_moments
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter
from lamina.ops.creation import ones, zeros
from lamina.tensor import Tensor

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]


class _ChannelNorm(Module):
    """A norm with parameters and running statistics a channel: what batch and instance normalisation share.

    Args:
        num_features: channels, C.
        eps: added to the variance.
        momentum: the share of a batch in the running statistics; None averages all batches.
        affine: whether to learn a weight and a bias a channel.
        track_running_stats: whether to keep running statistics for evaluation.
        device: where parameters and buffers live.
        dtype: of the parameters.
        bias: whether an affine one learns a bias.

    Attributes:
        weight: (C,), ones at first.
        bias: (C,), zeros at first.
        running_mean: (C,) buffer.
        running_var: (C,) buffer.
        num_batches_tracked: 0-d int64 buffer.
    """

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(ones(num_features, **options)) if affine else None
        self.bias = Parameter(zeros(num_features, **options)) if affine and bias else None
        tracked = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, **options) if tracked else None)
        self.register_buffer("running_var", ones(num_features, **options) if tracked else None)
        self.register_buffer(
            "num_batches_tracked", zeros((), dtype=int64, device=device) if tracked else None
        )

    def reset_running_stats(self) -> None:
        """Forgets the running statistics."""
        if (
            self.running_mean is not None
            and self.running_var is not None
            and self.num_batches_tracked is not None
        ):
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Makes the weight ones and the bias zeros, and forgets the running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            self.weight.data.fill_(1)
        if self.bias is not None:
            self.bias.data.fill_(0)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_ChannelNorm):
    """Batch normalisation of inputs of the ranks that a subclass names."""

    ranks: tuple[int, ...]

    def forward(self, input: Tensor) -> Tensor:
        return F.batch_norm(input, *self._arguments(input))

    def forward_relu(
        self, input: Tensor, residual: Tensor | None = None, moments: _C.Moments | None = None
    ) -> Tensor:
        """``relu(self(input) + residual)`` in one pass: what a ReLU after this module runs as."""
        return F.batch_norm_relu(input, *self._arguments(input), residual, moments)

    def forward_moments(self, input: Tensor, moments: _C.Moments) -> Tensor:
        """``self(input)``, of which the convolution before this module has found the statistics."""
        return batch_norm_of_moments(input, *self._arguments(input), moments)

    def _arguments(
        self, input: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None, bool, float, float]:
        """What F.batch_norm takes after the input; counts a batch of training."""
        if input.ndim not in self.ranks:
            expected = " or ".join(f"{rank}-d" for rank in self.ranks)
            raise ValueError(f"[batch_norm] expected a {expected} input, got shape {tuple(input.shape)}")
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / self.num_batches_tracked.item()
        training = self.training or self.running_mean is None or self.running_var is None
        mean, var = self.running_mean, self.running_var
        return mean, var, self.weight, self.bias, training, momentum, self.eps


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L); see :func:`lamina.nn.functional.batch_norm`."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W); see :func:`lamina.nn.functional.batch_norm`.

    Example:
        >>> lamina.nn.BatchNorm2d(3)(lamina.rand(2, 3, 4, 4)).mean().abs() < 1e-5
        tensor(True)
    """

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W); see :func:`lamina.nn.functional.batch_norm`."""

    ranks = (5,)
