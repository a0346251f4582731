"""NAdam."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which warms up (Dozat, ICLR 2016 workshop).

    Args:
        params: what to train.
        betas: decay of the means of the gradient and of its square.
        eps: added to the denominator.
        momentum_decay: how soon the momentum of step t, ``beta1 (1 - 0.96^(t momentum_decay) / 2)``, reaches beta1.
        decoupled_weight_decay: shrink the weights directly, as :class:`lamina.optim.AdamW`.
        lr, weight_decay, l1_decay, maximize, foreach, capturable, differentiable: see :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.zeros(2)
        >>> lamina.optim.NAdam([p]).step()
        >>> p.detach()
        tensor([1., 1.])
    """

    _numbers = ("step", "mu_product")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        states = self._counted(
            params, lambda p: {"mu_product": 1.0, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}
        )
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]

        def momentum(step: int) -> float:
            return float(beta1 * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"])))

        factors = []
        for state in states:
            mu, following = momentum(state["step"]), momentum(state["step"] + 1)
            product = state["mu_product"] = state["mu_product"] * mu
            factors.append((lr * (1 - mu) / (1 - product), lr * following / (1 - product * following)))
        _C.nadam_step(
            *arguments(group, params, states, ["exp_avg", "exp_avg_sq"], factors=factors),
            lr,
            beta1,
            beta2,
            group["eps"],
        )
