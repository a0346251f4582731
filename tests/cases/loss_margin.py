"""Losses that ask for a margin, and those of distances between vectors."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def classes(shape, high):
    return Input(shape, "int", high=high)


def signs(*shape):
    return Input(shape, "values", values=np.resize([1.0, -1.0, 1.0, 1.0, -1.0], shape), grad=False)


def ints(*rows):
    return Input(np.shape(rows), "values", values=rows, grad=False)


def reduced(losses, reduction="mean"):
    return losses if reduction == "none" else getattr(losses, reduction)()


def multi_margin(x, t, p=1, margin=1.0, weight=None, reduction="mean"):
    rows, targets = np.atleast_2d(x), np.atleast_1d(t)
    gaps = np.maximum(0, margin - np.take_along_axis(rows, targets[:, None], 1) + rows) ** p
    np.put_along_axis(gaps, targets[:, None], 0, 1)
    losses = gaps.sum(1) / rows.shape[1] * (1 if weight is None else weight[targets])
    return reduced(losses[0] if x.ndim < 2 else losses, reduction)


def multilabel_margin(x, t, reduction="mean"):
    losses = []
    for row, labels in zip(np.atleast_2d(x), np.atleast_2d(t)):
        ends = np.flatnonzero(labels < 0)
        labels = labels[: ends[0]] if ends.size else labels
        others = np.delete(row, labels)
        losses.append(np.maximum(0, 1 - row[labels][:, None] + others).sum() / row.size)
    return reduced(np.array(losses[0] if x.ndim < 2 else losses), reduction)


def multilabel_soft_margin(x, y, weight=1.0, reduction="mean"):
    losses = weight * (y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x))
    return reduced(losses.mean(-1), reduction)


def ranking(a, b, y, margin=0.0, reduction="mean"):
    return reduced(np.maximum(0, margin - y * (a - b)), reduction)


def cosine_embedding(a, b, y, margin=0.0, reduction="mean"):
    cosine = (a * b).sum(-1) / np.sqrt(((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12))
    return reduced(np.where(y == 1, 1 - cosine, np.maximum(0, cosine - margin)), reduction)


def triplet(a, p, n, margin=1.0, power=2, eps=1e-6, swap=False, reduction="mean"):
    def distance(u, v):
        return np.linalg.norm(u - v + eps, power, -1)

    far = np.minimum(distance(a, n), distance(p, n)) if swap else distance(a, n)
    return reduced(np.maximum(0, margin + distance(a, p) - far), reduction)


ROWS = Input((7, 5), "distinct")
WEIGHTS = Input((5,), "positive", grad=False)
LABELS = ints([3, 0, -1, 1, 2], [-1, 0, 1, 2, 3], [4, 3, 2, 1, 0], [2, -1, -1, -1, -1])
VECTORS = [Input((4, 6)), Input((4, 6))]
TRIPLET = [Input((4, 6)), Input((4, 6)), Input((4, 6))]
DISTANCES = [
    sample(*TRIPLET, margin=2.0),
    sample(*TRIPLET, margin=2.0, reduction="none"),
    sample(*TRIPLET, margin=3.0, swap=True, reduction="sum"),
    sample(Input((6,)), Input((6,)), Input((6,)), margin=4.0),
    sample(Input((2, 3, 6)), Input((2, 3, 6)), Input((1, 3, 6)), margin=4.0),
]
TRIPLET_ERRORS = [
    bad(ValueError, "margin above 0", *TRIPLET, margin=0.0),
    bad(ValueError, "as many dimensions", Input((4, 6)), Input((4, 6)), Input((6,))),
    bad(ValueError, "reduction", *TRIPLET, reduction="average"),
]

CASES = [
    Case(
        "loss.multi_margin_loss",
        F.multi_margin_loss,
        [
            sample(ROWS, classes((7,), 5)),
            sample(ROWS, classes((7,), 5), 2, 0.5),
            sample(ROWS, classes((7,), 5), weight=WEIGHTS, reduction="none"),
            sample(Input((5,), "distinct"), classes((), 5), margin=0.3, reduction="sum"),
            sample(Input(()), classes((), 1), reduction="none"),
            sample(Input((3, 133), "distinct"), classes((3,), 133), 2),
        ],
        multi_margin,
        "nn.functional.multi_margin_loss",
        benchmarks={"64x1000": sample(Input((64, 1000)), classes((64,), 1000))},
        errors=[
            bad(ValueError, "p of 1 or 2", ROWS, classes((7,), 5), 3),
            bad(ValueError, "targets of shape", ROWS, classes((6,), 5)),
            bad(ValueError, "5 weights", ROWS, classes((7,), 5), weight=Input((4,))),
            bad(IndexError, "targets from 0 to 4", ROWS, ints(0, 1, 2, 3, 4, 0, 7)),
            bad(TypeError, "integer targets", ROWS, Input((7,))),
            bad(ValueError, "reduction", ROWS, classes((7,), 5), reduction="average"),
        ],
    ),
    Case(
        "loss.multilabel_margin_loss",
        F.multilabel_margin_loss,
        [
            sample(Input((4, 5), "distinct"), LABELS),
            sample(Input((4, 5), "distinct"), LABELS, reduction="none"),
            sample(Input((5,), "distinct"), ints(3, 0, -1, 1, 2), reduction="sum"),
            sample(Input(()), classes((), 1)),
        ],
        multilabel_margin,
        "nn.functional.multilabel_margin_loss",
        benchmarks={"64x200": sample(Input((64, 200)), Input((64, 200), "int", low=-1, high=20))},
        errors=[
            bad(ValueError, "targets of the input's shape", ROWS, classes((7, 4), 5)),
            bad(IndexError, "targets from -1 to 4", Input((1, 5)), ints([0, 5, -1, 0, 0])),
            bad(TypeError, "integer targets", ROWS, ROWS),
        ],
    ),
    # torch leaves the sum of no rows uninitialised.
    Case(
        "loss.multi_margin_loss_of_no_rows",
        F.multi_margin_loss,
        [sample(Input((0, 5)), classes((0,), 5), reduction="sum")],
        multi_margin,
    ),
    Case(
        "loss.multilabel_margin_loss_of_no_rows",
        F.multilabel_margin_loss,
        [sample(Input((0, 5)), classes((0, 5), 5), reduction="sum")],
        multilabel_margin,
    ),
    Case(
        "loss.multilabel_soft_margin_loss",
        F.multilabel_soft_margin_loss,
        [
            sample(Input((4, 5)), Input((4, 5), "uniform", grad=False)),
            sample(Input((4, 5)), Input((4, 5), "uniform", grad=False), WEIGHTS, reduction="none"),
            sample(Input((2, 3, 5)), Input((2, 3, 5), "uniform", grad=False), reduction="sum"),
            sample(Input((5,)), Input((5,), "uniform", grad=False)),
        ],
        multilabel_soft_margin,
        lambda torch, x, y, weight=None, reduction="mean": torch.nn.functional.multilabel_soft_margin_loss(
            x, y, weight, reduction=reduction
        ),
        errors=[bad(ValueError, "reduction", ROWS, ROWS, reduction="average")],
    ),
    Case(
        "loss.margin_ranking_loss",
        F.margin_ranking_loss,
        [
            sample(Input((5, 3)), Input((5, 3)), signs(5, 3)),
            sample(Input((5, 3)), Input((5, 3)), signs(5, 3), 0.7, reduction="none"),
            sample(Input((5, 1)), Input((5, 3)), signs(1, 3), margin=0.2, reduction="sum"),
        ],
        ranking,
        lambda torch, a, b, y, margin=0.0, reduction="mean": torch.nn.functional.margin_ranking_loss(
            a, b, y, margin, reduction=reduction
        ),
        errors=[
            bad(ValueError, "as many dimensions", ROWS, ROWS, Input((5,))),
            bad(ValueError, "reduction", ROWS, ROWS, ROWS, reduction="average"),
        ],
    ),
    Case(
        "loss.cosine_embedding_loss",
        F.cosine_embedding_loss,
        [
            sample(*VECTORS, signs(4)),
            sample(*VECTORS, signs(4), margin=-0.5, reduction="none"),
            sample(*VECTORS, signs(4), margin=0.1, reduction="sum"),
            sample(Input((6,)), Input((6,)), signs()),
        ],
        cosine_embedding,
        "nn.functional.cosine_embedding_loss",
        errors=[
            bad(ValueError, "targets", *VECTORS, signs(4, 1)),
            bad(ValueError, "targets", Input((6,)), Input((6,)), signs(4)),
            bad(ValueError, "broadcast", *VECTORS, signs(3)),
        ],
    ),
    Case(
        "loss.triplet_margin_loss",
        F.triplet_margin_loss,
        [*DISTANCES, sample(*TRIPLET, 3.0, 1.0, 1e-4), sample(*TRIPLET, 2.0, 3)],
        triplet,
        "nn.functional.triplet_margin_loss",
        errors=TRIPLET_ERRORS,
    ),
    Case(
        "loss.triplet_margin_with_distance_loss",
        F.triplet_margin_with_distance_loss,
        [*DISTANCES, sample(*TRIPLET, distance_function=lambda a, b: ((a - b) ** 2).sum(-1), margin=9.0)],
        None,
        "nn.functional.triplet_margin_with_distance_loss",
        errors=TRIPLET_ERRORS,
    ),
]
