"""Adagrad."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import full_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Divides each element's gradient by the root of its squares so far (Duchi et al., JMLR 2011).

    Args:
        params: what to train.
        lr_decay: divides the learning rate of step t by ``1 + (t - 1) lr_decay``.
        initial_accumulator_value: what the sum of squares begins with.
        eps: added to the denominator.
        lr, weight_decay, l1_decay, max_grad_norm, maximize, foreach, differentiable, fused: see :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.tensor([1.0, 100.0])
        >>> lamina.optim.Adagrad([p], lr=0.5).step()
        >>> p.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        l1_decay: float = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults, max_grad_norm)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        start = group["initial_accumulator_value"]
        states = self._counted(params, lambda p: {"sum": full_like(p, start)})
        _C.adagrad_step(
            *arguments(group, params, states, ["sum"]), float(group["lr"]), group["lr_decay"], group["eps"]
        )
