"""Connectionist temporal classification."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional.loss_reduction import reduction_code
from lamina.ops.cast_policy import in_autocast
from lamina.ops.creation import tensor
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["ctc_loss"]

Lengths = Tensor | Sequence[int]


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Negative log-likelihood of label sequences, summed over all their alignments (Graves et al., ICML 2006).

    Args:
        log_probs: log-probabilities (T, N, classes) or (T, classes), from ``log_softmax``: the gradient is the one that
            log_softmax's own backward expects, as in torch.
        targets: labels (N, S), or all sequences one after another.
        input_lengths: steps of each sequence, at most T.
        target_lengths: labels of each.
        blank: the class number of the blank.
        reduction: ``"mean"`` (of losses divided by their target lengths), ``"sum"`` or ``"none"``.
        zero_infinity: infinite losses, of inputs too short for their targets, count 0 with no gradient.

    Raises:
        ValueError: if shapes or lengths do not fit.
        IndexError: if a label is no class.

    Example:
        >>> x = lamina.zeros(2, 1, 3).log_softmax(2)  # two steps, three classes
        >>> loss = lamina.nn.functional.ctc_loss(x, lamina.tensor([[1]]), [2], [1], reduction="sum")
        >>> round(loss.item(), 4)  # -log(3/9): "1b", "b1" and "11"
        1.0986
    """
    if not (isinstance(log_probs, Tensor) and isinstance(targets, Tensor)):
        expect_tensors("ctc_loss", log_probs=log_probs, targets=targets)
    if casting.on:
        return in_autocast(
            ctc_loss, log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity
        )
    code = reduction_code(reduction, "ctc_loss")
    single = log_probs.ndim == 2
    scores = log_probs.unsqueeze(1) if single else log_probs
    steps, lengths = _listed(input_lengths), _listed(target_lengths)
    array, log_alpha = _C.ctc_loss(scores._array, targets._array, steps, lengths, blank)
    losses = Tensor(array)
    if tracks(scores):
        saved = (scores, targets, steps, lengths, blank, array, log_alpha, zero_infinity)
        record(losses, _ctc_loss_backward, (scores,), saved)
    if zero_infinity:
        losses = losses.masked_fill(losses.detach() == float("inf"), 0.0)
    if code == 1:
        return losses.sum()
    if code == 2:
        return (losses / tensor(lengths, dtype=losses.dtype, device=losses.device).clamp(min=1)).mean()
    return losses.squeeze(0) if single else losses


def _ctc_loss_backward(node: Node, grad: Tensor) -> Tensor:
    scores, targets, steps, lengths, blank, losses, log_alpha, zero_infinity = node.saved
    arguments = (scores._array, targets._array, steps, lengths, blank)
    dx = Tensor(_C.ctc_loss_backward(*arguments, losses, log_alpha, grad._array, zero_infinity))
    return record(dx, _twice_backward, (grad, scores)) if tracks(grad, scores) else dx


def _twice_backward(node: Node, grad: Tensor) -> None:
    raise RuntimeError("[ctc_loss] the gradient can't be differentiated again")


def _listed(lengths: Lengths) -> list[int]:
    if not isinstance(lengths, Tensor):
        return [int(n) for n in lengths]
    if lengths.dtype.is_floating_point:
        raise TypeError(f"[ctc_loss] expected integer lengths, got {lengths.dtype}")
    return lengths.reshape(-1).tolist()
