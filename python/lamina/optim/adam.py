"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam (Kingma & Ba, arXiv 1412.6980), all parameters in one kernel call.

    Args:
        params: what to train.
        betas: decay of the means of the gradient and of its square.
        eps: added to the denominator.
        amsgrad: divide by the largest mean of squares so far (Reddi et al., ICLR 2018).
        decoupled_weight_decay: shrink the weights directly, as :class:`AdamW`.
        lr, weight_decay, l1_decay, max_grad_norm, maximize, foreach, capturable, differentiable, fused: see
            :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.tensor([1.0, 100.0])
        >>> lamina.optim.Adam([p], lr=0.5).step()
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
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        l1_decay: float = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
            "l1_decay": l1_decay,
        }
        _check_tensor_settings(lr, betas, bool(foreach) and not capturable)
        super().__init__(params, defaults, max_grad_norm)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        names = ["exp_avg", "exp_avg_sq", "max_exp_avg_sq" if group["amsgrad"] else None]
        states = self._counted(params, lambda p: {name: zeros_like(p) for name in names if name})
        beta1, beta2 = group["betas"]
        _C.adam_step(
            *arguments(group, params, states, names),
            float(group["lr"]),
            beta1,
            beta2,
            group["eps"],
            group["amsgrad"],
        )


def _check_tensor_settings(lr: Any, betas: Any, only_numbers: bool) -> None:
    """Refuses what torch refuses: tensors where ``foreach`` reads numbers, or one of the betas alone."""
    of = [isinstance(beta, Tensor) for beta in betas]
    if any(of) and not all(of):
        raise ValueError(f"[Adam] expected both betas as numbers or both as tensors, got {betas}")
    if only_numbers and (isinstance(lr, Tensor) or any(of)):
        raise ValueError("[Adam] expected numbers for lr and betas with foreach=True, got tensors")


class AdamW(Adam):
    """Adam with weight decay decoupled from the gradient (Loshchilov & Hutter, arXiv 1711.05101).

    Args:
        params: what to train.
        betas: decay of the means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: the fraction of the weights, times ``lr``, that a step takes off.
        l1_decay: what a step takes off the size of each weight, times ``lr``.
        amsgrad: divide by the largest mean of squares so far.
        lr, max_grad_norm, maximize, foreach, capturable, differentiable, fused: see :class:`Optimizer`.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        l1_decay: float = 0,
        max_grad_norm: float | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
            l1_decay=l1_decay,
            max_grad_norm=max_grad_norm,
        )
