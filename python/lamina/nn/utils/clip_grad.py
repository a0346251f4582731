"""Bounds on gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lamina.autograd.grad_mode import no_grad
from lamina.ops.join import stack
from lamina.tensor import Tensor


@no_grad()  # type: ignore[untyped-decorator]
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales gradients in place so that their norm, taken together, is at most ``max_norm`` (Pascanu et al., 2013).

    Args:
        parameters: whose ``grad`` is scaled.
        max_norm: the bound.
        norm_type: which norm; may be ``inf``.
        error_if_nonfinite: raise if the norm is NaN or infinite.
        foreach: as in torch; without effect.

    Returns:
        The norm before scaling, 0-d.
    """
    grads = [
        p.grad for p in ([parameters] if isinstance(parameters, Tensor) else parameters) if p.grad is not None
    ]
    if not grads:
        from lamina.ops.creation import tensor

        return tensor(0.0)
    total = stack([g.norm(norm_type) for g in grads]).norm(norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"[clip_grad_norm_] the norm of the gradients is {total.item()}")
    scale = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for g in grads:
        g.mul_(scale)
    return total


@no_grad()  # type: ignore[untyped-decorator]
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamps every element of the gradients to [-clip_value, clip_value], in place."""
    for p in [parameters] if isinstance(parameters, Tensor) else parameters:
        if p.grad is not None:
            p.grad.clamp_(-clip_value, clip_value)
