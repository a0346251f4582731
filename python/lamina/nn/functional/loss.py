"""Losses."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.engine import grad as gradient_of
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.creation import zeros_like
from lamina.ops.softmax import log_softmax
from lamina.tensor import Tensor

__all__ = ["cross_entropy", "l1_loss", "mse_loss", "multi_margin_loss", "nll_loss"]

_REDUCTIONS = {"none": 0, "sum": 1, "mean": 2}


def _reduction(reduction: str, op: str) -> int:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"[{op}] expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    return _REDUCTIONS[reduction]


def _reduce(losses: Tensor, reduction: str, op: str) -> Tensor:
    _reduction(reduction, op)
    return losses if reduction == "none" else losses.mean() if reduction == "mean" else losses.sum()


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Softmax cross-entropy between logits and classes: ``-log softmax(input)[target]``, in one fused kernel.

    Args:
        input: logits (classes,), (N, classes) or (N, classes, d1, ...).
        target: class numbers in the shape of ``input`` without classes, or probabilities in the shape of ``input``.
        weight: (classes,) a factor a class.
        ignore_index: a class number that has no loss.
        reduction: ``"mean"`` (over the weights of the targets), ``"sum"`` or ``"none"``.
        label_smoothing: the share of the target spread over all classes (Szegedy et al., arXiv 1512.00567).

    Raises:
        ValueError: if the shapes do not fit.
        IndexError: if a target is no class, with its value and position.
        TypeError: if ``input`` is not floating.

    Example:
        >>> round(lamina.nn.functional.cross_entropy(lamina.zeros(1, 2), lamina.tensor([0])).item(), 4)  # log 2
        0.6931
    """
    if target.is_floating_point():
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    return _class_loss(
        input, target, weight, (ignore_index, label_smoothing, True, _reduction(reduction, "cross_entropy"))
    )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood: ``-input[target]`` for log-probabilities; arguments as :func:`cross_entropy`."""
    return _class_loss(input, target, weight, (ignore_index, 0.0, False, _reduction(reduction, "nll_loss")))


Options = tuple[int, float, bool, int]  # ignore_index, label_smoothing, log_softmax, reduction


def _class_loss(input: Tensor, target: Tensor, weight: Tensor | None, options: Options) -> Tensor:
    loss, log_sums, divisor = _C.cross_entropy(
        input._array, target._array, None if weight is None else weight._array, *options
    )
    y = Tensor(loss)
    if tracks(input):
        record(y, _class_loss_backward, (input,), (input, target, weight, log_sums, divisor, options))
    return y


def _class_loss_backward(node: Node, grad: Tensor) -> Tensor:
    input, target, weight, log_sums, divisor, options = node.saved
    if mode.enabled:
        with_graph = _composite_class_loss(input, target, weight, options)
        (result,) = gradient_of(with_graph, input, grad, create_graph=True)
        assert result is not None
        return result
    w = None if weight is None else weight._array
    return Tensor(
        _C.cross_entropy_backward(input._array, target._array, w, log_sums, divisor, grad._array, *options)
    )


def _composite_class_loss(input: Tensor, target: Tensor, weight: Tensor | None, options: Options) -> Tensor:
    """The same loss from differentiable ops: what second derivatives go through."""
    ignore_index, smoothing, log, reduction = options
    dim = 0 if input.ndim == 1 else 1
    scores = log_softmax(input, dim) if log else input
    counted = target != ignore_index
    index = target.long().masked_fill(~counted, 0)
    classes = input.shape[dim]
    weights = scores.new_ones(classes) if weight is None else weight
    picked = -scores.gather(dim, index.unsqueeze(dim)).squeeze(dim)
    used = weights[index] * counted.to(scores.dtype)
    losses = picked * used * (1 - smoothing)
    if smoothing:
        shape = [classes if d == dim else 1 for d in range(input.ndim)]
        spread = -(scores * weights.reshape(shape)).sum(dim) * counted.to(scores.dtype)
        losses = losses + spread * (smoothing / classes)
    if reduction == 0:
        return losses
    return losses.sum() / used.sum() if reduction == 2 else losses.sum()


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, label_smoothing: float
) -> Tensor:
    _reduction(reduction, "cross_entropy")
    if target.shape != input.shape:
        raise ValueError(
            f"[cross_entropy] expected probabilities of shape {tuple(input.shape)}, got {tuple(target.shape)}"
        )
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    products = log_softmax(input, dim) * target
    if weight is not None:
        products = products * weight.reshape([classes if d == dim else 1 for d in range(input.ndim)])
    losses = products.sum(dim) * -1
    if reduction == "none":
        return losses
    return losses.sum() / max(losses.numel(), 1) if reduction == "mean" else losses.sum()


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Mean squared error: ``(input - target)^2``.

    Args:
        input: any shape.
        target: of a shape that broadcasts with it.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Example:
        >>> lamina.nn.functional.mse_loss(lamina.ones(2), lamina.zeros(2))
        tensor(1.)
    """
    difference = input - target
    return _reduce(difference * difference, reduction, "mse_loss")


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Mean absolute error: ``|input - target|``; arguments as :func:`mse_loss`."""
    return _reduce((input - target).abs(), reduction, "l1_loss")


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The multiclass SVM hinge: ``sum over j != y of w_y max(0, margin - x_y + x_j)^p / classes``.

    Args:
        input: scores (N, classes) or (classes,).
        target: class numbers (N,) or 0-d.
        p: 1 for the hinge, 2 for its square.
        margin: by how much the target's score must lead.
        weight: (classes,) a factor a class.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the shapes do not fit.
        IndexError: if a target is no class.

    Example:
        >>> lamina.nn.functional.multi_margin_loss(lamina.zeros(1, 4), lamina.tensor([0]))
        tensor(0.7500)
    """
    if p not in (1, 2):
        raise ValueError(f"[multi_margin_loss] expected p of 1 or 2, got {p}")
    if (
        input.ndim not in (1, 2)
        or target.ndim != input.ndim - 1
        or tuple(target.shape) != tuple(input.shape[:-1])
    ):
        raise ValueError(
            f"[multi_margin_loss] expected scores (N, classes) and targets (N,), got {tuple(input.shape)} "
            f"and {tuple(target.shape)}"
        )
    scores, index = (input.unsqueeze(0), target.unsqueeze(0)) if input.ndim == 1 else (input, target)
    column = index.long().unsqueeze(1)
    violation = (scores - scores.gather(1, column) + margin).relu()
    violation = violation.scatter(
        1, column, zeros_like(column).to(violation.dtype)
    )  # the target itself costs nothing
    if p == 2:
        violation = violation * violation
    if weight is not None:
        violation = violation * weight[index].unsqueeze(1)
    losses = violation.sum(1) / scores.shape[1]
    return _reduce(losses.squeeze(0) if input.ndim == 1 else losses, reduction, "multi_margin_loss")
