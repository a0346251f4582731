"""Padding layers: one class a mode, whatever the number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lamina.nn import functional as F
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """A border around the last ``_rank`` dimensions.

    Args:
        padding: one width for all sides, or two a dimension, the last dimension's first; negative ones crop.

    Raises:
        ValueError: for another number of widths, or an input of other than ``_rank`` + 1 or + 2 dimensions.
    """

    _rank: ClassVar[int]
    _mode: ClassVar[str]
    _value: float | None = None

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        n = 2 * self._rank
        self.padding = (padding,) * n if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != n:
            raise ValueError(f"[{type(self).__name__}] expected 1 or {n} widths, got {self.padding}")

    def forward(self, input: Tensor) -> Tensor:
        if self._mode != "constant" and input.ndim not in (self._rank + 1, self._rank + 2):
            raise ValueError(
                f"[{type(self).__name__}] expected {self._rank + 1} or {self._rank + 2} dimensions, "
                f"got shape {tuple(input.shape)}"
            )
        return F.pad(input, self.padding, self._mode, self._value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """A border of one value.

    Args:
        padding: one width for all sides, or two a dimension, the last dimension's first; negative ones crop.
        value: what the border holds.
    """

    _mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPad(_Pad):
    _mode = "reflect"


class _ReplicationPad(_Pad):
    _mode = "replicate"


class _CircularPad(_Pad):
    _mode = "circular"


class ConstantPad1d(_ConstantPad):
    """A border of one value at both ends of the last dimension; see :class:`ConstantPad2d`."""

    _rank = 1


class ConstantPad2d(_ConstantPad):
    """A border of one value around the last two dimensions.

    Args:
        padding: one width for all sides, or (left, right, top, bottom); negative ones crop.
        value: what the border holds.

    Example:
        >>> lamina.nn.ConstantPad2d((1, 0, 0, 0), 7.0)(lamina.ones(1, 1, 2))
        tensor([[[7., 1., 1.]]])
    """

    _rank = 2


class ConstantPad3d(_ConstantPad):
    """A border of one value around the last three dimensions; see :class:`ConstantPad2d`."""

    _rank = 3


class ZeroPad1d(_ZeroPad):
    """:class:`ConstantPad1d` of zeros."""

    _rank = 1


class ZeroPad2d(_ZeroPad):
    """:class:`ConstantPad2d` of zeros."""

    _rank = 2


class ZeroPad3d(_ZeroPad):
    """:class:`ConstantPad3d` of zeros."""

    _rank = 3


class ReflectionPad1d(_ReflectionPad):
    """(N, C, L) or (C, L) mirrored at its first and last elements."""

    _rank = 1


class ReflectionPad2d(_ReflectionPad):
    """(N, C, H, W) or (C, H, W) mirrored at its edges.

    Args:
        padding: one width for all sides, or (left, right, top, bottom), smaller than what they mirror.

    Example:
        >>> lamina.nn.ReflectionPad2d((1, 1, 0, 0))(lamina.tensor([[[1.0, 2.0, 3.0]]]))
        tensor([[[2., 1., 2., 3., 2.]]])
    """

    _rank = 2


class ReflectionPad3d(_ReflectionPad):
    """(N, C, D, H, W) or (C, D, H, W) mirrored at its edges; see :class:`ReflectionPad2d`."""

    _rank = 3


class ReplicationPad1d(_ReplicationPad):
    """(N, C, L) or (C, L) with its first and last elements repeated."""

    _rank = 1


class ReplicationPad2d(_ReplicationPad):
    """(N, C, H, W) or (C, H, W) with its edges repeated.

    Args:
        padding: one width for all sides, or (left, right, top, bottom); negative ones crop.
    """

    _rank = 2


class ReplicationPad3d(_ReplicationPad):
    """(N, C, D, H, W) or (C, D, H, W) with its edges repeated; see :class:`ReplicationPad2d`."""

    _rank = 3


class CircularPad1d(_CircularPad):
    """(N, C, L) or (C, L) continued from its other end."""

    _rank = 1


class CircularPad2d(_CircularPad):
    """(N, C, H, W) or (C, H, W) continued from its other ends.

    Args:
        padding: one width for all sides, or (left, right, top, bottom), no larger than the input.
    """

    _rank = 2


class CircularPad3d(_CircularPad):
    """(N, C, D, H, W) or (C, D, H, W) continued from its other ends; see :class:`CircularPad2d`."""

    _rank = 3
