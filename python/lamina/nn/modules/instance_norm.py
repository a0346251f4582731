"""Instance normalisation modules."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from lamina.nn import functional as F
from lamina.nn.modules.batch_norm import _ChannelNorm
from lamina.tensor import Tensor

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_ChannelNorm):
    """Instance normalisation over ``_rank`` dimensions; arguments as of batch normalisation, with other defaults."""

    _rank: ClassVar[int]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        rank = self._rank
        if input.ndim not in (rank + 1, rank + 2):
            raise ValueError(
                f"[instance_norm] expected a {rank + 1}-d or {rank + 2}-d input, got shape {tuple(input.shape)}"
            )
        channels = input.shape[-rank - 1]
        if channels != self.num_features:
            message = f"[instance_norm] expected {self.num_features} channels, got shape {tuple(input.shape)}"
            if self.affine:
                raise ValueError(message)
            warnings.warn(f"{message}; num_features is not used where affine=False", stacklevel=2)
        batch = input.unsqueeze(0) if input.ndim == rank + 1 else input
        result = F.instance_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result.squeeze(0) if batch is not input else result


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L); see :func:`lamina.nn.functional.instance_norm`."""

    _rank = 1


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (N, C, H, W) or (C, H, W); see :func:`lamina.nn.functional.instance_norm`.

    Example:
        >>> lamina.nn.InstanceNorm2d(3)(lamina.rand(2, 3, 4, 4)).mean().abs() < 1e-5
        tensor(True)
    """

    _rank = 2


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W); see :func:`lamina.nn.functional.instance_norm`."""

    _rank = 3
