"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params
from lamina.tensor import Tensor

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent with momentum (Polyak, or Nesterov's) and weight decay, all parameters in one kernel call.

    Args:
        params: what to train.
        lr: the learning rate.
        momentum: how much of the last update is kept.
        dampening: how much of the gradient is left out of the momentum.
        weight_decay: the factor of the L2 penalty's gradient.
        nesterov: look ahead along the momentum (Sutskever et al., ICML 2013).
        maximize: go uphill.

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
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("[SGD] Nesterov's momentum needs a momentum above 0 and no dampening")
        if momentum < 0:
            raise ValueError(f"[SGD] expected momentum of at least 0, got {momentum}")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        buffers, first = [], []
        if group["momentum"]:
            for p in params:
                state = self.state[p]
                fresh = state.get("momentum_buffer") is None
                if fresh:
                    state["momentum_buffer"] = zeros_like(p.detach())
                first.append(fresh)
                buffers.append(state["momentum_buffer"]._array)
        _C.sgd_step(
            [p._array for p in params],
            [p.grad._array for p in params],  # type: ignore[union-attr]
            buffers,
            first,
            group["lr"],
            group["momentum"],
            group["dampening"],
            group["weight_decay"],
            group["nesterov"],
            group["maximize"],
        )
