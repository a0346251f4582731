"""Scaled dot-product attention (Vaswani et al., arXiv:1706.03762)."""

from __future__ import annotations

import math

from lamina import dtypes
from lamina.autograd.watch import now
from lamina.nn.functional.dropout import dropout
from lamina.ops.creation import ones
from lamina.ops.elementwise import expect_tensors
from lamina.ops.matmul import matmul, product
from lamina.ops.rearrange import repeat_interleave, tril
from lamina.ops.select import where
from lamina.ops.softmax import softmax
from lamina.tensor import Tensor

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query key^T scale + mask) value``.

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, V).
        attn_mask: bool, True where a query may look; or floating, added to the scores; broadcasts to (..., L, S).
        dropout_p: the probability of dropping a weight.
        is_causal: query i looks at keys 0 ... i only; instead of a mask.
        scale: default: 1 / sqrt(E).
        enable_gqa: each head of key and value (dimension -3) serves several heads of the query.

    Returns:
        (..., L, V); zeros for a query that may look nowhere.

    Raises:
        ValueError: if the shapes don't fit, or there are both a mask and ``is_causal``.
        TypeError: if the mask is neither bool nor floating.

    Example:
        >>> q = lamina.zeros(1, 2, 4)
        >>> v = lamina.tensor([[[1.0], [3.0]]])
        >>> lamina.nn.functional.scaled_dot_product_attention(q, q, v, is_causal=True)
        tensor([[[1.],
                 [2.]]])
    """
    if not (isinstance(query, Tensor) and isinstance(key, Tensor) and isinstance(value, Tensor)):
        expect_tensors("scaled_dot_product_attention", query=query, key=key, value=value)
    if attn_mask is not None and not isinstance(attn_mask, Tensor):
        expect_tensors("scaled_dot_product_attention", attn_mask=attn_mask)
    _check(query, key, value)
    if enable_gqa:
        key, value = (_repeated(x, query) for x in (key, value))
    if is_causal:
        if attn_mask is not None:
            raise ValueError("[scaled_dot_product_attention] expected a mask or is_causal, got both")
        attn_mask = tril(ones(query.shape[-2], key.shape[-2], dtype=dtypes.bool, device=query.device))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = product(query * scale, key, False, True)
    if attn_mask is None:
        weights = softmax(scores, -1)
    else:
        weights = _masked_softmax(scores, attn_mask)
    return matmul(dropout(weights, dropout_p), value)


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """The softmax of what the mask leaves, zeros where it leaves nothing."""
    if mask.dtype is dtypes.bool:
        nothing = ~mask.any(-1, keepdim=True)
        scores = where(mask, scores, -math.inf)
    elif mask.dtype.is_floating_point:
        nothing = (mask == -math.inf).all(-1, keepdim=True)
        scores = scores + mask
    else:
        raise TypeError(f"[scaled_dot_product_attention] expected a bool or floating mask, got {mask.dtype}")
    if now.watch is None and not bool(nothing.any()):  # a captured step may find such rows later
        return softmax(scores, -1)
    return where(nothing, 0.0, softmax(where(nothing, 0.0, scores), -1))


def _check(query: Tensor, key: Tensor, value: Tensor) -> None:
    shapes = [tuple(x.shape) for x in (query, key, value)]
    if min(map(len, shapes)) < 2 or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            "[scaled_dot_product_attention] expected query (..., L, E), key (..., S, E) and value (..., S, V), "
            f"got shapes {', '.join(map(str, shapes))}"
        )


def _repeated(x: Tensor, query: Tensor) -> Tensor:
    if x.ndim < 3 or query.ndim < 3 or query.shape[-3] % x.shape[-3]:
        raise ValueError(
            "[scaled_dot_product_attention] expected heads of key and value that divide the query's, "
            f"got shapes {tuple(x.shape)} and {tuple(query.shape)}"
        )
    return repeat_interleave(x, query.shape[-3] // x.shape[-3], -3)
