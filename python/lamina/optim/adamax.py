"""Adamax."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the mean square (Kingma & Ba, arXiv 1412.6980, section 7.1).

    Args:
        params: what to train.
        betas: decay of the mean of the gradient and of its largest size.
        eps: added to the size of each gradient.
        lr, weight_decay, l1_decay, maximize, foreach, differentiable, capturable: see :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.ones(2)
        >>> lamina.optim.Adamax([p], lr=0.5).step()
        >>> p.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        l1_decay: float = 0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        states = self._counted(params, lambda p: {"exp_avg": zeros_like(p), "exp_inf": zeros_like(p)})
        beta1, beta2 = group["betas"]
        _C.adamax_step(
            *arguments(group, params, states, ["exp_avg", "exp_inf"]),
            float(group["lr"]),
            beta1,
            beta2,
            group["eps"],
        )
