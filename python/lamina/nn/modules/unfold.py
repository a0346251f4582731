"""Patches of images as columns, and back, as layers."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.nn import functional as F
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["Fold", "Unfold"]

Sizes = int | Sequence[int]


class Unfold(Module):
    """The patches of images (N, C, H, W) as columns; see :func:`lamina.nn.functional.unfold`.

    Args:
        kernel_size: of a patch, one number or (height, width), as for all that follow.
        dilation: pixels from one element of a patch to the next.
        padding: zeros on each side of the input.
        stride: pixels from one patch to the next.

    Example:
        >>> lamina.nn.Unfold(3, padding=1)(lamina.ones(2, 4, 8, 8)).shape
        lamina.Size([2, 36, 64])
    """

    def __init__(
        self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Columns added as patches onto images of ``output_size``; see :func:`lamina.nn.functional.fold`.

    Args:
        output_size: (height, width) of the images, or one number for both.
        kernel_size: and the others as of :class:`Unfold`.

    Example:
        >>> lamina.nn.Fold((8, 8), 3, padding=1)(lamina.ones(2, 36, 64)).shape
        lamina.Size([2, 4, 8, 8])
    """

    def __init__(
        self,
        output_size: Sizes,
        kernel_size: Sizes,
        dilation: Sizes = 1,
        padding: Sizes = 0,
        stride: Sizes = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )
