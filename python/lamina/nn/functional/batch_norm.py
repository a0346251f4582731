"""Normalisation over the batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.autograd.recompute import Identity, identity, recipes
from lamina.nn.functional._rederive import rederive
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.ops.select import where
from lamina.tensor import Tensor

__all__ = ["batch_norm", "batch_norm_relu"]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` for each channel (Ioffe & Szegedy, arXiv 1502.03167).

    Args:
        input: (N, C) or (N, C, spatial...), float32 or float64.
        running_mean: (C,) used in evaluation, updated in place in training; may be None in training.
        running_var: (C,) likewise; the update takes the unbiased variance.
        weight: (C,) or None for ones.
        bias: (C,) or None for zeros.
        training: take the batch's statistics.
        momentum: the share of the batch in the update.
        eps: added to the variance.

    Raises:
        ValueError: if a shape does not fit, if training has one value a channel or an eps of 0, or if running
            statistics are missing in evaluation.

    Example:
        >>> x = lamina.tensor([[1.0], [3.0]])
        >>> lamina.nn.functional.batch_norm(x, None, None, training=True)
        tensor([[-1.0000],
                [ 1.0000]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("batch_norm", input=input)
    if running_mean is not None and not isinstance(running_mean, Tensor):
        expect_tensors("batch_norm", running_mean=running_mean)
    if running_var is not None and not isinstance(running_var, Tensor):
        expect_tensors("batch_norm", running_var=running_var)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("batch_norm", weight=weight)
    if bias is not None and not isinstance(bias, Tensor):
        expect_tensors("batch_norm", bias=bias)
    if casting.on:
        return in_autocast(
            batch_norm, input, running_mean, running_var, weight, bias, training, momentum, eps
        )
    return _batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps, False, None, None
    )


def batch_norm_of_moments(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    moments: _C.Moments,
) -> Tensor:
    """:func:`batch_norm` of what a convolution gave, which has found its statistics (``conv.taking_moments``)."""
    if casting.on:
        return in_autocast(
            batch_norm_of_moments,
            input,
            running_mean,
            running_var,
            weight,
            bias,
            training,
            momentum,
            eps,
            moments,
        )
    return _batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps, False, None, moments
    )


def batch_norm_relu(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    residual: Tensor | None = None,
    moments: _C.Moments | None = None,
) -> Tensor:
    """``relu(batch_norm(input, ...) + residual)`` in one pass over the data, and its gradients in another two.

    Not in torch: :class:`lamina.nn.Sequential` and lamina's models call it where a batch normalisation and a ReLU meet.

    Args:
        input: as all arguments but the last those of :func:`batch_norm`.
        residual: of the input's shape, added before the ReLU; None for none.
        moments: what the convolution that gave the input has found of it, for training; None for nothing.

    Raises:
        ValueError: as :func:`batch_norm`, and for a residual of another shape.

    Example:
        >>> x = lamina.tensor([[1.0], [3.0]])
        >>> F.batch_norm_relu(x, None, None, training=True, residual=lamina.tensor([[2.0], [-2.0]]))
        tensor([[1.0000],
                [0.0000]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("batch_norm_relu", input=input)
    if running_mean is not None and not isinstance(running_mean, Tensor):
        expect_tensors("batch_norm_relu", running_mean=running_mean)
    if running_var is not None and not isinstance(running_var, Tensor):
        expect_tensors("batch_norm_relu", running_var=running_var)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("batch_norm_relu", weight=weight)
    if bias is not None and not isinstance(bias, Tensor):
        expect_tensors("batch_norm_relu", bias=bias)
    if residual is not None and not isinstance(residual, Tensor):
        expect_tensors("batch_norm_relu", residual=residual)
    if casting.on:
        return in_autocast(
            batch_norm_relu,
            input,
            running_mean,
            running_var,
            weight,
            bias,
            training,
            momentum,
            eps,
            residual,
            moments,
        )
    return _batch_norm(
        input, running_mean, running_var, weight, bias, training, momentum, eps, True, residual, moments
    )


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    relu: bool,
    residual: Tensor | None,
    moments: _C.Moments | None,
) -> Tensor:
    w, b, m, v, added = (
        None if t is None else t._array for t in (weight, bias, running_mean, running_var, residual)
    )
    y, mean, inv_std = _C.batch_norm(input._array, w, b, m, v, training, momentum, eps, relu, added, moments)
    result = Tensor(y)
    if tracks(input, weight, bias, residual):
        # ReLU's mask comes from x again, or, where a residual took part, from the output.
        output = None if residual is None else result
        saved = (input, weight, bias, output, mean, inv_std, training, eps, relu, identity(y))
        record(result, _batch_norm_backward, (input, weight, bias, residual), saved)
    return result


def _batch_norm_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    if mode.enabled:
        return _differentiable_backward(node, grad)
    x, weight, bias, output, mean, inv_std, training, _, relu, _ = node.saved
    y, w, b = (None if t is None else t._array for t in (output, weight, bias))
    parameters = node.needs(1) or node.needs(2)
    found = _C.batch_norm_backward(
        x._array, grad._array, y, w, b, mean, inv_std, training, relu, node.needs(0), parameters
    )
    return tuple(None if array is None else Tensor(array) for array in found)


def _again(node: Node) -> tuple[Identity, Callable[[], _C.Array]] | None:
    """The output from x and its statistics; a residual, which would be needed too, is not kept."""
    x, weight, bias, output, mean, inv_std, _, _, relu, made = node.saved
    if output is not None:
        return None
    w, b = (None if t is None else t._array for t in (weight, bias))
    return made, partial(_C.batch_norm_again, x._array, w, b, mean, inv_std, relu)


recipes[_batch_norm_backward] = _again


def _differentiable_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    """The same gradients through differentiable ops: what second derivatives go through."""
    x, weight, bias, output, mean, inv_std, training, eps, relu, _ = node.saved
    columns = [-1 if d == 1 else 1 for d in range(x.ndim)]

    def composite(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        if training:
            others = [d for d in range(x.ndim) if d != 1]
            centred = x - x.mean(others, keepdim=True)
            y = centred * ((centred * centred).mean(others, keepdim=True) + eps).rsqrt()
        else:
            y = (x - Tensor(mean).reshape(columns)) * Tensor(inv_std).reshape(columns)
        y = y if weight is None else y * weight.reshape(columns)
        y = y if bias is None else y + bias.reshape(columns)
        return y.relu() if relu and output is None else y

    if output is not None:  # ReLU and the residual have their gradients at once
        grad = where(output <= 0, 0.0, grad)
    return (*rederive(node, composite, (x, weight, bias), grad), grad if node.needs(3) else None)
