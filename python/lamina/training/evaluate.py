"""Data cut short, and what a trained classifier makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lamina.autograd import no_grad
from lamina.data import Subset
from lamina.nn import Module
from lamina.ops import cat
from lamina.tensor import Tensor


def first(dataset: Any, limit: int | None) -> Subset[Any]:
    """The first ``limit`` samples of a dataset, or all of them if it has no more or ``limit`` is None."""
    return Subset(dataset, range(min(len(dataset), limit or len(dataset))))


def predict(
    model: Module, batches: Iterable[tuple[Tensor, Tensor]], device: str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Scores and labels of whole data, on the CPU; the model computes in evaluation mode and keeps the mode it had.

    Args:
        model: inputs [N, ...] -> scores [N, ...].
        batches: pairs of inputs and labels.
        device: where the model is.

    Example:
        >>> scores, labels = lamina.training.predict(nn.Linear(4, 3), [(lamina.zeros(2, 4), lamina.zeros(2))] * 5)
        >>> scores.shape, labels.shape
        (lamina.Size([10, 3]), lamina.Size([10]))
    """
    was_training = model.training
    model.eval()
    with no_grad():
        pairs = [(model(inputs.to(device)).cpu(), labels) for inputs, labels in batches]
    model.train(was_training)
    scores, labels = (cat(parts) for parts in zip(*pairs, strict=True))
    return scores, labels


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Share of the rows of ``scores`` [N, C] whose greatest is at the label [N]; they may be on different devices.

    Example:
        >>> lamina.training.accuracy(lamina.eye(4), lamina.tensor([0, 1, 2, 0]))
        0.75
    """
    return int((scores.argmax(1).cpu() == labels.cpu()).sum()) / len(labels)
