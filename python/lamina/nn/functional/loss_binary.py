"""Losses of probabilities and of signs."""

from __future__ import annotations

from lamina.autograd.cast_mode import casting
from lamina.nn.functional.loss_pointwise import (
    CROSS_ENTROPY,
    HINGE,
    KL,
    KL_LOG,
    SOFT_MARGIN,
    WITH_LOGITS,
    pointwise,
)
from lamina.nn.functional.loss_reduction import reduction_code
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "hinge_embedding_loss",
    "kl_div",
    "soft_margin_loss",
]


def _check_shapes(input: Tensor, target: Tensor, op: str) -> None:
    if input.shape != target.shape:
        raise ValueError(
            f"[{op}] expected a target of the input's shape {tuple(input.shape)}, got {tuple(target.shape)}"
        )


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """``-target log(input) - (1 - target) log(1 - input)``, with logarithms not below -100.

    Args:
        input: probabilities, any shape.
        target: probabilities in the shape of ``input``.
        weight: a factor an element, of a shape that broadcasts with them.
        reduction: ``"mean"`` (over the elements), ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the shapes do not fit, or an element is not from 0 to 1.

    Example:
        >>> lamina.nn.functional.binary_cross_entropy(lamina.tensor([0.5]), lamina.tensor([1.0]))
        tensor(0.6931)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("binary_cross_entropy", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("binary_cross_entropy", weight=weight)
    if casting.on:
        return in_autocast(binary_cross_entropy, input, target, weight, reduction)
    _check_shapes(input, target, "binary_cross_entropy")
    code = reduction_code(reduction, "binary_cross_entropy")
    return pointwise(CROSS_ENTROPY, input, target, code, weight=weight)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """:func:`binary_cross_entropy` of ``sigmoid(input)``, without overflow or loss of digits.

    Args:
        input: logits, any shape.
        target: probabilities in the shape of ``input``.
        weight: a factor an element, of a shape that broadcasts with them.
        reduction: ``"mean"`` (over the elements), ``"sum"`` or ``"none"``.
        pos_weight: the factor of the losses of positive targets, of a shape that broadcasts, such as (classes,).

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> lamina.nn.functional.binary_cross_entropy_with_logits(lamina.zeros(1), lamina.ones(1))
        tensor(0.6931)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("binary_cross_entropy_with_logits", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("binary_cross_entropy_with_logits", weight=weight)
    if pos_weight is not None and not isinstance(pos_weight, Tensor):
        expect_tensors("binary_cross_entropy_with_logits", pos_weight=pos_weight)
    if casting.on:
        return in_autocast(binary_cross_entropy_with_logits, input, target, weight, reduction, pos_weight)
    _check_shapes(input, target, "binary_cross_entropy_with_logits")
    code = reduction_code(reduction, "binary_cross_entropy_with_logits")
    return pointwise(WITH_LOGITS, input, target, code, positive=pos_weight, weight=weight)


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence of elements: ``target (log(target) - input)``.

    Args:
        input: log-probabilities, any shape.
        target: probabilities, of a shape that broadcasts with it.
        reduction: ``"mean"`` over the elements, ``"batchmean"`` over the first dimension (the divergence by its
            definition), ``"sum"`` or ``"none"``.
        log_target: the target holds log-probabilities too.

    Example:
        >>> p = lamina.tensor([[0.5, 0.5]])
        >>> lamina.nn.functional.kl_div(p.log(), lamina.tensor([[1.0, 0.0]]), reduction="batchmean")
        tensor(0.6931)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("kl_div", input=input, target=target)
    if casting.on:
        return in_autocast(kl_div, input, target, reduction, log_target)
    code = reduction_code("sum" if reduction == "batchmean" else reduction, "kl_div")
    y = pointwise(KL_LOG if log_target else KL, input, target, code)
    return y / input.shape[0] if reduction == "batchmean" and input.ndim else y


def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """``log(1 + exp(-target input))`` for targets of 1 and -1.

    Args:
        input: scores, any shape.
        target: 1 or -1, of a shape that broadcasts with it.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Example:
        >>> lamina.nn.functional.soft_margin_loss(lamina.zeros(1), lamina.ones(1))
        tensor(0.6931)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("soft_margin_loss", input=input, target=target)
    if casting.on:
        return in_autocast(soft_margin_loss, input, target, reduction)
    return pointwise(SOFT_MARGIN, input, target, reduction_code(reduction, "soft_margin_loss"))


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """A distance itself where the target is 1, ``max(0, margin - input)`` where it is -1.

    Args:
        input: distances, any shape.
        target: 1 or -1, of a shape that broadcasts with it.
        margin: the distance at which unlike pairs cost nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Example:
        >>> x, y = lamina.tensor([0.25, 0.25]), lamina.tensor([1.0, -1.0])
        >>> lamina.nn.functional.hinge_embedding_loss(x, y, reduction="none")
        tensor([0.2500, 0.7500])
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("hinge_embedding_loss", input=input, target=target)
    if casting.on:
        return in_autocast(hinge_embedding_loss, input, target, margin, reduction)
    return pointwise(HINGE, input, target, reduction_code(reduction, "hinge_embedding_loss"), p=margin)
