"""Captions by soft attention: Xu et al., "Show, attend and tell: neural image caption generation with visual
attention", 2015 (arXiv:1502.03044)."""

from __future__ import annotations

import lamina
from lamina import nn
from lamina.autograd import no_grad
from lamina.tensor import Tensor

from .attention import AdditiveAttention
from .greedy import write_greedily


class CaptioningNet(nn.Module):
    """An LSTM writes a caption word by word and looks at another part of the image for each.

    Args:
        encoder: turns images [N, 3, H, W] into maps [N, features, h, w]; each place is one annotation.
        features: channels of the maps.
        vocabulary: how many tokens there are.
        embedding: features of a token's embedding.
        hidden: units of the LSTM and of the attention.
        dropout: the probability of a zero before the scores.

    Example:
        >>> encoder = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU())
        >>> model = lamina.models.CaptioningNet(encoder, 8, vocabulary=20, embedding=4, hidden=16)
        >>> images = lamina.zeros(2, 3, 16, 16)
        >>> scores, weights = model(images, lamina.tensor([[1, 5, 6], [1, 7, 8]]))
        >>> scores.shape, weights.shape
        (lamina.Size([2, 3, 20]), lamina.Size([2, 3, 16]))
        >>> model.describe(images, start=1, end=2, length=5).shape[0]
        2
    """

    def __init__(
        self,
        encoder: nn.Module,
        features: int,
        vocabulary: int,
        embedding: int = 256,
        hidden: int = 512,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.attention = AdditiveAttention(hidden, features, hidden)
        self.init_h, self.init_c = nn.Linear(features, hidden), nn.Linear(features, hidden)
        self.gate = nn.Linear(hidden, features)
        self.decoder = nn.LSTMCell(embedding + features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.from_state = nn.Linear(hidden, embedding)
        self.from_context = nn.Linear(features, embedding, bias=False)
        self.output = nn.Linear(embedding, vocabulary)

    def encode(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Annotations [N, L, features], L = h w, and the LSTM's first state, from their mean."""
        annotations = self.encoder(images).flatten(2).transpose(1, 2)
        mean = annotations.mean(1)
        return annotations, (self.init_h(mean).tanh(), self.init_c(mean).tanh())

    def step(
        self, token: Tensor, state: tuple[Tensor, Tensor], annotations: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """Scores [N, vocabulary], the next state and the attention [N, L] after one token [N]."""
        word = self.embedding(token)
        context, weights = self.attention(state[0], annotations)
        context = self.gate(state[0]).sigmoid() * context  # how much of the image this word needs
        state = self.decoder(lamina.cat([word, context], 1), state)
        deep = word + self.from_state(self.dropout(state[0])) + self.from_context(context)
        return self.output(self.dropout(deep)), state, weights

    def forward(self, images: Tensor, captions: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher forcing: the token before is the right one.

        Args:
            images: [N, 3, H, W].
            captions: [N, T] tokens, from the start token on.

        Returns:
            Scores [N, T, vocabulary] of the token after each, and the attention [N, T, L].
        """
        annotations, state = self.encode(images)
        scores, attention = [], []
        for token in captions.unbind(1):
            score, state, weights = self.step(token, state, annotations)
            scores.append(score)
            attention.append(weights)
        return lamina.stack(scores, 1), lamina.stack(attention, 1)

    def describe(self, images: Tensor, start: int, end: int, length: int) -> Tensor:
        """The likeliest token at each step, [N, at most length], ``end`` from where a row has ended."""
        with no_grad():
            annotations, state = self.encode(images)
        first = lamina.full((images.shape[0],), start, device=images.device)
        return write_greedily(
            lambda token, state: self.step(token, state, annotations)[:2], state, first, end, length
        )


def coverage_penalty(weights: Tensor) -> Tensor:
    """The paper's doubly stochastic regularisation: every part of the image should get attention 1 over the caption.

    Args:
        weights: [N, T, L], what :class:`CaptioningNet` gave.

    Example:
        >>> lamina.models.coverage_penalty(lamina.full((1, 4, 4), 0.25))
        tensor(0.)
    """
    return ((1 - weights.sum(1)) ** 2).sum(1).mean()
