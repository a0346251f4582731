"""Convolution layers: one class for any number of dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from lamina.nn import functional as F
from lamina.nn import init
from lamina.nn.functional.conv import sizes, split_padding
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter
from lamina.ops.creation import empty
from lamina.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """A convolution over ``_rank`` dimensions; documented at :class:`Conv2d`."""

    _rank: ClassVar[int]
    bias: Parameter | None
    output_padding: tuple[int, ...] = ()  # of the transposed ones

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name, rank = type(self).__name__, self._rank
        if groups < 1 or in_channels < 1 or out_channels < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"[{name}] expected channels of at least 1 that groups={groups} divides, "
                f"got {in_channels} in and {out_channels} out"
            )
        if padding_mode not in _PADDING_MODES:
            raise ValueError(f"[{name}] expected padding_mode in {_PADDING_MODES}, got {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = sizes(name, "kernel_size", kernel_size, rank)
        if min(self.kernel_size) < 1:
            raise ValueError(f"[{name}] expected a kernel_size of at least 1, got {kernel_size}")
        self.stride = sizes(name, "stride", stride, rank)
        self.dilation = sizes(name, "dilation", dilation, rank)
        self.padding_mode = padding_mode
        before, after = split_padding(name, padding, self.kernel_size, self.stride, self.dilation, rank)
        self.padding = padding if isinstance(padding, str) else before
        # As F.pad takes it: the last dimension first.
        self._pad = tuple(v for pair in zip(reversed(before), reversed(after), strict=True) for v in pair)
        self.weight = Parameter(empty(*self._weight_shape(), device=device, dtype=dtype))
        self.bias = Parameter(empty(out_channels, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels // self.groups, *self.kernel_size

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            init.uniform_(self.bias, -bound, bound)

    def _convolve(self, convolution: Callable[..., Tensor], input: Tensor) -> Tensor:
        padding: tuple[int, ...] | str | int | Sequence[int] = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._pad, mode=self.padding_mode)
            padding = 0
        return convolution(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding != (0,) * self._rank:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self._rank:
            parts.append(f"dilation={self.dilation}")
        if any(self.output_padding):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_ConvNd):
    """Convolution of sequences (N, C, L) or (C, L); arguments as :class:`Conv2d`'s.

    Example:
        >>> lamina.nn.Conv1d(3, 8, 5, padding="same")(lamina.ones(2, 3, 20)).shape
        lamina.Size([2, 8, 20])
    """

    _rank = 1

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv1d, input)


class Conv2d(_ConvNd):
    """Convolution of images (N, C, H, W) or (C, H, W); see :func:`lamina.nn.functional.conv2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: size of the kernel; one number, or one for each dimension, as for stride, padding and dilation.
        stride: pixels from one position of the kernel to the next.
        padding: zeros on each side of the input, ``"valid"`` or ``"same"``.
        dilation: pixels from one tap of the kernel to the next.
        groups: how many groups the channels fall into.
        bias: whether to add a bias.
        padding_mode: what the padding holds: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight: (out_channels, in_channels / groups, kernel...), drawn uniformly from +-1/sqrt(fan in).
        bias: (out_channels,), drawn likewise.

    Raises:
        ValueError: for sizes below 1 or channels that the groups don't divide.

    Example:
        >>> lamina.nn.Conv2d(3, 8, 3, stride=2, padding=1)(lamina.ones(1, 3, 32, 32)).shape
        lamina.Size([1, 8, 16, 16])
    """

    _rank = 2

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv2d, input)


class Conv3d(_ConvNd):
    """Convolution of volumes (N, C, D, H, W) or (C, D, H, W); arguments as :class:`Conv2d`'s.

    Example:
        >>> lamina.nn.Conv3d(2, 8, 3, padding=1)(lamina.ones(1, 2, 4, 8, 8)).shape
        lamina.Size([1, 8, 4, 8, 8])
    """

    _rank = 3

    def forward(self, input: Tensor) -> Tensor:
        return self._convolve(F.conv3d, input)
