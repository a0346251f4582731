"""Fractional max pooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from lamina.nn import functional as F
from lamina.nn.functional.conv import sizes
from lamina.nn.functional.fractional_pool import fractional_output
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]

Sizes = int | Sequence[int]
Ratios = float | Sequence[float]


class _FractionalMaxPoolNd(Module):
    """The largest value of windows at drawn distances.

    Args:
        kernel_size: of the window, one number or one a dimension.
        output_size: one number or one a dimension.
        output_ratio: instead of it, its ratio to the input's size, between 0 and 1.
        return_indices: also give where each value is in its plane.
        _random_samples: the draws, instead of fresh ones each call.
    """

    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., Any]]
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Ratios | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        fractional_output(name, None, output_size, output_ratio, self._rank)
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self._rank)
        self.output_size, self.output_ratio = output_size, output_ratio
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)

    def forward(self, input: Tensor) -> Any:
        return self._function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )

    def extra_repr(self) -> str:
        size = "size" if self.output_size is not None else "ratio"
        return f"kernel_size={self.kernel_size}, output_{size}={getattr(self, f'output_{size}')}"


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Fractional max pooling of (N, C, H, W); see :func:`lamina.nn.functional.fractional_max_pool2d`.

    Example:
        >>> lamina.nn.FractionalMaxPool2d(3, output_ratio=0.5)(lamina.ones(1, 3, 20, 16)).shape
        lamina.Size([1, 3, 10, 8])
    """

    _rank = 2
    _function = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Fractional max pooling of (N, C, D, H, W); see :func:`lamina.nn.functional.fractional_max_pool3d`."""

    _rank = 3
    _function = staticmethod(F.fractional_max_pool3d)
