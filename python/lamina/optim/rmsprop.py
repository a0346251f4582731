"""RMSprop."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Divides each element's gradient by the root of its running mean square (Tieleman & Hinton, 2012).

    Args:
        params: what to train.
        alpha: decay of the mean square.
        eps: added to the denominator.
        momentum: how much of the last update is kept.
        centered: divide by the deviation from the running mean instead (Graves, arXiv 1308.0850).
        lr, weight_decay, l1_decay, max_grad_norm, maximize, capturable, foreach, differentiable: see
            :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.ones(2)
        >>> lamina.optim.RMSprop([p], lr=0.05).step()
        >>> p.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        *,
        l1_decay: float = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults, max_grad_norm)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        names = [
            "square_avg",
            "momentum_buffer" if group["momentum"] > 0 else None,
            "grad_avg" if group["centered"] else None,
        ]
        states = self._counted(params, lambda p: {name: zeros_like(p) for name in names if name})
        _C.rmsprop_step(
            *arguments(group, params, states, names),
            float(group["lr"]),
            group["alpha"],
            group["eps"],
            group["momentum"],
            group["centered"],
        )
