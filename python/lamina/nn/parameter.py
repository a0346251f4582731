"""Parameter: a tensor that a module trains."""

from __future__ import annotations

from typing import Any

from lamina.ops.creation import empty
from lamina.tensor import Tensor


class Parameter(Tensor):
    """A tensor that a :class:`Module` lists among its parameters once it is assigned as an attribute.

    Args:
        data: the values; default: an empty tensor.
        requires_grad: whether it is trained.

    Example:
        >>> lamina.nn.Parameter(lamina.zeros(2))
        Parameter containing:
        tensor([0., 0.], requires_grad=True)
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"[Parameter] expected a tensor, got {type(data).__name__}")
        super().__init__(data._array)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that a module keeps but does not train; assigning one as an attribute registers it.

    Args:
        data: the values.
        persistent: whether the state dict holds it.
    """

    def __init__(self, data: Tensor, *, persistent: bool = True) -> None:
        super().__init__(data._array)
        self.persistent: Any = persistent
