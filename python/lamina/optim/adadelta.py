"""Adadelta."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Scales each element's gradient by the root mean square of its updates over that of its gradients.

    Zeiler, arXiv 1212.5701.

    Args:
        params: what to train.
        rho: decay of both mean squares.
        eps: added to both.
        lr, weight_decay, l1_decay, maximize, foreach, capturable, differentiable: see :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.zeros(2)
        >>> lamina.optim.Adadelta([p]).step()
        >>> p.detach()
        tensor([1., 1.])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
        l1_decay: float = 0,
    ) -> None:
        if not 0 <= rho <= 1:
            raise ValueError(f"[Adadelta] expected rho from 0 to 1, got {rho}")
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        states = self._counted(params, lambda p: {"square_avg": zeros_like(p), "acc_delta": zeros_like(p)})
        _C.adadelta_step(
            *arguments(group, params, states, ["square_avg", "acc_delta"]),
            float(group["lr"]),
            group["rho"],
            group["eps"],
        )
