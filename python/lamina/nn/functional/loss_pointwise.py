"""Losses of one input and one target an element: fused kernels forward and backward, and the same from other ops."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional._rederive import rederive
from lamina.nn.functional.activation import softplus
from lamina.ops.select import where
from lamina.tensor import Tensor


@dataclass(frozen=True)
class PointwiseLoss:
    """A loss an element.

    Attributes:
        forward, backward: its kernels; the second gives the gradient by the input.
        composite: the same from differentiable ops, of (input, target, positive, p, q): what second derivatives, and
            gradients by other arguments, go through.
        symmetric: whether the target's gradient is the input's, negated.
    """

    forward: Callable[..., _C.Array]
    backward: Callable[..., _C.Array]
    composite: Callable[[Tensor, Tensor, Tensor | None, float, float], Tensor]
    symmetric: bool = False


def pointwise(
    loss: PointwiseLoss,
    input: Tensor,
    target: Tensor,
    reduction: int,
    *,
    positive: Tensor | None = None,
    weight: Tensor | None = None,
    p: float = 0.0,
    q: float = 0.0,
) -> Tensor:
    """A loss with its weights and reduction, recorded."""
    a = None if positive is None else positive._array
    w = None if weight is None else weight._array
    y = Tensor(loss.forward(input._array, target._array, a, w, p, q, reduction))
    tensors = (input, target, positive, weight)
    if tracks(*tensors):
        record(y, _pointwise_loss_backward, tensors, (*tensors, loss, p, q, reduction))
    return y


def _pointwise_loss_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    input, target, positive, weight, loss, p, q, reduction = node.saved
    wanted = [k for k in range(4) if node.needs(k)]
    if mode.enabled or 2 in wanted or 3 in wanted or (1 in wanted and not loss.symmetric):

        def composite(x: Tensor, y: Tensor, positive: Tensor | None, weight: Tensor | None) -> Tensor:
            losses = loss.composite(x, y, positive, p, q)
            losses = losses if weight is None else losses * weight
            return losses if reduction == 0 else losses.mean() if reduction == 2 else losses.sum()

        return rederive(node, composite, (input, target, positive, weight), grad)
    a = None if positive is None else positive._array
    w = None if weight is None else weight._array
    dx = Tensor(loss.backward(input._array, target._array, a, w, p, q, reduction, grad._array))
    return dx if 0 in wanted else None, -dx if 1 in wanted else None, None, None


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)), exact in float64 as far as its exp is finite by a margin."""
    return softplus(x, 1.0, 40.0)


def _smooth_l1(x: Tensor, y: Tensor, _: Tensor | None, beta: float, __: float) -> Tensor:
    size = (x - y).abs()
    return where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)


def _huber(x: Tensor, y: Tensor, _: Tensor | None, delta: float, __: float) -> Tensor:
    size = (x - y).abs()
    return where(size <= delta, size * size * 0.5, (size - 0.5 * delta) * delta)


def _cross_entropy(x: Tensor, y: Tensor, _: Tensor | None, __: float, ___: float) -> Tensor:
    return (y - 1) * (-x).log1p().clamp(min=-100) - y * x.log().clamp(min=-100)


def _with_logits(x: Tensor, y: Tensor, positive: Tensor | None, _: float, __: float) -> Tensor:
    factor = 1.0 if positive is None else 1 + (positive - 1) * y
    return (1 - y) * x + _softplus(-x) * factor


def _y_log_y(y: Tensor) -> Tensor:
    return y * where(y == 0, 1.0, y).log()


def _hinge(x: Tensor, y: Tensor, _: Tensor | None, margin: float, __: float) -> Tensor:
    return where(y != 1, (margin - x).clamp(min=0), 0.0) + where(y != -1, x, 0.0)


def _log_factorial(y: Tensor) -> Tensor:
    """Stirling's approximation, 0 up to 1."""
    safe = where(y > 1, y, 1.0)
    return where(y > 1, safe * safe.log() - safe + 0.5 * (2 * math.pi * safe).log(), 0.0)


def _poisson_log(x: Tensor, y: Tensor, _: Tensor | None, full: float, __: float) -> Tensor:
    losses = x.exp() - y * x
    return losses + _log_factorial(y) if full else losses


def _poisson(x: Tensor, y: Tensor, _: Tensor | None, full: float, eps: float) -> Tensor:
    losses = x - y * (x + eps).log()
    return losses + _log_factorial(y) if full else losses


MSE = PointwiseLoss(_C.mse_loss, _C.mse_loss_backward, lambda x, y, *_: (x - y).square(), True)
L1 = PointwiseLoss(_C.l1_loss, _C.l1_loss_backward, lambda x, y, *_: (x - y).abs(), True)
SMOOTH_L1 = PointwiseLoss(_C.smooth_l1_loss, _C.smooth_l1_loss_backward, _smooth_l1, True)
HUBER = PointwiseLoss(_C.huber_loss, _C.huber_loss_backward, _huber, True)
CROSS_ENTROPY = PointwiseLoss(_C.binary_cross_entropy, _C.binary_cross_entropy_backward, _cross_entropy)
WITH_LOGITS = PointwiseLoss(
    _C.binary_cross_entropy_with_logits, _C.binary_cross_entropy_with_logits_backward, _with_logits
)
KL = PointwiseLoss(_C.kl_div, _C.kl_div_backward, lambda x, y, *_: _y_log_y(y) - y * x)
KL_LOG = PointwiseLoss(
    _C.kl_div_log_target, _C.kl_div_log_target_backward, lambda x, y, *_: y.exp() * (y - x)
)
SOFT_MARGIN = PointwiseLoss(
    _C.soft_margin_loss, _C.soft_margin_loss_backward, lambda x, y, *_: _softplus(-x * y)
)
HINGE = PointwiseLoss(_C.hinge_embedding_loss, _C.hinge_embedding_loss_backward, _hinge)
MARGIN_RANKING = PointwiseLoss(
    _C.margin_ranking_loss,
    _C.margin_ranking_loss_backward,
    lambda x, y, _, margin, __: (margin - x * y).clamp(min=0),
)
POISSON_LOG = PointwiseLoss(_C.poisson_nll_loss_log, _C.poisson_nll_loss_log_backward, _poisson_log)
POISSON = PointwiseLoss(_C.poisson_nll_loss, _C.poisson_nll_loss_backward, _poisson)
