"""Scaled dot-product attention."""

import math

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F

Q, K, V = Input((2, 3, 4, 5)), Input((2, 3, 6, 5)), Input((2, 3, 6, 2))
MASK = Input((4, 6), "values", values=np.tril(np.ones((4, 6), bool), 1))
BLIND = Input(
    (2, 1, 4, 6), "values", values=np.arange(48).reshape(2, 1, 4, 6) % 24 > 6
)  # rows that see nothing
ADDED = Input((3, 4, 6))


def attention(q, k, v, mask=None, p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        k, v = (np.repeat(x, q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    scores = q @ k.swapaxes(-1, -2) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        mask = np.tril(np.ones(scores.shape[-2:], bool))
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isinf(top), 0, top))
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ v


CASES = [
    Case(
        "attention.scaled_dot_product_attention",
        F.scaled_dot_product_attention,
        [
            sample(Q, K, V),
            sample(Q, K, V, MASK),
            sample(Q, K, V, BLIND),
            sample(Q, K, V, ADDED),
            sample(Q, K, V, is_causal=True),
            sample(Q, Input((2, 3, 2, 5)), Input((2, 3, 2, 2)), is_causal=True, scale=0.3),
            sample(Input((4, 5)), Input((6, 5)), Input((6, 3))),
            sample(Input((2, 6, 4, 5)), Q, Input((2, 3, 4, 2)), enable_gqa=True),
        ],
        attention,
        "nn.functional.scaled_dot_product_attention",
        rtol=2e-5,
        atol=2e-6,
        errors=[
            bad(ValueError, "a mask or is_causal, got both", Q, K, V, MASK, is_causal=True),
            bad(ValueError, r"expected query \(..., L, E\)", Q, Input((2, 3, 6, 4)), V),
            bad(ValueError, r"expected query \(..., L, E\)", Q, K, Input((2, 3, 5, 2))),
            bad(ValueError, "heads of key and value that divide", Q, Input((2, 2, 4, 5)), Q, enable_gqa=True),
            bad(TypeError, "a bool or floating mask", Q, K, V, Input((4, 6), "int")),
        ],
        benchmarks={"8x8x128x64": sample(*[Input((8, 8, 128, 64))] * 3)},
    ),
]
