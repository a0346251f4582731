"""Newton's method."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.autograd.engine import grad as gradient_of
from lamina.autograd.grad_mode import enable_grad, no_grad
from lamina.ops.creation import zeros_like
from lamina.optim.full_batch import Closure, FullBatchOptimizer
from lamina.optim.line_search import backtrack
from lamina.optim.optimizer import Params
from lamina.tensor import Tensor

__all__ = ["Newton"]


class Newton(FullBatchOptimizer):
    """Newton's method with line search, the Newton equation solved by conjugate gradients.

    Needs no Hessian, only its products with vectors, each a second backward pass; where the loss curves downward, the
    search stops at what it has, which is a direction of descent (Nocedal & Wright, algorithm 7.1).

    Args:
        params: what to train, one group.
        lr: the step tried first, or taken where there is no line search; 1 is Newton's.
        max_iter: iterations a step.
        max_cg: Hessian-vector products an iteration; by default twice the number of parameter elements.
        tolerance_cg: how small the residual of the Newton equation becomes, as a fraction of the gradient.
        tolerance_grad: stop once no element of the gradient is larger.
        tolerance_change: stop once no parameter, or not the loss, changes by more.
        damping: added to the diagonal of the Hessian (Levenberg).
        line_search_fn: ``"armijo"``, halving the step until the loss decreases enough, or None for a fixed step.

    Example:
        >>> p = lamina.nn.Parameter(lamina.tensor([3.0, -2.0]))
        >>> optimizer = lamina.optim.Newton([p])
        >>> optimizer.step(lambda: (p**4).sum() + (p * p).sum())
        tensor(110., grad_fn=<AddBackward0>)
        >>> bool(p.abs().max() < 1e-5)
        True
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_cg: int | None = None,
        tolerance_cg: float = 1e-8,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        damping: float = 0,
        line_search_fn: str | None = "armijo",
    ) -> None:
        if line_search_fn not in (None, "armijo"):
            raise ValueError(f"[Newton] expected line_search_fn None or 'armijo', got {line_search_fn!r}")
        if not damping >= 0:
            raise ValueError(f"[Newton] expected damping of at least 0, got {damping}")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_cg": max_cg,
            "tolerance_cg": tolerance_cg,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "damping": damping,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    @no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Closure) -> Any:
        """Up to ``max_iter`` iterations.

        Args:
            closure: computes and returns the loss, without calling ``backward``: its graph is differentiated here.

        Returns:
            What the closure returned first, before any change.

        Raises:
            RuntimeError: if the closure has called backward, or the loss depends on no parameter.
        """
        group, state = self.param_groups[0], self.state[self._params[0]]
        state.setdefault("n_iter", 0)
        result = None
        for _ in range(group["max_iter"]):
            loss, grads = self._recorded_gradient(closure)
            result = loss if result is None else result
            grad = self._flat([None if g is None else g.detach() for g in grads])
            if grad.abs().max().item() <= group["tolerance_grad"]:
                break
            state["n_iter"] += 1
            d = self._solve(grads, grad)
            value, positions = loss.item(), self._positions()
            t = float(group["lr"])
            if group["line_search_fn"]:
                loss_at = partial(self._loss_at, closure, positions, d)
                t = backtrack(loss_at, value, grad.dot(d).item(), t)
            self._place(positions, t, d)
            if t * d.abs().max().item() <= group["tolerance_change"]:
                break
        return result

    def _recorded_gradient(self, closure: Closure) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        """The loss, and its gradients with the graph that computed them."""
        with enable_grad():
            loss = closure()
            if not isinstance(loss, Tensor) or not loss.requires_grad:
                raise RuntimeError(
                    "[Newton] expected a closure that returns a loss computed from the parameters"
                )
            try:
                return loss, tuple(gradient_of(loss, self._params, create_graph=True, allow_unused=True))
            except RuntimeError as error:
                raise RuntimeError(
                    "[Newton] expected a closure that returns the loss without calling backward"
                ) from error

    def _loss_at(self, closure: Closure, positions: list[Tensor], direction: Tensor, t: float) -> float:
        self._place(positions, t, direction)
        return float(closure())

    def _times_hessian(self, grads: tuple[Tensor | None, ...], v: Tensor) -> Tensor:
        """H v: the gradient of (gradient . v)."""
        roots, seeds, start = [], [], 0
        for p, g in zip(self._params, grads):
            if g is not None and g.requires_grad:
                roots.append(g)
                seeds.append(v[start : start + p.numel()].reshape(p.shape))
            start += p.numel()
        if not roots:  # the loss is linear
            return zeros_like(v)
        found = gradient_of(roots, self._params, seeds, retain_graph=True, allow_unused=True)
        return self._flat(list(found))

    def _solve(self, grads: tuple[Tensor | None, ...], grad: Tensor) -> Tensor:
        """(H + damping I) d = -grad by conjugate gradients, up to a direction of curvature 0 or below."""
        group = self.param_groups[0]
        d, residual = zeros_like(grad), -grad
        direction, square = residual.clone(), residual.dot(residual).item()
        enough = square * group["tolerance_cg"] ** 2
        for k in range(group["max_cg"] or 2 * grad.numel()):
            product = self._times_hessian(grads, direction).add_(direction, alpha=group["damping"])
            curvature = direction.dot(product).item()
            if not curvature > 0:
                return d if k else residual
            t = square / curvature
            d.add_(direction, alpha=t)
            residual.add_(product, alpha=-t)
            square, last = residual.dot(residual).item(), square
            if square <= enough:
                break
            direction.mul_(square / last).add_(residual)
        return d
