"""Power-average pooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from lamina.nn import functional as F
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["LPPool1d", "LPPool2d", "LPPool3d"]

Sizes = int | Sequence[int]


class _LPPoolNd(Module):
    """The p-norm of each window.

    Args:
        norm_type: the power p.
        kernel_size: of the window, one number or one a dimension.
        stride: between windows; default: the kernel size.
        ceil_mode: keep a last window that leaves the input.
    """

    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride = norm_type, kernel_size, stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self._function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of (N, C, L); see :func:`lamina.nn.functional.lp_pool1d`."""

    _function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of (N, C, H, W); see :func:`lamina.nn.functional.lp_pool2d`.

    Example:
        >>> lamina.nn.LPPool2d(2, 2)(lamina.ones(1, 3, 8, 8)).shape
        lamina.Size([1, 3, 4, 4])
    """

    _function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of (N, C, D, H, W); see :func:`lamina.nn.functional.lp_pool3d`."""

    _function = staticmethod(F.lp_pool3d)
