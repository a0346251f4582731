"""The type of ``Tensor.shape``."""

from __future__ import annotations


class Size(tuple[int, ...]):
    """A shape: a tuple of sizes that also counts elements.

    Example:
        >>> lamina.zeros(2, 3).shape
        lamina.Size([2, 3])
        >>> lamina.zeros(2, 3).shape.numel()
        6
    """

    __slots__ = ()

    def numel(self) -> int:
        n = 1
        for size in self:
            n *= size
        return n

    def __repr__(self) -> str:
        return f"lamina.Size({list(self)})"
