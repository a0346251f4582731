"""Losses that ask for a margin between scores: hinges of classes, labels, pairs and signs."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional._rederive import rederive
from lamina.nn.functional.loss_pointwise import MARGIN_RANKING, WITH_LOGITS, pointwise
from lamina.nn.functional.loss_reduction import reduce, reduction_code
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import zeros_like
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = [
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
]


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The multiclass SVM hinge: ``sum over j != y of w_y max(0, margin - x_y + x_j)^p / classes``.

    Weston & Watkins, ESANN 1999.

    Args:
        input: scores (N, classes) or (classes,).
        target: class numbers (N,) or 0-d.
        p: 1 for the hinge, 2 for its square.
        margin: by how much the target's score must lead.
        weight: (classes,) a factor a class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the shapes do not fit, or p is neither 1 nor 2.
        IndexError: if a target is no class.

    Example:
        >>> lamina.nn.functional.multi_margin_loss(lamina.zeros(1, 4), lamina.tensor([0]))
        tensor(0.7500)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("multi_margin_loss", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("multi_margin_loss", weight=weight)
    if casting.on:
        return in_autocast(multi_margin_loss, input, target, p, margin, weight, reduction)
    reduction_code(reduction, "multi_margin_loss")
    single = input.ndim < 2
    scores = input.reshape(1, -1) if single else input
    index = target.reshape(1) if single and target.numel() == 1 else target
    alone = single and target.ndim == 0
    y = Tensor(
        _C.multi_margin_loss(
            scores._array, index._array, None if weight is None else weight._array, p, margin
        )
    )
    if tracks(scores):
        record(y, _multi_margin_loss_backward, (scores,), (scores, index, weight, p, margin))
    return reduce(y.squeeze(0) if alone else y, reduction, "multi_margin_loss")


def _multi_margin_loss_backward(node: Node, grad: Tensor) -> Tensor | tuple[Tensor | None, ...]:
    input, target, weight, p, margin = node.saved
    if mode.enabled:
        return rederive(node, lambda x: _composite_multi_margin(x, target, weight, p, margin), (input,), grad)
    w = None if weight is None else weight._array
    return Tensor(_C.multi_margin_loss_backward(input._array, target._array, w, p, margin, grad._array))


def _composite_multi_margin(
    input: Tensor, target: Tensor, weight: Tensor | None, p: int, margin: float
) -> Tensor:
    column = target.long().unsqueeze(1)
    violation = (input - input.gather(1, column) + margin).relu()
    violation = violation.scatter(1, column, zeros_like(column).to(input.dtype))
    violation = violation * violation if p == 2 else violation
    losses = violation.sum(1) / input.shape[1]
    return losses if weight is None else losses * weight[target.long()]


def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The hinge of several labels: ``sum over labels t and others j of max(0, 1 - x_t + x_j) / classes``.

    Args:
        input: scores (N, classes) or (classes,).
        target: in the shape of ``input``: the class numbers of the labels, up to the first -1 of a row.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the shapes do not fit.
        IndexError: if a target is neither a class nor -1.

    Example:
        >>> x = lamina.tensor([0.1, 0.2, 0.4, 0.8])
        >>> lamina.nn.functional.multilabel_margin_loss(x, lamina.tensor([3, 0, -1, 1]))
        tensor(0.8500)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("multilabel_margin_loss", input=input, target=target)
    if casting.on:
        return in_autocast(multilabel_margin_loss, input, target, reduction)
    reduction_code(reduction, "multilabel_margin_loss")
    single = input.ndim < 2
    scores, labels = (input.reshape(1, -1), target.reshape(1, -1)) if single else (input, target)
    y = Tensor(_C.multilabel_margin_loss(scores._array, labels._array))
    if tracks(scores):
        record(y, _multilabel_margin_loss_backward, (scores,), (scores, labels))
    return reduce(y.squeeze(0) if single else y, reduction, "multilabel_margin_loss")


def _multilabel_margin_loss_backward(node: Node, grad: Tensor) -> Tensor | tuple[Tensor | None, ...]:
    input, target = node.saved
    if mode.enabled:
        return rederive(node, lambda x: _composite_multilabel_margin(x, target), (input,), grad)
    return Tensor(_C.multilabel_margin_loss_backward(input._array, target._array, grad._array))


def _composite_multilabel_margin(input: Tensor, target: Tensor) -> Tensor:
    labels = ((target < 0).cumsum(1) == 0).to(input.dtype)  # (N, classes): 1 up to the first -1
    index = target.long().clamp(min=0)
    is_label = zeros_like(input.detach()).scatter_add(1, index, labels).clamp(max=1)
    gaps = 1 - input.gather(1, index).unsqueeze(2) + input.unsqueeze(1)  # (N, label, class)
    hinges = gaps.relu() * labels.unsqueeze(2) * (1 - is_label).unsqueeze(1)
    return hinges.sum((1, 2)) / input.shape[1]


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """Binary cross-entropy with logits, averaged over the classes.

    Args:
        input: logits (..., classes).
        target: 0 or 1 in the shape of ``input``.
        weight: a factor an element, of a shape that broadcasts, such as (classes,).
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over what is left.

    Example:
        >>> lamina.nn.functional.multilabel_soft_margin_loss(lamina.zeros(1, 3), lamina.ones(1, 3))
        tensor(0.6931)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("multilabel_soft_margin_loss", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("multilabel_soft_margin_loss", weight=weight)
    losses = pointwise(WITH_LOGITS, input, target, reduction_code("none", ""), weight=weight)
    return reduce(losses.mean(-1), reduction, "multilabel_soft_margin_loss")


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """``max(0, margin - target (input1 - input2))``: which of two scores must be larger.

    Args:
        input1: scores, any shape.
        input2: scores to compare with, of a shape that broadcasts.
        target: 1 where ``input1`` must be larger, -1 where ``input2``.
        margin: by how much.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the numbers of dimensions differ or the shapes do not broadcast.

    Example:
        >>> a, b = lamina.tensor([1.0]), lamina.tensor([3.0])
        >>> lamina.nn.functional.margin_ranking_loss(a, b, lamina.tensor([1.0]), margin=0.5)
        tensor(2.5000)
    """
    if not (isinstance(input1, Tensor) and isinstance(input2, Tensor) and isinstance(target, Tensor)):
        expect_tensors("margin_ranking_loss", input1=input1, input2=input2, target=target)
    if casting.on:
        return in_autocast(margin_ranking_loss, input1, input2, target, margin, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ValueError(
            f"[margin_ranking_loss] expected as many dimensions everywhere, got shapes {tuple(input1.shape)}, "
            f"{tuple(input2.shape)} and {tuple(target.shape)}"
        )
    code = reduction_code(reduction, "margin_ranking_loss")
    return pointwise(MARGIN_RANKING, input1 - input2, target, code, p=margin)
