"""Max unpooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from lamina.nn import functional as F
from lamina.nn.functional.conv import sizes
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"]

Sizes = int | Sequence[int]


class _MaxUnpoolNd(Module):
    """Puts the values of a max pooling back where it took them from.

    Args:
        kernel_size: of the pooling, one number or one a dimension, as for all that follow.
        stride: of the pooling; default: the kernel size.
        padding: of the pooling.
    """

    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self._rank)
        self.stride = self.kernel_size if stride is None else sizes(name, "stride", stride, self._rank)
        self.padding = sizes(name, "padding", padding, self._rank)

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return self._function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """The partial inverse of :class:`MaxPool1d`; see :func:`lamina.nn.functional.max_unpool1d`."""

    _rank = 1
    _function = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """The partial inverse of :class:`MaxPool2d`; see :func:`lamina.nn.functional.max_unpool2d`.

    Example:
        >>> y, indices = lamina.nn.MaxPool2d(2, return_indices=True)(lamina.rand(1, 3, 7, 7))
        >>> lamina.nn.MaxUnpool2d(2)(y, indices, output_size=(7, 7)).shape
        lamina.Size([1, 3, 7, 7])
    """

    _rank = 2
    _function = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """The partial inverse of :class:`MaxPool3d`; see :func:`lamina.nn.functional.max_unpool3d`."""

    _rank = 3
    _function = staticmethod(F.max_unpool3d)
