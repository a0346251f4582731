"""Quasi-Newton methods: L-BFGS, and BFGS with a dense inverse Hessian."""

from __future__ import annotations

from functools import partial
from typing import Any

from lamina.autograd.grad_mode import no_grad
from lamina.ops.matmul import outer
from lamina.ops.ranges import eye
from lamina.optim.full_batch import Closure, FullBatchOptimizer
from lamina.optim.line_search import Point, strong_wolfe
from lamina.optim.optimizer import Params
from lamina.tensor import Tensor

__all__ = ["BFGS", "LBFGS"]

_LEAST_CURVATURE = 1e-10  # of a step: below it the approximation would lose its positive definiteness


class _QuasiNewton(FullBatchOptimizer):
    """Steps along the negative gradient, times an inverse Hessian that a subclass learns from changes of the gradient.

    A subclass takes in a step ``s`` and the change ``y`` of the gradient along it in ``_learn``, and says where to go
    from a gradient in ``_direction``.
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor,
        max_iter: int,
        max_eval: int | None,
        tolerance_grad: float,
        tolerance_change: float,
        line_search_fn: str | None,
        **defaults: Any,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(
                f"[{type(self).__name__}] expected line_search_fn None or 'strong_wolfe', got {line_search_fn!r}"
            )
        options = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            **defaults,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, options)

    def _learn(self, state: dict[str, Any], s: Tensor, y: Tensor, curvature: float) -> None:
        raise NotImplementedError

    def _direction(self, state: dict[str, Any], grad: Tensor) -> Tensor:
        raise NotImplementedError

    @no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Closure) -> Any:
        """Up to ``max_iter`` iterations.

        Args:
            closure: clears the gradients, computes the loss, calls ``backward`` and returns the loss.

        Returns:
            What the closure returned first, before any change.
        """
        group, state = self.param_groups[0], self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        result, loss, grad = self._evaluate(closure)
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            if grad.abs().max().item() <= group["tolerance_grad"]:
                break
            state["n_iter"] += 1
            d, t = self._next(state, grad, float(group["lr"]))
            before, slope = loss, grad.dot(d).item()
            state.update(d=d, t=t, prev_flat_grad=grad, prev_loss=loss)
            if slope > -group["tolerance_change"]:
                break
            positions = self._positions()
            if group["line_search_fn"]:
                point, used = strong_wolfe(
                    partial(self._point, closure, positions, d),
                    Point(0.0, loss, grad, slope),
                    t,
                    d.abs().max().item(),
                    max_trials=group["max_eval"] - evaluations,
                )
                state["t"], loss, grad = point.t, point.loss, point.grad
                evaluations += used
            self._place(positions, state["t"], d)
            if not group["line_search_fn"] and iteration < group["max_iter"]:
                _, loss, grad = self._evaluate(closure)
                evaluations += 1
            moved = abs(state["t"]) * d.abs().max().item()
            if evaluations >= group["max_eval"] or moved <= group["tolerance_change"]:
                break
            if abs(loss - before) < group["tolerance_change"]:
                break
        state["func_evals"] += evaluations
        return result

    def _next(self, state: dict[str, Any], grad: Tensor, lr: float) -> tuple[Tensor, float]:
        """The direction of an iteration and the step to try first."""
        if state["n_iter"] == 1:
            return -grad, min(1.0, 1.0 / grad.abs().sum().item()) * lr
        s, y = state["d"] * float(state["t"]), grad - state["prev_flat_grad"]
        curvature = y.dot(s).item()
        if curvature > _LEAST_CURVATURE:
            self._learn(state, s, y, curvature)
        return self._direction(state, grad), lr


class LBFGS(_QuasiNewton):
    """Limited-memory BFGS: the inverse Hessian as the last changes of the gradient (Liu & Nocedal, 1989).

    Args:
        params: what to train, one group.
        lr: the step tried first, or taken where there is no line search.
        max_iter: iterations a step.
        max_eval: evaluations of the closure a step; 5/4 of ``max_iter`` by default.
        tolerance_grad: stop once no element of the gradient is larger.
        tolerance_change: stop once no parameter, or not the loss, changes by more.
        history_size: how many changes are kept.
        line_search_fn: ``"strong_wolfe"``, or None for a fixed step.

    Example:
        >>> p = lamina.nn.Parameter(lamina.tensor([3.0, -2.0]))
        >>> optimizer = lamina.optim.LBFGS([p], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (p * p).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)
        tensor(13., grad_fn=<SumBackward0>)
        >>> bool(p.abs().max() < 1e-5)
        True
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if history_size < 1:
            raise ValueError(f"[LBFGS] expected a history_size of at least 1, got {history_size}")
        super().__init__(
            params,
            lr,
            max_iter,
            max_eval,
            tolerance_grad,
            tolerance_change,
            line_search_fn,
            history_size=history_size,
        )

    def _learn(self, state: dict[str, Any], s: Tensor, y: Tensor, curvature: float) -> None:
        for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1 / curvature)):
            kept = state.setdefault(name, [])
            if len(kept) == self.param_groups[0]["history_size"]:
                kept.pop(0)
            kept.append(value)
        state["H_diag"] = curvature / y.dot(y).item()

    def _direction(self, state: dict[str, Any], grad: Tensor) -> Tensor:
        """The two-loop recursion (Nocedal & Wright, algorithm 7.4)."""
        history = list(zip(state.get("old_stps", []), state.get("old_dirs", []), state.get("ro", [])))
        d, weights = -grad, []
        for s, y, ro in reversed(history):
            weights.append(s.dot(d).item() * float(ro))
            d.add_(y, alpha=-weights[-1])
        d.mul_(float(state.get("H_diag", 1.0)))
        for (s, y, ro), weight in zip(history, reversed(weights)):
            d.add_(s, alpha=weight - y.dot(d).item() * float(ro))
        return d


class BFGS(_QuasiNewton):
    """BFGS with the whole inverse Hessian, n^2 numbers for n parameters (Nocedal & Wright, algorithm 6.1).

    Args:
        params: what to train, one group.
        lr: the step tried first, or taken where there is no line search.
        max_iter: iterations a step.
        max_eval: evaluations of the closure a step; 5/4 of ``max_iter`` by default.
        tolerance_grad: stop once no element of the gradient is larger.
        tolerance_change: stop once no parameter, or not the loss, changes by more.
        line_search_fn: ``"strong_wolfe"``, or None for a fixed step.

    Example:
        >>> p = lamina.nn.Parameter(lamina.tensor([3.0, -2.0]))
        >>> optimizer = lamina.optim.BFGS([p])
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (p * p).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)
        tensor(13., grad_fn=<SumBackward0>)
        >>> bool(p.abs().max() < 1e-5)
        True
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        line_search_fn: str | None = "strong_wolfe",
    ) -> None:
        super().__init__(params, lr, max_iter, max_eval, tolerance_grad, tolerance_change, line_search_fn)

    def _learn(self, state: dict[str, Any], s: Tensor, y: Tensor, curvature: float) -> None:
        """H <- (I - s y^T / c) H (I - y s^T / c) + s s^T / c, c = s^T y; written as H + s a^T + a s^T."""
        if "inverse_hessian" not in state:  # scaled as the last step was (equation 6.20)
            state["inverse_hessian"] = eye(s.numel(), dtype=s.dtype) * (curvature / y.dot(y).item())
        h = state["inverse_hessian"]
        hy = h @ y
        a = s * ((1 + y.dot(hy).item() / curvature) / (2 * curvature)) - hy / curvature
        product = outer(s, a)
        h.add_(product).add_(product.t())

    def _direction(self, state: dict[str, Any], grad: Tensor) -> Tensor:
        return -(state["inverse_hessian"] @ grad) if "inverse_hessian" in state else -grad
