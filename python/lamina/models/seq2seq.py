"""Sequence to sequence with soft attention: Bahdanau, Cho & Bengio, "Neural machine translation by jointly learning to
align and translate", 2014 (arXiv:1409.0473)."""

from __future__ import annotations

import lamina
from lamina import nn
from lamina.autograd import no_grad
from lamina.tensor import Tensor

from .attention import AdditiveAttention
from .greedy import write_greedily


class Seq2Seq(nn.Module):
    """A bidirectional GRU reads the source; a GRU writes the target and attends to the source at every step.

    Args:
        source_vocabulary: tokens of the source.
        target_vocabulary: tokens of the target.
        embedding: features of the embeddings.
        hidden: units of the decoder and of each direction of the encoder.
        dropout: the probability of a zero in embeddings and before the scores.
        padding: the token that fills up shorter sources; nothing attends to it.

    Example:
        >>> model = lamina.models.Seq2Seq(20, 30, embedding=8, hidden=16)
        >>> source = lamina.tensor([[5, 6, 7, 0], [8, 9, 0, 0]])
        >>> scores, weights = model(source, lamina.tensor([[1, 4], [1, 5]]))
        >>> scores.shape, weights.shape
        (lamina.Size([2, 2, 30]), lamina.Size([2, 2, 4]))
        >>> model.translate(source, start=1, end=2, length=6).shape[0]
        2
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        embedding: int = 256,
        hidden: int = 256,
        dropout: float = 0.0,
        padding: int = 0,
    ) -> None:
        super().__init__()
        self.padding = padding
        self.source_embedding = nn.Embedding(source_vocabulary, embedding, padding_idx=padding)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(hidden, hidden)
        self.target_embedding = nn.Embedding(target_vocabulary, embedding)
        self.attention = AdditiveAttention(hidden, 2 * hidden, hidden)
        self.decoder = nn.GRUCell(embedding + 2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden + 2 * hidden + embedding, target_vocabulary)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Annotations [N, S, 2 hidden] of source tokens [N, S], their mask [N, S] and the decoder's first state."""
        annotations, last = self.encoder(self.dropout(self.source_embedding(source)))
        return (
            annotations,
            source != self.padding,
            self.bridge(last[1]).tanh(),
        )  # the backward direction's end

    def step(
        self, token: Tensor, state: Tensor, annotations: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores [N, target_vocabulary], the next state and the attention [N, S] after one token [N]."""
        word = self.dropout(self.target_embedding(token))
        context, weights = self.attention(state, annotations, mask)
        state = self.decoder(lamina.cat([word, context], 1), state)
        return self.output(self.dropout(lamina.cat([state, context, word], 1))), state, weights

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher forcing: the token before is the right one.

        Args:
            source: [N, S] tokens.
            target: [N, T] tokens, from the start token on.

        Returns:
            Scores [N, T, target_vocabulary] of the token after each, and the attention [N, T, S].
        """
        annotations, mask, state = self.encode(source)
        scores, attention = [], []
        for token in target.unbind(1):
            score, state, weights = self.step(token, state, annotations, mask)
            scores.append(score)
            attention.append(weights)
        return lamina.stack(scores, 1), lamina.stack(attention, 1)

    def translate(self, source: Tensor, start: int, end: int, length: int) -> Tensor:
        """The likeliest token at each step, [N, at most length], ``end`` from where a row has ended."""
        with no_grad():
            annotations, mask, state = self.encode(source)
        first = lamina.full_like(source[:, 0], start)
        return write_greedily(
            lambda token, state: self.step(token, state, annotations, mask)[:2], state, first, end, length
        )
