"""Attention with several heads, and its projections (Vaswani et al., arXiv:1706.03762)."""

from __future__ import annotations

import math

from lamina import dtypes
from lamina.nn.functional.attention import scaled_dot_product_attention
from lamina.nn.functional.dropout import dropout
from lamina.nn.functional.linear import linear
from lamina.nn.functional.pad import pad
from lamina.ops.creation import zeros
from lamina.ops.join import cat
from lamina.ops.matmul import matmul, product
from lamina.ops.select import where
from lamina.ops.softmax import softmax
from lamina.tensor import Tensor

__all__ = ["multi_head_attention_forward"]

OP = "multi_head_attention"


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What :class:`lamina.nn.MultiheadAttention` computes, on given weights.

    Args:
        query: (L, N, E), or (L, E) without a batch.
        key: (S, N, Ek).
        value: (S, N, Ev).
        embed_dim_to_check: E.
        num_heads: H, a divisor of E.
        in_proj_weight: (3 E, E): of query, key and value; unless ``use_separate_proj_weight``.
        in_proj_bias: (3 E,), or none.
        bias_k, bias_v: (1, 1, E) each: one more key and value, learned; or none.
        add_zero_attn: one more key and value of zeros.
        dropout_p: the probability of dropping a weight of attention while training.
        out_proj_weight: (E, E).
        out_proj_bias: (E,), or none.
        training: whether dropout is at work.
        key_padding_mask: (N, S), True where a key is padding; or floating, added to the scores.
        need_weights: give the weights of attention as well.
        attn_mask: (L, S) or (N H, L, S), True where a query may *not* look; or floating, added to the scores.
        use_separate_proj_weight: take the next three weights.
        q_proj_weight, k_proj_weight, v_proj_weight: (E, E), (E, Ek), (E, Ev).
        static_k, static_v: (N H, S, E / H) each, instead of the projected key and value.
        average_attn_weights: give the mean of the weights over heads.
        is_causal: says that ``attn_mask`` is causal, which must be given all the same.

    Returns:
        (L, N, E); and None, or the weights: (N, L, S), or (N, H, L, S) where they are not averaged.

    Raises:
        ValueError: if shapes don't fit.
        TypeError: if a mask is neither bool nor floating.
    """
    batched = _check(query, key, value, embed_dim_to_check, num_heads)
    if is_causal and attn_mask is None:
        raise ValueError(f"[{OP}] expected an attn_mask where is_causal is set")
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    (length, n, width), size = query.shape, embed_dim_to_check // num_heads
    weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    packed = None if use_separate_proj_weight else in_proj_weight
    q, k, v = _projected((query, key, value), packed, in_proj_bias, weights)
    mask = _added_mask(key_padding_mask, attn_mask, (n, num_heads, length, key.shape[0]), query)
    more = 0  # keys beyond those given, which no mask hides
    if bias_k is not None and bias_v is not None:
        k, v = cat([k, bias_k.expand(1, n, width)]), cat([v, bias_v.expand(1, n, width)])
        more += 1
    q, k, v = (x.reshape(x.shape[0], n * num_heads, size).transpose(0, 1) for x in (q, k, v))
    k, v = k if static_k is None else static_k, v if static_v is None else static_v
    if add_zero_attn:
        nothing = zeros(n * num_heads, 1, size, dtype=k.dtype)
        k, v = cat([k, nothing], 1), cat([v, nothing], 1)
        more += 1
    if mask is not None and more:
        mask = pad(mask, (0, more))
    heads = [x.reshape(n, num_heads, x.shape[1], size) for x in (q, k, v)]
    probability = dropout_p if training else 0.0
    if need_weights:
        scores = product(heads[0] * math.sqrt(1 / size), heads[1], False, True)
        attention = dropout(softmax(scores if mask is None else scores + mask, -1), probability)
        mixed = matmul(attention, heads[2])
    else:
        mixed = scaled_dot_product_attention(heads[0], heads[1], heads[2], mask, probability)
    rows = mixed.permute(2, 0, 1, 3).reshape(length, n, width)
    output = linear(rows, out_proj_weight, out_proj_bias)
    if not need_weights:
        return output if batched else output.squeeze(1), None
    shown = attention.mean(1) if average_attn_weights else attention
    return (output, shown) if batched else (output.squeeze(1), shown.squeeze(0))


def _check(query: Tensor, key: Tensor, value: Tensor, width: int, num_heads: int) -> bool:
    """Whether there is a batch."""
    shapes = [tuple(x.shape) for x in (query, key, value)]
    rank = query.ndim
    if rank not in (2, 3) or key.ndim != rank or value.ndim != rank:
        raise ValueError(f"[{OP}] expected query, key and value of 2 or of 3 dimensions, got shapes {shapes}")
    if query.shape[-1] != width or width % num_heads:
        raise ValueError(
            f"[{OP}] expected a query of {width} features, which {num_heads} heads divide, got shape {shapes[0]}"
        )
    if shapes[1][:-1] != shapes[2][:-1] or (rank == 3 and query.shape[1] != key.shape[1]):
        raise ValueError(f"[{OP}] expected as many keys as values and one batch size, got shapes {shapes}")
    return rank == 3


def _projected(
    inputs: tuple[Tensor, Tensor, Tensor],
    packed: Tensor | None,
    bias: Tensor | None,
    separate: tuple[Tensor | None, Tensor | None, Tensor | None],
) -> list[Tensor]:
    query, key, value = inputs
    if packed is not None and query is key and key is value:  # self-attention: one matrix product
        return list(linear(query, packed, bias).chunk(3, -1))
    weights = packed.chunk(3) if packed is not None else separate
    biases = (None, None, None) if bias is None else bias.chunk(3)
    if any(w is None for w in weights):
        raise ValueError(f"[{OP}] expected in_proj_weight, or three weights with use_separate_proj_weight")
    return [linear(x, w, b) for x, w, b in zip(inputs, weights, biases, strict=True) if w is not None]


def _added_mask(
    key_padding: Tensor | None, attention: Tensor | None, sizes: tuple[int, int, int, int], like: Tensor
) -> Tensor | None:
    """Both masks as one that is added to scores of ``sizes`` (N, H, L, S): it broadcasts."""
    n, heads, length, source = sizes
    mask = None
    if attention is not None:
        if tuple(attention.shape) not in ((length, source), (n * heads, length, source)):
            raise ValueError(
                f"[{OP}] expected an attn_mask of shape {(length, source)} or {(n * heads, length, source)}, "
                f"got {tuple(attention.shape)}"
            )
        mask = _floating(attention, "attn_mask", like)
        mask = (
            mask.reshape(n, heads, length, source)
            if attention.ndim == 3
            else mask.reshape(1, 1, length, source)
        )
    if key_padding is not None:
        if tuple(key_padding.shape) != (n, source):
            raise ValueError(
                f"[{OP}] expected a key_padding_mask of shape {(n, source)}, got {tuple(key_padding.shape)}"
            )
        padding = _floating(key_padding, "key_padding_mask", like).reshape(n, 1, 1, source)
        mask = padding if mask is None else mask + padding
    return mask


def _floating(mask: Tensor, what: str, like: Tensor) -> Tensor:
    if mask.dtype.is_floating_point:
        return mask
    if mask.dtype is not dtypes.bool:
        raise TypeError(f"[{OP}] expected {what} to be bool or floating, got {mask.dtype}")
    return where(mask, zeros((), dtype=like.dtype) - math.inf, zeros((), dtype=like.dtype))
