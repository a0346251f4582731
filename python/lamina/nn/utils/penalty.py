"""Regularisation as functions of the parameters: penalties to add to a loss, and the max-norm constraint."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.autograd.grad_mode import no_grad
from lamina.tensor import Tensor

Parameters = Tensor | Iterable[Tensor]


def l1_penalty(parameters: Parameters) -> Tensor:
    """The sum of all absolute values, 0-d; its gradient, a parameter's sign, is what ``l1_decay`` of an optimizer adds.

    Example:
        >>> lamina.nn.utils.l1_penalty(lamina.tensor([3.0, -4.0]))
        tensor(7.)
    """
    return _sum("l1_penalty", [p.abs().sum() for p in _listed(parameters)])


def l2_penalty(parameters: Parameters) -> Tensor:
    """Half the sum of all squares, 0-d; its gradient, the parameter, is what ``weight_decay`` of an optimizer adds.

    Example:
        >>> lamina.nn.utils.l2_penalty(lamina.tensor([3.0, -4.0]))
        tensor(12.5000)
    """
    return _sum("l2_penalty", [p.square().sum() for p in _listed(parameters)]) * 0.5


def elastic_net_penalty(parameters: Parameters, l1: float, l2: float) -> Tensor:
    """``l1 * l1_penalty + l2 * l2_penalty``, 0-d (Zou & Hastie, J. R. Stat. Soc. B 2005).

    Args:
        parameters: one tensor or several.
        l1: the factor of the absolute values.
        l2: the factor of half the squares.

    Example:
        >>> lamina.nn.utils.elastic_net_penalty(lamina.tensor([3.0, -4.0]), l1=1.0, l2=2.0)
        tensor(32.)
    """
    listed = _listed(parameters)
    return l1_penalty(listed) * l1 + l2_penalty(listed) * l2


@no_grad()  # type: ignore[untyped-decorator]
def max_norm_(parameters: Parameters, max_norm: float, norm_type: float = 2.0, dim: int = 0) -> None:
    """Shrinks in place each unit's weights whose norm is above ``max_norm`` onto that norm; call it after a step.

    Srivastava et al., JMLR 2014. A unit is one index along ``dim``, for the weights of linear and convolution layers
    an output.

    Args:
        parameters: one tensor or several, each of at least two dimensions (biases have no such norm).
        max_norm: the bound.
        norm_type: which norm; may be ``inf``.
        dim: the dimension that counts the units.

    Raises:
        ValueError: for a bound below 0 or a parameter of fewer than two dimensions.

    Example:
        >>> w = lamina.tensor([[3.0, 4.0], [0.3, 0.4]])
        >>> lamina.nn.utils.max_norm_(w, 1.0)
        >>> w
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    if not max_norm >= 0:
        raise ValueError(f"[max_norm_] expected max_norm of at least 0, got {max_norm}")
    for p in _listed(parameters):
        if p.ndim < 2:
            raise ValueError(f"[max_norm_] expected at least 2 dimensions, got shape {tuple(p.shape)}")
        others = [d for d in range(p.ndim) if d != dim % p.ndim]
        norms = p.norm(norm_type, dim=others, keepdim=True)
        p.mul_((max_norm / norms).clamp(max=1.0).masked_fill(norms == 0, 1.0))


def _listed(parameters: Parameters) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _sum(op: str, terms: list[Tensor]) -> Tensor:
    if not terms:
        raise ValueError(f"[{op}] expected at least one parameter")
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
