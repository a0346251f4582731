"""RAdam."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """Adam that rectifies the variance of its first steps (Liu et al., arXiv 1908.03265).

    Args:
        params: what to train.
        betas: decay of the means of the gradient and of its square.
        eps: added to the denominator.
        decoupled_weight_decay: shrink the weights directly, as :class:`lamina.optim.AdamW`.
        lr, weight_decay, l1_decay, maximize, foreach, capturable, differentiable: see :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.ones(2)
        >>> lamina.optim.RAdam([p], lr=0.5).step()  # plain momentum for the first five steps
        >>> p.detach()
        tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        l1_decay: float = 0,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        states = self._counted(params, lambda p: {"exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)})
        beta1, beta2 = group["betas"]
        _C.radam_step(
            *arguments(group, params, states, ["exp_avg", "exp_avg_sq"]),
            float(group["lr"]),
            beta1,
            beta2,
            group["eps"],
        )
