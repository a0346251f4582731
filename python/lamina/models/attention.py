"""Soft attention: Bahdanau, Cho & Bengio, 2014 (arXiv:1409.0473)."""

from __future__ import annotations

from lamina import nn
from lamina.tensor import Tensor


class AdditiveAttention(nn.Module):
    """A mean of vectors, weighted by a small perceptron that compares each with a query.

    ``weights = softmax(v · tanh(W query + U annotations))``, ``context = weights · annotations``.

    Args:
        query_size: features of the query.
        annotation_size: features of the vectors attended to.
        hidden: units of the perceptron.

    Example:
        >>> attend = lamina.models.AdditiveAttention(4, 6, 8)
        >>> context, weights = attend(lamina.zeros(2, 4), lamina.zeros(2, 5, 6))
        >>> context.shape, weights.shape
        (lamina.Size([2, 6]), lamina.Size([2, 5]))
    """

    def __init__(self, query_size: int, annotation_size: int, hidden: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, hidden)
        self.key = nn.Linear(annotation_size, hidden, bias=False)
        self.energy = nn.Linear(hidden, 1, bias=False)

    def forward(
        self, query: Tensor, annotations: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """
        Args:
            query: [N, query_size].
            annotations: [N, L, annotation_size].
            mask: [N, L] bools, False where there is nothing to attend to.

        Returns:
            The context [N, annotation_size] and the weights [N, L].
        """
        hidden = (self.query(query).unsqueeze(1) + self.key(annotations)).tanh()
        scores = self.energy(hidden).squeeze(2)
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights: Tensor = scores.softmax(1)
        return (weights.unsqueeze(1) @ annotations).squeeze(1), weights
