"""Distances and similarities between vectors, and vectors of norm 1."""

from __future__ import annotations

import math

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import zeros_like
from lamina.ops.elementwise import deliver, expect_tensors
from lamina.ops.moments import norm
from lamina.ops.rearrange import triu_indices
from lamina.ops.select import where
from lamina.ops.shape import reshape
from lamina.ops.strided import broadcast_shapes, expand
from lamina.ops.unary import sign
from lamina.tensor import Tensor

__all__ = ["cdist", "cosine_similarity", "normalize", "pairwise_distance", "pdist"]

_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """``input`` divided by its p-norm along ``dim``, or by ``eps`` where the norm is smaller.

    Args:
        input: a floating tensor.
        p: the order of the norm.
        dim: the dimension of the vectors.
        eps: the least divisor.
        out: where to write the result.

    Example:
        >>> lamina.nn.functional.normalize(lamina.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    return deliver(input / norm(input, p, dim, keepdim=True).clamp(min=eps), out)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors: ``x1 x2 / (max(|x1|, eps) max(|x2|, eps))``.

    Args:
        x1: a floating tensor.
        x2: the same, or of a shape that broadcasts.
        dim: the dimension of the vectors, which the result lacks.
        eps: the least norm to divide by.

    Example:
        >>> lamina.nn.functional.cosine_similarity(lamina.tensor([[1.0, 0.0]]), lamina.tensor([[1.0, 1.0]]))
        tensor([0.7071])
    """
    if not (isinstance(x1, Tensor) and isinstance(x2, Tensor)):
        expect_tensors("cosine_similarity", x1=x1, x2=x2)
    if casting.on:
        return in_autocast(cosine_similarity, x1, x2, dim, eps)
    if not (x1.dtype.is_floating_point and x2.dtype.is_floating_point):
        raise TypeError(f"[cosine_similarity] expected floating dtypes, got {x1.dtype} and {x2.dtype}")
    shape = broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = expand(x1, shape), expand(x2, shape)
    if x1.ndim == 0:
        x1, x2 = x1.unsqueeze(0), x2.unsqueeze(0)
    scale = norm(x1, 2, dim, keepdim=True).clamp(min=eps), norm(x2, 2, dim, keepdim=True).clamp(min=eps)
    return (x1 / scale[0] * (x2 / scale[1])).sum(dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """``|x1 - x2 + eps|_p`` of the vectors in the last dimension.

    Args:
        x1: (N, D) or (D,).
        x2: the same, or of a shape that broadcasts.
        p: the order of the norm.
        eps: keeps the gradient of equal vectors finite.
        keepdim: keep the last dimension, with size 1.

    Example:
        >>> lamina.nn.functional.pairwise_distance(lamina.tensor([[3.0, 4.0]]), lamina.zeros(1, 2))
        tensor([5.0000])
    """
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """The p-norm distance of each row of ``x1`` to each row of ``x2``.

    Args:
        x1: (..., P, M).
        x2: (..., R, M); leading dimensions broadcast.
        p: at least 0, or infinity.
        compute_mode: ``"use_mm_for_euclid_dist_if_necessary"`` (the default: where p is 2 and P or R exceeds 25,
            through a matrix product, which is faster and loses digits of small distances),
            ``"use_mm_for_euclid_dist"`` or ``"donot_use_mm_for_euclid_dist"``.

    Returns:
        (..., P, R); equal rows get no gradient.

    Raises:
        ValueError: if the shapes don't fit, p is negative or the mode is unknown.
        TypeError: if the dtypes are not floating, or differ.

    Example:
        >>> lamina.cdist(lamina.tensor([[0.0, 0.0], [3.0, 4.0]]), lamina.zeros(1, 2))
        tensor([[0.],
                [5.]])
    """
    if not (isinstance(x1, Tensor) and isinstance(x2, Tensor)):
        expect_tensors("cdist", x1=x1, x2=x2)
    if casting.on:
        return in_autocast(cdist, x1, x2, p, compute_mode)
    chosen = _MODES[0] if compute_mode is None else compute_mode
    if chosen not in _MODES:
        raise ValueError(f"[cdist] expected compute_mode to be one of {', '.join(_MODES)}, got {chosen!r}")
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ValueError(
            f"[cdist] expected rows of one length, got shapes {tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    batch = broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    rows, columns, features = x1.shape[-2], x2.shape[-2], x1.shape[-1]
    flat1 = reshape(expand(x1, (*batch, rows, features)), (math.prod(batch), rows, features))
    flat2 = reshape(expand(x2, (*batch, columns, features)), (math.prod(batch), columns, features))
    by_product = chosen == _MODES[1] or (chosen == _MODES[0] and max(rows, columns) > 25)
    if p == 2 and by_product and features:
        y = _euclidean(flat1, flat2)
    else:
        y = Tensor(_C.cdist(flat1._array, flat2._array, float(p)))
        if tracks(flat1, flat2):
            record(y, _cdist_backward, (flat1, flat2), (flat1, flat2, y, float(p)))
    return reshape(y, (*batch, rows, columns))


def _cdist_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    x1, x2, y, p = node.saved
    if not mode.enabled:
        d1, d2 = _C.cdist_backward(grad._array, x1._array, x2._array, y._array, p)
        return Tensor(d1), Tensor(d2)
    return _slopes(grad, x1, x2, y, p)


def _slopes(grad: Tensor, x1: Tensor, x2: Tensor, y: Tensor, p: float) -> tuple[Tensor, Tensor]:
    """The gradients of x1 and x2 from that of their distances y, with functions that have derivatives."""
    apart = x1.unsqueeze(2) - x2.unsqueeze(1)  # (batch, rows, columns, features)
    distance = where(y == 0, 1.0, y).unsqueeze(3)  # where it is 0, so is every slope
    if p == 0:
        slope = zeros_like(apart)
    elif p == 1:
        slope = sign(apart)
    elif p == 2:
        slope = apart / distance
    elif math.isinf(p):
        slope = where(apart.abs() == distance, sign(apart), 0.0)
    else:
        share = where(apart == 0, 1.0, apart.abs()) / distance
        slope = where(apart == 0, 0.0, sign(apart) * share ** (p - 1))
    weighted = slope * grad.unsqueeze(3)
    return weighted.sum(2), -weighted.sum(1)


def _euclidean(x1: Tensor, x2: Tensor) -> Tensor:
    """``sqrt(|x1|^2 + |x2|^2 - 2 x1 x2)``."""
    squares = (x1.detach() ** 2).sum(2, True) + (x2.detach() ** 2).sum(2).unsqueeze(1)
    y = Tensor((squares - x1.detach() @ x2.detach().mT * 2).clamp(min=0).sqrt()._array)
    if tracks(x1, x2):
        record(y, _euclidean_backward, (x1, x2), (x1, x2, y))
    return y


def _euclidean_backward(node: Node, grad: Tensor) -> tuple[Tensor, Tensor]:
    x1, x2, y = node.saved
    ratio = where(y == 0, 0.0, grad / where(y == 0, 1.0, y))
    d1 = x1 * ratio.sum(2, True) - ratio @ x2
    return d1, x2 * ratio.sum(1).unsqueeze(2) - ratio.mT @ x1


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances of all pairs of rows: (0, 1), (0, 2), ... (1, 2), ...

    Args:
        input: (N, M).
        p: at least 0, or infinity.

    Returns:
        (N (N - 1) / 2,).

    Raises:
        ValueError: if the input is no matrix.

    Example:
        >>> lamina.pdist(lamina.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
        tensor([5.0000, 1.0000, 4.2426])
    """
    if not isinstance(input, Tensor):
        expect_tensors("pdist", input=input)
    if casting.on:
        return in_autocast(pdist, input, p)
    if input.ndim != 2:
        raise ValueError(f"[pdist] expected a matrix, got shape {tuple(input.shape)}")
    y = Tensor(_C.pdist(input._array, float(p)))
    if tracks(input):
        record(y, _pdist_backward, (input,), (input, y, float(p)))
    return y


def _pdist_backward(node: Node, grad: Tensor) -> Tensor:
    x, y, p = node.saved
    if not mode.enabled:
        return Tensor(_C.pdist_backward(grad._array, x._array, y._array, p))
    pairs, rows = _pairs(x), x.unsqueeze(0)

    def square(values: Tensor) -> Tensor:  # above the diagonal of (1, N, N), 0 elsewhere
        return values.new_zeros(len(x), len(x)).index_put(pairs, values).unsqueeze(0)

    first, second = _slopes(square(grad), rows, rows, square(y), p)
    return (first + second).squeeze(0)


def _pairs(x: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the second row of each pair."""
    first, second = triu_indices(len(x), len(x), 1, device=x.device)
    return first, second
