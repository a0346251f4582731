"""Transposed convolution layers: one class for any number of dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from lamina.nn import functional as F
from lamina.nn.functional.conv import sizes
from lamina.nn.modules.conv import _ConvNd
from lamina.tensor import Tensor

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution over ``_rank`` dimensions; documented at :class:`ConvTranspose2d`."""

    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        name, rank = type(self).__name__, self._rank
        if padding_mode != "zeros":
            raise ValueError(f"[{name}] expected padding_mode to be 'zeros', got {padding_mode!r}")
        padding = sizes(name, "padding", padding, rank)
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.output_padding = sizes(name, "output_padding", output_padding, rank)

    def _weight_shape(self) -> tuple[int, ...]:
        return self.in_channels, self.out_channels // self.groups, *self.kernel_size

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        extra = self.output_padding if output_size is None else self._padding_for(input, output_size)
        return self._function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _padding_for(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that makes the output as large as ``output_size`` says."""
        name, rank = type(self).__name__, self._rank
        wanted = tuple(output_size)[-rank:]
        if len(output_size) not in (rank, input.ndim) or input.ndim not in (rank + 1, rank + 2):
            raise ValueError(
                f"[{name}] expected an output_size of {rank} or {input.ndim} numbers for an input of shape "
                f"{tuple(input.shape)}, got {tuple(output_size)}"
            )
        extra = tuple(
            w - ((i - 1) * s - 2 * p + d * (k - 1) + 1)
            for w, i, s, p, d, k in zip(
                wanted,
                input.shape[-rank:],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        )
        if any(not 0 <= e < s for e, s in zip(extra, self.stride)):
            least = tuple(w - e for w, e in zip(wanted, extra))
            most = tuple(low + s - 1 for low, s in zip(least, self.stride))
            raise ValueError(f"[{name}] expected an output_size from {least} to {most}, got {wanted}")
        return extra


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution of sequences (N, C, L) or (C, L); arguments as :class:`ConvTranspose2d`'s.

    Example:
        >>> lamina.nn.ConvTranspose1d(3, 8, 4, stride=2, padding=1)(lamina.ones(2, 3, 20)).shape
        lamina.Size([2, 8, 40])
    """

    _rank = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution of images (N, C, H, W) or (C, H, W); see :func:`lamina.nn.functional.conv_transpose2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: size of the kernel; one number, or one for each dimension, as for all that follow.
        stride: output pixels from one input pixel to the next.
        padding: output pixels to cut off on each side.
        output_padding: output pixels to add behind.
        groups: how many groups the channels fall into.
        bias: whether to add a bias.
        dilation: output pixels from one tap of the kernel to the next.
        padding_mode: ``"zeros"``.
        device: where the parameters live.
        dtype: float32 or float64.

    Attributes:
        weight: (in_channels, out_channels / groups, kernel...), drawn uniformly from +-1/sqrt(fan in), where fan in
            is (out_channels / groups) times the kernel's size, as torch has it.
        bias: (out_channels,), drawn likewise.

    ``forward(input, output_size)`` chooses the output padding that gives this size, with or without the leading
    dimensions.

    Raises:
        ValueError: for sizes below 1, channels that the groups don't divide, or an output size that no output padding
            gives.

    Example:
        >>> down = lamina.nn.Conv2d(4, 4, 3, stride=2, padding=1)
        >>> up = lamina.nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1)
        >>> x = lamina.ones(1, 4, 12, 12)
        >>> up(down(x), output_size=x.shape).shape
        lamina.Size([1, 4, 12, 12])
    """

    _rank = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of volumes (N, C, D, H, W) or (C, D, H, W); arguments as :class:`ConvTranspose2d`'s.

    Example:
        >>> lamina.nn.ConvTranspose3d(3, 8, 2, stride=2)(lamina.ones(2, 3, 4, 4, 4)).shape
        lamina.Size([2, 8, 8, 8, 8])
    """

    _rank = 3
    _function = staticmethod(F.conv_transpose3d)
