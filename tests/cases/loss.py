"""Losses of classes."""

import numpy as np
from case import Case, Input, sample

from lamina.nn import functional as F


def classes(shape, high):
    return Input(shape, "int", high=high)


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
    sample(Input((0, 5)), classes((0,), 5), reduction="sum"),
]
NLL = [
    sample(Input((7, 5)), classes((7,), 5)),
    sample(Input((7, 5)), classes((7,), 5), WEIGHTS, ignore_index=1),
    sample(Input((2, 5, 3)), classes((2, 3), 5), reduction="none"),
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
    ),
    Case("loss.nll_loss", F.nll_loss, NLL, None, "nn.functional.nll_loss"),
]
