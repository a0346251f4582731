"""Resilient backpropagation."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import full_like, zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Steps by the sign of the gradient, with a step size an element (Riedmiller & Braun, ICNN 1993).

    For whole batches: the sign of a gradient must mean something.

    Args:
        params: what to train.
        etas: the factors of a step size where the gradient turned, and where it kept its sign.
        step_sizes: the smallest and the largest step size.
        lr, maximize, capturable, foreach, differentiable: see :class:`Optimizer`; ``lr`` is the first step size.
        l1_decay: see Optimizer.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.tensor([1.0, 100.0])
        >>> lamina.optim.Rprop([p], lr=0.5).step()
        >>> p.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        l1_decay: float = 0,
    ) -> None:
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"[Rprop] expected etas below and above 1, got {etas}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        lr = float(group["lr"])
        states = self._counted(params, lambda p: {"prev": zeros_like(p), "step_size": full_like(p, lr)})
        _C.rprop_step(
            *arguments(group, params, states, ["prev", "step_size"]), *group["etas"], *group["step_sizes"]
        )
