"""Bounds on gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lamina.autograd.grad_mode import no_grad
from lamina.ops.join import stack
from lamina.tensor import Tensor


@no_grad()  # type: ignore[untyped-decorator]
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all tensors taken together as one vector, 0-d.

    Args:
        tensors: one or several, such as the gradients of a model.
        norm_type: which norm; may be ``inf``.
        error_if_nonfinite: raise if the norm is NaN or infinite.
        foreach: as in torch; without effect.

    Raises:
        RuntimeError: with ``error_if_nonfinite`` for such a norm.

    Example:
        >>> lamina.nn.utils.get_total_norm([lamina.tensor([3.0]), lamina.tensor([4.0])])
        tensor(5.)
    """
    from lamina.ops.creation import tensor

    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not listed:
        return tensor(0.0)
    total = stack([t.norm(norm_type) for t in listed]).norm(norm_type)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"[get_total_norm] the norm of order {norm_type} is {total.item()}")
    return total


def clip_scale(max_norm: float, total_norm: Tensor) -> Tensor:
    """The factor that brings a norm down to ``max_norm``, 1 at the most."""
    return (max_norm / (total_norm + 1e-6)).clamp(max=1.0)


@no_grad()  # type: ignore[untyped-decorator]
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scales gradients in place by ``max_norm / total_norm`` where that is below 1.

    Args:
        parameters: whose ``grad`` is scaled.
        max_norm: the bound.
        total_norm: the norm as :func:`get_total_norm` gives it.
        foreach: as in torch; without effect.
    """
    scale = clip_scale(max_norm, total_norm)
    for g in _gradients(parameters):
        g.mul_(scale)


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
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total: Tensor = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


@no_grad()  # type: ignore[untyped-decorator]
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamps every element of the gradients to [-clip_value, clip_value], in place."""
    for g in _gradients(parameters):
        g.clamp_(-clip_value, clip_value)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in listed if p.grad is not None]
