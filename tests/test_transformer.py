"""Transformers against torch's: outputs, gradients, names, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn

E, H, L, S, N = 8, 2, 4, 5, 3
RNG = np.random.default_rng(0)
SOURCE, TARGET = RNG.standard_normal((S, N, E)), RNG.standard_normal((L, N, E))
PADDING = np.arange(S) >= np.array([[5], [4], [2]])
CAUSAL = np.triu(np.ones((L, L), bool), 1)
OPTIONS = [
    {}, {"norm_first": True, "activation": "gelu"}, {"bias": False}, {"batch_first": True, "layer_norm_eps": 1e-3},
]  # fmt: skip


def pair(name, arguments, options, torch):
    """The same module in both libraries, in float64 and without dropout."""
    theirs = getattr(torch.nn, name)(*arguments, dropout=0.0, dtype=torch.float64, **options)
    ours = getattr(nn, name)(*arguments, dropout=0.0, dtype=lamina.float64, **options)
    return same_weights(ours, theirs)


def same_weights(ours, theirs):
    state = {k: lamina.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in state.items()
    ]
    ours.load_state_dict(state)
    return ours, theirs


def compare(ours, theirs, torch, inputs, masks, batch_first=False):
    if batch_first:
        inputs = [x.swapaxes(0, 1) for x in inputs]
    outputs = []
    for library, module in ((lamina, ours), (torch, theirs)):
        tensors = [library.from_numpy(np.ascontiguousarray(x)).requires_grad_() for x in inputs]
        y = module(*tensors, **{k: library.from_numpy(m.copy()) for k, m in masks.items()})
        (y * y * y).sum().backward()
        grads = [t.grad for t in tensors] + [p.grad for p in module.parameters()]
        outputs.append([y.detach().numpy()] + [g.numpy() for g in grads])
    for a, b in zip(*outputs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_layers(options, torch):
    ours, theirs = pair("TransformerEncoderLayer", (E, H, 16), options, torch)
    masks = {"src_key_padding_mask": PADDING}
    compare(ours, theirs, torch, [SOURCE], masks, "batch_first" in options)
    ours, theirs = pair("TransformerDecoderLayer", (E, H, 16), options, torch)
    masks = {"tgt_mask": CAUSAL, "memory_key_padding_mask": PADDING}
    compare(ours, theirs, torch, [TARGET, SOURCE], masks, "batch_first" in options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_whole(options, torch):
    ours, theirs = pair("Transformer", (E, H, 2, 3, 16), options, torch)
    masks = {"tgt_mask": CAUSAL, "src_key_padding_mask": PADDING, "memory_key_padding_mask": PADDING}
    compare(ours, theirs, torch, [SOURCE, TARGET], masks, "batch_first" in options)


def test_stacks_copy_their_layer(torch):
    layer = nn.TransformerEncoderLayer(E, H, 16)
    stack = nn.TransformerEncoder(layer, 2)
    first, second = stack.layers
    assert first is not layer and lamina.equal(first.linear1.weight, second.linear1.weight)
    assert [k for k, _ in stack.named_parameters()] == [
        k
        for k, _ in torch.nn.TransformerEncoder(
            torch.nn.TransformerEncoderLayer(E, H, 16), 2
        ).named_parameters()
    ]
    mask = nn.Transformer.generate_square_subsequent_mask(4)
    theirs = torch.nn.Transformer.generate_square_subsequent_mask(4)
    np.testing.assert_array_equal(mask.numpy(), theirs.numpy())


def test_a_causal_decoder_does_not_look_ahead():
    model = nn.Transformer(E, H, 1, 1, 16, dropout=0.0)
    mask = nn.Transformer.generate_square_subsequent_mask(L)
    src, tgt = lamina.randn(S, N, E), lamina.randn(L, N, E)
    changed = lamina.cat([tgt[:-1], tgt[-1:] + 1])
    a, b = model(src, tgt, tgt_mask=mask, tgt_is_causal=True), model(src, changed, tgt_mask=mask)
    np.testing.assert_allclose(a[:-1].detach().numpy(), b[:-1].detach().numpy(), rtol=1e-6)
    assert not lamina.allclose(a[-1], b[-1])


def test_refusals():
    model = nn.Transformer(E, H, 1, 1, 16)
    with pytest.raises(ValueError, match=r"\[Transformer\] expected src and tgt of one batch size"):
        model(lamina.ones(S, 2, E), lamina.ones(L, N, E))
    with pytest.raises(ValueError, match=r"\[Transformer\] expected 8 features"):
        model(lamina.ones(S, N, 4), lamina.ones(L, N, 4))
    with pytest.raises(ValueError, match="expected activation 'relu', 'gelu' or a function"):
        nn.TransformerEncoderLayer(E, H, activation="tanh")
