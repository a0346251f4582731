"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params
from lamina.tensor import Tensor

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam (Kingma & Ba, arXiv 1412.6980), all parameters in one kernel call.

    Args:
        params: what to train.
        lr: the learning rate.
        betas: decay of the means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: the factor of the L2 penalty's gradient.
        amsgrad: divide by the largest mean of squares so far (Reddi et al., ICLR 2018).
        maximize: go uphill.
        decoupled_weight_decay: shrink the weights directly, as :class:`AdamW`.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if not all(0 <= b < 1 for b in betas):
            raise ValueError(f"[{type(self).__name__}] expected betas from 0 to below 1, got {betas}")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        states = [self.state[p] for p in params]
        names = ["exp_avg", "exp_avg_sq"] + (["max_exp_avg_sq"] if group["amsgrad"] else [])
        for p, state in zip(params, states):
            for name in names:
                if name not in state:
                    state[name] = zeros_like(p.detach())
            state["step"] = state.get("step", 0) + 1
        beta1, beta2 = group["betas"]
        _C.adam_step(
            [p._array for p in params],
            [p.grad._array for p in params],  # type: ignore[union-attr]
            [s["exp_avg"]._array for s in states],
            [s["exp_avg_sq"]._array for s in states],
            [s["max_exp_avg_sq"]._array for s in states] if group["amsgrad"] else [],
            [s["step"] for s in states],
            group["lr"],
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            group["decoupled_weight_decay"],
            group["amsgrad"],
            group["maximize"],
        )


class AdamW(Adam):
    """Adam with weight decay decoupled from the gradient (Loshchilov & Hutter, arXiv 1711.05101).

    Args:
        params: what to train.
        lr: the learning rate.
        betas: decay of the means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: the fraction of the weights, times ``lr``, that a step takes off.
        amsgrad: divide by the largest mean of squares so far.
        maximize: go uphill.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True
        )
