"""Multi-head attention against torch's: outputs, weights, gradients, names, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F

E, H, L, S, N = 8, 2, 5, 6, 3
LAYERS = [
    {}, {"bias": False}, {"add_bias_kv": True, "add_zero_attn": True}, {"kdim": 4, "vdim": 3},
    {"batch_first": True}, {"kdim": 4, "bias": False, "batch_first": True},
]  # fmt: skip


def copied(ours, theirs):
    state = {k: lamina.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in state.items()
    }
    ours.load_state_dict(state)
    return ours, theirs


def pair(options, torch):
    theirs = torch.nn.MultiheadAttention(E, H, **options, dtype=torch.float64)
    with torch.no_grad():
        for p in theirs.parameters():
            p.uniform_(-0.5, 0.5)
    return copied(nn.MultiheadAttention(E, H, **options, dtype=lamina.float64), theirs)


def inputs(options, rng, batched=True):
    sizes = [(L, E), (S, options.get("kdim", E)), (S, options.get("vdim", E))]
    shapes = [(length, N, width) if batched else (length, width) for length, width in sizes]
    if options.get("batch_first") and batched:
        shapes = [(s[1], s[0], s[2]) for s in shapes]
    return [rng.standard_normal(s) for s in shapes]


MASKS = {
    "none": {},
    "bool": {"attn_mask": np.triu(np.ones((L, S), bool), 2)},
    "floating": {"attn_mask": np.random.default_rng(2).standard_normal((N * H, L, S))},
    "padding": {"key_padding_mask": np.arange(S) >= np.array([[6], [4], [1]])},
}


def run(module, arrays, library, masks, **options):
    tensors = [library.from_numpy(a.copy()).requires_grad_() for a in arrays]
    given = {k: library.from_numpy(v.copy()) for k, v in masks.items()}
    output, weights = module(*tensors, **given, **options)
    total = (output * output).sum() + (0 if weights is None else (weights * weights).sum())
    total.backward()
    results = [output, *([] if weights is None else [weights])]
    grads = [t.grad for t in tensors] + [p.grad for p in module.parameters()]
    return [r.detach().numpy() for r in results] + [g.numpy() for g in grads]


@pytest.mark.parametrize("options", LAYERS, ids=str)
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("need_weights", [True, False])
def test_is_torchs(options, masks, need_weights, torch):
    ours, theirs = pair(options, torch)
    arrays = inputs(options, np.random.default_rng(1))
    calls = [(ours, lamina), (theirs, torch)]
    got, want = (
        run(module, arrays, library, MASKS[masks], need_weights=need_weights, average_attn_weights=False)
        for module, library in calls
    )
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_self_attention_and_no_batch(torch):
    ours, theirs = pair({}, torch)
    x = np.random.default_rng(0).standard_normal((L, N, E))
    mine, other = lamina.from_numpy(x), torch.from_numpy(x)
    for a, b in zip(ours(mine, mine, mine), theirs(other, other, other), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-11)
    arrays = inputs({}, np.random.default_rng(1), batched=False)
    got, want = run(ours, arrays, lamina, {}), run(theirs, arrays, torch, {})
    for a, b in zip(got[:2], want[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    causal = lamina.from_numpy(np.triu(np.ones((L, L), bool), 1))
    masked = ours(mine, mine, mine, attn_mask=causal, is_causal=True)[1]
    assert float(masked.detach().numpy()[0, 0, 1:].max()) == 0


def test_dropout_of_attention():
    attention = nn.MultiheadAttention(E, H, dropout=1.0, bias=False)
    x = lamina.ones(L, N, E)
    assert (attention(x, x, x)[0] == 0).all() and not (attention.eval()(x, x, x)[0] == 0).all()
    dropped = F.scaled_dot_product_attention(x, x, x, dropout_p=1.0)
    assert (dropped == 0).all()


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda a, x: nn.MultiheadAttention(7, 2), ValueError, "embed_dim that num_heads divides"),
        (lambda a, x: a(x[0], x, x), ValueError, "of 2 or of 3 dimensions"),
        (lambda a, x: a(x[:, :, :4], x, x), ValueError, "a query of 8 features"),
        (lambda a, x: a(x, x, x[:2]), ValueError, "as many keys as values"),
        (lambda a, x: a(x, x, x, is_causal=True), ValueError, "an attn_mask where is_causal is set"),
        (lambda a, x: a(x, x, x, attn_mask=lamina.ones(2, 2)), ValueError, "an attn_mask of shape"),
        (lambda a, x: a(x, x, x, lamina.ones(2, 2)), ValueError, "a key_padding_mask of shape"),
        (
            lambda a, x: a(x, x, x, lamina.ones(N, L).int()),
            TypeError,
            "key_padding_mask to be bool or floating",
        ),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(nn.MultiheadAttention(E, H), lamina.ones(L, N, E))
