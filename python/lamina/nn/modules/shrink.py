"""Activations that are zero around zero, and Threshold."""

from __future__ import annotations

from lamina.nn import functional as F
from lamina.nn.modules.activation import _Inplace
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["Hardshrink", "Softshrink", "Tanhshrink", "Threshold"]


class _Shrink(Module):
    """An activation that is zero from ``-lambd`` to ``lambd``.

    Args:
        lambd: half the width of the gap.
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """``x`` outside of the gap; see :func:`lamina.nn.functional.hardshrink`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """``x`` moved towards 0 by ``lambd``; see :func:`lamina.nn.functional.softshrink`."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)


class Tanhshrink(Module):
    """``x - tanh(x)``."""

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


class Threshold(_Inplace):
    """``x`` where it exceeds ``threshold``, else ``value``.

    Args:
        threshold: the bound.
        value: what stands for elements at or below it.
        inplace: write over the input.
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold, self.value = threshold, value

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")
