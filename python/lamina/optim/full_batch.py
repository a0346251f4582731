"""What optimizers of whole batches share: all parameters as one vector, and the loss along a direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from lamina.autograd.grad_mode import enable_grad
from lamina.ops.creation import zeros_like
from lamina.ops.join import cat
from lamina.optim.line_search import Point
from lamina.optim.optimizer import Optimizer, Params
from lamina.tensor import Tensor

Closure = Callable[[], Any]


class FullBatchOptimizer(Optimizer):
    """The base of optimizers that evaluate the loss several times a step and see one vector of parameters.

    The state, of all parameters together, is kept with the first one.

    Raises:
        ValueError: for more than one parameter group.
    """

    _numbers: ClassVar[tuple[str, ...]] = ()

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(
                f"[{type(self).__name__}] expected one parameter group, got {len(self.param_groups)}"
            )
        self._params: list[Tensor] = self.param_groups[0]["params"]

    def _flat(self, tensors: list[Tensor | None]) -> Tensor:
        """One vector of a tensor a parameter, zeros for None."""
        return cat(
            [(zeros_like(p.detach()) if t is None else t).reshape(-1) for p, t in zip(self._params, tensors)]
        )

    def _flat_grad(self) -> Tensor:
        return self._flat([None if p.grad is None else p.grad.detach() for p in self._params])

    def _positions(self) -> list[Tensor]:
        return [p.detach().clone() for p in self._params]

    def _place(self, positions: list[Tensor], t: float = 0.0, direction: Tensor | None = None) -> None:
        """Puts the parameters at ``positions + t direction``."""
        start = 0
        for p, x in zip(self._params, positions):
            p.copy_(x)
            if direction is not None:
                p.add_(direction[start : start + p.numel()].reshape(p.shape), alpha=t)
            start += p.numel()

    def _evaluate(self, closure: Closure) -> tuple[Any, float, Tensor]:
        """What a closure that calls backward returns, the same as a number, and the gradient."""
        with enable_grad():
            result = closure()
        if result is None:
            raise TypeError(f"[{type(self).__name__}] expected a closure that returns the loss, got None")
        return result, float(result), self._flat_grad()

    def _point(self, closure: Closure, positions: list[Tensor], direction: Tensor, t: float) -> Point:
        """The point at ``positions + t direction``, where the parameters are left."""
        self._place(positions, t, direction)
        _, loss, grad = self._evaluate(closure)
        return Point(t, loss, grad, grad.dot(direction).item())
