"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from lamina import _C
from lamina.ops.creation import zeros_like
from lamina.optim.optimizer import Optimizer, Params, arguments
from lamina.tensor import Tensor

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Gradient descent whose iterates are averaged (Polyak & Juditsky, SIAM J. Control Optim. 1992).

    The average is in ``state[p]["ax"]``.

    Args:
        params: what to train.
        lambd: decay of the parameters; the learning rate of step t is ``lr / (1 + lambd lr t)^alpha``.
        alpha: the power of that decay.
        t0: the step at which averaging begins.
        lr, weight_decay, l1_decay, maximize, foreach, differentiable, capturable: see :class:`Optimizer`.

    Example:
        >>> p = lamina.nn.Parameter(lamina.ones(2))
        >>> p.grad = lamina.ones(2)
        >>> lamina.optim.ASGD([p], lr=0.5, lambd=0.0).step()
        >>> p.detach()
        tensor([0.5000, 0.5000])
    """

    _numbers = ("step", "eta", "mu")

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        *,
        l1_decay: float = 0,
    ) -> None:
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
            "l1_decay": l1_decay,
        }
        super().__init__(params, defaults)

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        lr, lambd = float(group["lr"]), group["lambd"]
        states = self._counted(params, lambda p: {"eta": lr, "mu": 1.0, "ax": zeros_like(p)})
        factors = [(s["eta"], s["mu"]) for s in states]
        _C.asgd_step(*arguments(group, params, states, ["ax"], factors=factors), lr, lambd)
        for state in states:
            step = state["step"]
            state["eta"] = lr / (1 + lambd * lr * step) ** group["alpha"]
            state["mu"] = 1 / max(1, step - group["t0"])
