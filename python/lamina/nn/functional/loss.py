"""Losses of classes: cross-entropy and negative log-likelihood."""

from __future__ import annotations

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional._rederive import rederive
from lamina.nn.functional.loss_reduction import reduction_code
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.ops.softmax import log_softmax
from lamina.tensor import Tensor

__all__ = ["cross_entropy", "nll_loss"]


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
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("cross_entropy", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("cross_entropy", weight=weight)
    if casting.on:
        return in_autocast(cross_entropy, input, target, weight, ignore_index, reduction, label_smoothing)
    if target.is_floating_point():
        if ignore_index >= 0:
            raise ValueError(
                "[cross_entropy] expected no ignore_index with probabilities, they have no classes"
            )
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    return _class_loss(
        input,
        target,
        weight,
        (ignore_index, label_smoothing, True, reduction_code(reduction, "cross_entropy")),
    )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood: ``-input[target]`` for log-probabilities; arguments as :func:`cross_entropy`."""
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("nll_loss", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("nll_loss", weight=weight)
    if casting.on:
        return in_autocast(nll_loss, input, target, weight, ignore_index, reduction)
    return _class_loss(
        input, target, weight, (ignore_index, 0.0, False, reduction_code(reduction, "nll_loss"))
    )


Options = tuple[int, float, bool, int]  # ignore_index, label_smoothing, log_softmax, reduction


def _class_loss(input: Tensor, target: Tensor, weight: Tensor | None, options: Options) -> Tensor:
    loss, log_sums, divisor = _C.cross_entropy(
        input._array, target._array, None if weight is None else weight._array, *options
    )
    y = Tensor(loss)
    if tracks(input):
        record(y, _class_loss_backward, (input,), (input, target, weight, log_sums, divisor, options))
    return y


def _class_loss_backward(node: Node, grad: Tensor) -> Tensor | tuple[Tensor | None, ...]:
    if mode.enabled:
        input, target, weight, _, _, options = node.saved
        return rederive(node, lambda x: _composite_class_loss(x, target, weight, options), (input,), grad)
    scores, classes, weights, log_sums, divisor, options = node.arrays
    return Tensor(
        _C.cross_entropy_backward(scores, classes, weights, log_sums, divisor, grad._array, *options)
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
    reduction_code(reduction, "cross_entropy")
    if target.shape != input.shape:
        raise ValueError(
            f"[cross_entropy] expected probabilities of shape {tuple(input.shape)}, got {tuple(target.shape)}"
        )
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"[cross_entropy] expected label_smoothing from 0 to 1, got {label_smoothing}")
    dim = 0 if input.ndim == 1 else 1
    classes = input.shape[dim]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise ValueError(f"[cross_entropy] expected {classes} weights, got shape {tuple(weight.shape)}")
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    products = log_softmax(input, dim) * target
    if weight is not None:
        products = products * weight.reshape([classes if d == dim else 1 for d in range(input.ndim)])
    losses = products.sum(dim) * -1
    if reduction == "none":
        return losses
    return losses.sum() / max(losses.numel(), 1) if reduction == "mean" else losses.sum()
