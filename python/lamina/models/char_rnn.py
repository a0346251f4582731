"""A language model of characters: Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import nn
from lamina.autograd import no_grad
from lamina.distributions import Categorical
from lamina.tensor import Tensor

KINDS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class CharRNN(nn.Module):
    """Embedding, recurrent layers, scores of the next token; tokens [N, T] -> (scores [N, T, vocabulary], state).

    Args:
        vocabulary: how many tokens there are.
        hidden: features of the embedding and of each layer.
        layers: recurrent layers.
        kind: ``"rnn"``, ``"gru"`` or ``"lstm"``.
        dropout: the probability of a zero between layers and before the scores.

    Example:
        >>> model = lamina.models.CharRNN(vocabulary=65, hidden=16)
        >>> scores, state = model(lamina.tensor([[1, 2, 3]]))
        >>> scores.shape
        lamina.Size([1, 3, 65])
        >>> model.generate(lamina.tensor([[1, 2]]), length=5).shape
        lamina.Size([1, 5])
    """

    def __init__(
        self, vocabulary: int, hidden: int = 128, layers: int = 2, kind: str = "lstm", dropout: float = 0.0
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"[CharRNN] expected kind to be one of {', '.join(KINDS)}, got {kind!r}")
        self.embedding = nn.Embedding(vocabulary, hidden)
        between = dropout if layers > 1 else 0.0
        self.rnn = KINDS[kind](hidden, hidden, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.decoder = nn.Linear(hidden, vocabulary)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """
        Args:
            tokens: [N, T].
            state: what an earlier call returned, to go on from there; default: zeros.
        """
        output, state = self.rnn(self.embedding(tokens), state)
        return self.decoder(self.dropout(output)), state

    def generate(self, start: Tensor, length: int, temperature: float = 1.0) -> Tensor:
        """Tokens [N, length] that follow ``start`` [N, T], each drawn from the model's distribution.

        Args:
            start: at least one token a row.
            length: how many to draw.
            temperature: divides the scores: near 0 the likeliest token, above 1 more surprises.

        Raises:
            ValueError: for a temperature that is not positive.
        """
        if temperature <= 0:
            raise ValueError(f"[CharRNN.generate] expected a positive temperature, got {temperature}")
        drawn: list[Tensor] = []
        tokens, state = start, None
        with no_grad():
            for _ in range(length):
                scores, state = self(tokens, state)
                tokens = Categorical(logits=scores[:, -1:] / temperature).sample()
                drawn.append(tokens)
        return lamina.cat(drawn, 1)
