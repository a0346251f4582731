"""Functions that see gradients on their way through the graph."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.autograd.graph import Node
    from lamina.tensor import Tensor


class Hook:
    """A registered hook; ``remove()`` takes it off again, and so does the end of a ``with`` block."""

    def __init__(self, node: Node, index: int, function: Callable[[Tensor], Tensor | None]) -> None:
        self._entry = (index, function)
        self._hooks = node.hooks = node.hooks or []
        kept = sum(
            isinstance(hook, KeepGrad) for _, hook in self._hooks
        )  # these come last: they see what hooks made
        self._hooks.insert(len(self._hooks) - (0 if isinstance(function, KeepGrad) else kept), self._entry)

    def remove(self) -> None:
        """Takes the hook off; more than once does no harm."""
        self._hooks[:] = [entry for entry in self._hooks if entry is not self._entry]

    def __enter__(self) -> Hook:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class KeepGrad:
    """What ``retain_grad`` registers: stores the gradient in the tensor, which it does not keep alive."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, grad: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor._grad = grad if tensor._grad is None else tensor._grad + grad
