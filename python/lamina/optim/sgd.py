"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent with momentum (Polyak, or Nesterov's) and weight decay, all parameters in one kernel call.

    Args:
        params: what to train.
        momentum: how much of the last update is kept.
        dampening: how much of the gradient is left out of the momentum.
        nesterov: look ahead along the momentum (Sutskever et al., ICML 2013).
        lr, weight_decay, l1_decay, max_grad_norm, maximize, foreach, differentiable, fused: see :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.ones(2)
        >>> lamina.optim.SGD([p], lr=0.5).step()
        >>> p.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        l1_decay: float = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("[SGD] Nesterov's momentum needs a momentum above 0 and no dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults, max_grad_norm)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        states = [self.state[p] for p in params] if group["momentum"] else []
        steps = [2.0] * len(params)
        for i, state in enumerate(states):
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = zeros_like(params[i].detach())
                steps[i] = 1.0
        _C.sgd_step(
            *arguments(group, params, states, ["momentum_buffer"], steps=steps),
            float(group["lr"]),
            group["momentum"],
            group["dampening"],
            group["nesterov"],
        )
