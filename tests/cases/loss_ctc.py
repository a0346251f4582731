"""Connectionist temporal classification, of log_softmax, whose backward its gradient is made for."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def ints(*values):
    return Input(np.shape(values), "values", values=values, grad=False)


def loss_of(log_p, labels, blank):
    """The forward recursion over the labels with blanks between, in plain probabilities."""
    extended = [blank]
    for label in labels:
        extended += [label, blank]
    if len(log_p) == 0:
        return 0.0 if len(labels) == 0 else np.inf
    alpha = np.zeros(len(extended))
    for t, p in enumerate(np.exp(log_p)):
        before = alpha.copy()
        for s, c in enumerate(extended):
            ways = before[s] + (before[s - 1] if s > 0 else 0.0)
            if s > 1 and c != blank and c != extended[s - 2]:
                ways += before[s - 2]
            alpha[s] = p[c] * (ways if t else float(s < 2))
    return -np.log(alpha[-1] + (alpha[-2] if len(extended) > 1 else 0.0))


def reference(x, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    log_p = x - np.log(np.exp(x).sum(-1, keepdims=True))
    log_p = log_p[:, None] if x.ndim == 2 else log_p
    lengths, starts = np.ravel(target_lengths), np.cumsum([0, *np.ravel(target_lengths)])
    losses = []
    for n, (steps, size) in enumerate(zip(np.ravel(input_lengths), lengths)):
        labels = targets[n] if np.ndim(targets) == 2 else targets[starts[n] :]
        losses.append(loss_of(log_p[:steps, n], labels[:size], blank))
    losses = np.array(losses)
    if zero_infinity:
        losses = np.where(np.isinf(losses), 0.0, losses)
    if reduction == "none":
        return losses[0] if x.ndim == 2 else losses
    return (losses / np.maximum(lengths, 1)).mean() if reduction == "mean" else losses.sum()


X = Input((9, 3, 5))
PADDED, FLAT = ints([1, 2, 2, 4], [3, 3, 3, 3], [1, 4, 0, 0]), ints(1, 2, 2, 4, 3, 3, 1)

CASES = [
    Case(
        "loss.ctc_loss",
        lambda x, *args, **kwargs: F.ctc_loss(x.log_softmax(-1), *args, **kwargs),
        [
            sample(X, PADDED, (9, 9, 9), (4, 4, 2)),
            sample(X, PADDED, ints(9, 8, 5), ints(4, 3, 2), reduction="none"),
            sample(X, FLAT, [9, 7, 4], [4, 2, 1], reduction="sum"),
            sample(X, PADDED, (9, 9, 9), (0, 4, 1)),
            sample(X, PADDED, (9, 3, 9), (4, 4, 2), zero_infinity=True),  # the second has no alignment
            sample(X, ints([0, 2], [1, 1], [3, 0]), (9, 9, 9), (2, 2, 2), blank=4),
            sample(Input((9, 5)), ints(1, 2, 2), (8,), (3,), reduction="none"),
            sample(Input((1, 3, 5)), PADDED, (1, 1, 1), (1, 1, 1)),
            sample(Input((50, 2, 28)), Input((2, 20), "int", low=1, high=28), (50, 41), (20, 13)),
            sample(X, PADDED, (9, 0, 9), (4, 0, 2), reduction="none"),
        ],
        reference,
        lambda torch, x, *args, **kwargs: torch.nn.functional.ctc_loss(x.log_softmax(-1), *args, **kwargs),
        double=False,  # nor has torch
        benchmarks={
            "150x16x80": sample(
                Input((150, 16, 80)), Input((16, 40), "int", low=1, high=80), (150,) * 16, (40,) * 16
            )
        },
        errors=[
            bad(ValueError, "input_lengths from 0 to 9", X, PADDED, (9, 9, 10), (4, 4, 2)),
            bad(ValueError, "target_lengths from 0 to 4", X, PADDED, (9, 9, 9), (4, 5, 2)),
            bad(ValueError, "3 target_lengths", X, PADDED, (9, 9, 9), (4, 4)),
            bad(ValueError, "sum of target_lengths", X, FLAT, (9, 9, 9), (4, 4, 2)),
            bad(ValueError, "blank from 0 to 4", X, PADDED, (9, 9, 9), (4, 4, 2), blank=5),
            bad(ValueError, "targets of shape", X, ints([1, 2], [1, 2]), (9, 9, 9), (2, 2, 2)),
            bad(ValueError, "shape", Input((2, 3, 4, 5)), PADDED, (2, 2, 2), (1, 1, 1)),
            bad(IndexError, "targets from 0 to 4, got 7", X, ints([1], [7], [1]), (9, 9, 9), (1, 1, 1)),
            bad(TypeError, "integer targets", X, Input((3, 2)), (9, 9, 9), (2, 2, 2)),
            bad(TypeError, "integer lengths", X, PADDED, Input((3,)), (4, 4, 2)),
        ],
    )
]
