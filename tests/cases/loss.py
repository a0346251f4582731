"""Losses of classes."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def classes(shape, high):
    return Input(shape, "int", high=high)


def values(*given):
    return Input((len(given),), "values", values=given, grad=False)


WEIGHTS = Input((5,), "positive", grad=False)
CROSS_ENTROPY = [
    sample(Input((7, 5)), classes((7,), 5)),
    sample(Input((5,)), classes((), 5)),
    sample(Input((2, 5, 3, 4)), classes((2, 3, 4), 5)),
    sample(Input((2, 5, 9)), classes((2, 9), 5), reduction="none"),
    sample(Input((7, 5)), classes((7,), 5), WEIGHTS),
    sample(Input((7, 5)), classes((7,), 5), WEIGHTS, reduction="sum", label_smoothing=0.1),
    sample(Input((7, 5)), classes((7,), 5), ignore_index=2, label_smoothing=0.2),
    sample(Input((9, 133)), classes((9,), 133), label_smoothing=0.1),
    sample(Input((7, 5)), Input((7, 5), "uniform"), WEIGHTS, label_smoothing=0.1),
    sample(Input((7, 5)), Input((7, 5), "uniform"), reduction="none"),
    sample(Input((2, 5, 3, 4)), Input((2, 5, 3, 4), "uniform"), reduction="sum"),
    sample(Input((5,)), Input((5,), "uniform"), WEIGHTS),
    sample(Input((2, 5, 3, 4, 2)), classes((2, 3, 4, 2), 5), WEIGHTS, ignore_index=3, label_smoothing=0.3),
    sample(Input((3, 5)), values(2, -100, 4), WEIGHTS),
    sample(Input((0, 5)), classes((0,), 5), reduction="sum"),
]
NLL = [
    sample(Input((7, 5)), classes((7,), 5)),
    sample(Input((7, 5)), classes((7,), 5), WEIGHTS, ignore_index=1),
    sample(Input((2, 5, 3)), classes((2, 3), 5), reduction="none"),
    sample(Input((2, 5, 3, 2, 2)), classes((2, 3, 2, 2), 5), WEIGHTS, reduction="sum"),
    sample(Input((5,)), classes((), 5)),
    sample(Input((3, 5)), values(-100, -100, -100), reduction="sum"),
]


def cross_entropy(x, t, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    axis = 0 if x.ndim == 1 else 1
    k = x.shape[axis]
    shifted = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    w = np.ones(k) if weight is None else weight
    columns = w.reshape([-1 if d == axis else 1 for d in range(x.ndim)])
    if t.dtype.kind == "f":
        losses = -(log_p * (t * (1 - label_smoothing) + label_smoothing / k) * columns).sum(axis)
        divisor = losses.size
    else:
        kept = t != ignore_index
        index = np.where(kept, t, 0)
        picked = np.take_along_axis(log_p, np.expand_dims(index, axis), axis).squeeze(axis)
        smooth = (log_p * columns).sum(axis) * label_smoothing / k
        losses = -(picked * w[index] * (1 - label_smoothing) + smooth) * kept
        divisor = (w[index] * kept).sum()
    return losses if reduction == "none" else losses.sum() / (divisor if reduction == "mean" else 1)


def nll(x, t, weight=None, ignore_index=-100, reduction="mean"):
    axis = 0 if x.ndim == 1 else 1
    w = np.ones(x.shape[axis]) if weight is None else weight
    kept = t != ignore_index
    index = np.where(kept, t, 0)
    used = w[index] * kept
    losses = -np.take_along_axis(x, np.expand_dims(index, axis), axis).squeeze(axis) * used
    return losses if reduction == "none" else losses.sum() / (used.sum() if reduction == "mean" else 1)


CASES = [
    Case(
        "loss.cross_entropy",
        F.cross_entropy,
        CROSS_ENTROPY,
        cross_entropy,
        "nn.functional.cross_entropy",
        benchmarks={
            "64x10": sample(Input((64, 10)), classes((64,), 10)),
            "8192x1000": sample(Input((8192, 1000)), classes((8192,), 1000)),
        },
        errors=[
            bad(ValueError, "targets of shape", Input((7, 5)), classes((6,), 5)),
            bad(ValueError, "targets of shape", Input((2, 5, 3)), classes((2, 4), 5)),
            bad(IndexError, "targets from 0 to 4, got 9", Input((2, 5)), values(0, 9)),
            bad(ValueError, "5 weights", Input((7, 5)), classes((7,), 5), Input((4,))),
            bad(
                ValueError,
                "label_smoothing from 0 to 1",
                Input((7, 5)),
                classes((7,), 5),
                label_smoothing=2.0,
            ),
            bad(ValueError, "probabilities of shape", Input((7, 5)), Input((7, 4))),
            bad(ValueError, "ignore_index", Input((7, 5)), Input((7, 5)), ignore_index=1),
            bad(ValueError, "label_smoothing from 0 to 1", Input((7, 5)), Input((7, 5)), label_smoothing=2.0),
            bad(ValueError, "5 weights", Input((7, 5)), Input((7, 5)), Input((4,))),
            bad(ValueError, "reduction", Input((7, 5)), classes((7,), 5), reduction="average"),
            bad(TypeError, "floating|float32", Input((7, 5), "int"), classes((7,), 5)),
        ],
    ),
    Case(
        "loss.nll_loss",
        F.nll_loss,
        NLL,
        nll,
        "nn.functional.nll_loss",
        errors=[
            bad(ValueError, "targets of shape", Input((7, 5)), classes((6,), 5)),
            bad(IndexError, "targets from 0 to 4, got 9", Input((2, 5)), values(0, 9)),
            bad(TypeError, "integer targets", Input((7, 5)), Input((7,))),
        ],
    ),
]
