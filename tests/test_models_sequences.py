"""Models of sequences: characters, translation with attention, captions."""

from __future__ import annotations

import numpy as np
import pytest
from harness.torch_twin import check_trains_alike

import lamina
from lamina import models, nn

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_char_rnn_trains_as_the_same_source_on_torch(kind, torch):
    tokens = RNG.integers(0, 11, (3, 7))
    check_trains_alike(torch, "char_rnn", lambda m, nn: m.CharRNN(11, 5, 2, kind), tokens)


def test_char_rnn_learns_a_cycle():
    lamina.manual_seed(0)
    model = models.CharRNN(5, hidden=16, layers=1, kind="gru")
    tokens = lamina.arange(40) % 5
    optimizer = lamina.optim.Adam(model.parameters(), 3e-2)
    for _ in range(60):
        scores, _ = model(tokens[None, :-1])
        loss = nn.functional.cross_entropy(scores[0], tokens[1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    drawn = model.generate(lamina.tensor([[0, 1, 2], [3, 4, 0]]), length=6, temperature=0.1)
    assert drawn.tolist() == [[3, 4, 0, 1, 2, 3], [1, 2, 3, 4, 0, 1]]


def test_char_rnn_goes_on_from_its_state():
    model, tokens = models.CharRNN(7, 4), lamina.tensor([[1, 2, 3, 4]])
    whole, _ = model(tokens)
    _, state = model(tokens[:, :2])
    rest, _ = model(tokens[:, 2:], state)
    assert lamina.allclose(whole[:, 2:], rest, atol=1e-6)


def test_bad_options():
    with pytest.raises(
        ValueError, match=r"\[CharRNN\] expected kind to be one of rnn, gru, lstm, got 'tree'"
    ):
        models.CharRNN(5, kind="tree")
    with pytest.raises(ValueError, match=r"\[CharRNN.generate\] expected a positive temperature, got 0"):
        models.CharRNN(5, 4).generate(lamina.tensor([[1]]), 2, temperature=0)


def test_seq2seq_trains_as_the_same_source_on_torch(torch):
    source = RNG.integers(1, 9, (3, 6))
    source[1, 4:] = 0
    target = RNG.integers(0, 7, (3, 4))
    check_trains_alike(torch, "seq2seq", lambda m, nn: m.Seq2Seq(9, 7, 5, 6), source, target)


def test_attention_leaves_padding_out():
    model = models.Seq2Seq(9, 7, 5, 6)
    _, weights = model(lamina.tensor([[3, 4, 0, 0], [1, 2, 3, 4]]), lamina.tensor([[1, 2], [1, 2]]))
    assert weights[0, :, 2:].abs().sum().item() == 0
    assert lamina.allclose(weights.sum(2), lamina.ones(2, 2))


def test_seq2seq_learns_to_reverse():
    lamina.manual_seed(0)
    start, end = 1, 2
    model = models.Seq2Seq(8, 8, 16, 32)
    optimizer = lamina.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        source = lamina.randint(3, 8, (32, 3))
        answer = lamina.cat([source.flip(1), lamina.full((32, 1), end)], 1)
        given = lamina.cat([lamina.full((32, 1), start), answer[:, :-1]], 1)
        scores, _ = model(source, given)
        loss = nn.functional.cross_entropy(scores.transpose(1, 2), answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    source = lamina.tensor([[3, 4, 5], [7, 3, 6]])
    assert model.translate(source, start, end, length=8).tolist() == [[5, 4, 3, end], [6, 3, 7, end]]


def test_captioning_trains_as_the_same_source_on_torch(torch):
    images, captions = RNG.standard_normal((2, 3, 8, 8)), RNG.integers(0, 7, (2, 4))

    def build(m, nn):
        encoder = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())
        return m.CaptioningNet(encoder, 4, 7, embedding=5, hidden=6)

    check_trains_alike(torch, "captioning", build, images, captions)


def test_captions_end_together_or_at_the_length():
    lamina.manual_seed(0)
    model = models.CaptioningNet(nn.Conv2d(3, 4, 3, stride=2), 4, 7, embedding=5, hidden=6).eval()
    images = lamina.randn(3, 3, 8, 8)
    captions = model.describe(images, start=0, end=1, length=9)
    assert captions.shape[0] == 3 and 1 <= captions.shape[1] <= 9
    for row in captions.tolist():
        assert 1 not in row or set(row[row.index(1) :]) == {1}
    scores, weights = model(images, lamina.cat([lamina.zeros(3, 1, dtype=lamina.int64), captions[:, :-1]], 1))
    running = lamina.cat([lamina.zeros(3, 1), (captions == 1).float().cumsum(1)[:, :-1]], 1) == 0
    assert ((scores.argmax(2) == captions) | ~running).all()
    assert lamina.allclose(weights.sum(2), lamina.ones(*captions.shape))
    assert models.coverage_penalty(lamina.tensor([[[1.0, 0.0], [1.0, 0.0]]])).item() == 2.0
