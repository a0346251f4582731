"""Losses of one input and one target an element."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F

FLOATS = ("float32", "float64", "bfloat16")
LARGE = Input((64, 784))


def signs(shape):
    """1 and -1, as drawn for 3 x 4 and tiled to larger shapes."""
    return Input(shape, "values", values=np.resize([1.0, -1.0, 1.0, 1.0, -1.0], shape), grad=False)


def inner(shape):
    """Probabilities away from 0 and 1, where cross-entropy bends too sharply for finite differences."""
    return Input(shape, "values", values=np.random.default_rng(0).uniform(0.05, 0.95, shape))


def reduced(losses, reduction="mean"):
    if reduction == "batchmean":
        return losses.sum() / losses.shape[0]
    return losses if reduction == "none" else getattr(losses, reduction)()


def pairs(x, y, *shapes, **kwargs):
    """Every reduction, and odd shapes: 0-d, empty, longer than a block and than a chunk."""
    return [
        sample(x((3, 4)), y((3, 4)), **kwargs),
        sample(x((3, 4)), y((3, 4)), reduction="sum", **kwargs),
        sample(x((3, 4)), y((3, 4)), reduction="none", **kwargs),
        sample(x(()), y(()), **kwargs),
        sample(x((0, 3)), y((0, 3)), reduction="sum", **kwargs),
        sample(x((2, 3, 5, 7)), y((2, 3, 5, 7)), reduction="none", **kwargs),
        sample(x((5, 1031)), y((5, 1031)), **kwargs),
        sample(x((9, 2003)), y((9, 2003)), **kwargs),
    ]


def normal(shape, **kwargs):
    return Input(shape, **kwargs)


def uniform(shape, **kwargs):
    return Input(shape, "uniform", **kwargs)


def positive(shape, **kwargs):
    return Input(shape, "positive", **kwargs)


def fixed(make):
    return lambda shape: make(shape, grad=False)


def values(*given):
    return Input((len(given),), "values", values=given, grad=False)


WEIGHT = Input((3, 1), "positive", grad=False)
WEIGHTED = [
    sample(Input((3, 4)), Input((3, 4)), weight=Input((3, 4), "positive", grad=False)),
    sample(Input((3, 4)), Input((3, 4)), reduction="sum", weight=Input((3, 4), "positive")),
    sample(Input((3, 4)), Input((3, 4)), reduction="none", weight=Input((3, 4), "positive", grad=False)),
]
WRONG = [
    bad(ValueError, r"reduction 'mean', 'sum' or 'none'", Input((2,)), Input((2,)), reduction="average"),
    bad(TypeError, r"expected a floating input", Input((2,), "int"), Input((2,), "int")),
]


def clash(name):
    return bad(ValueError, rf"\[{name}\] expected", Input((3, 2)), Input((4,)))


def weighted_mean(losses, reduction, weight):
    if weight is None:
        return reduced(losses, reduction)
    return (
        (losses * weight).sum() / weight.sum() if reduction == "mean" else reduced(losses * weight, reduction)
    )


def smooth_l1(x, y, reduction="mean", beta=1.0):
    d = np.abs(x - y)
    return reduced(np.where(d < beta, d**2 / (2 * beta) if beta else d, d - beta / 2), reduction)


def huber(x, y, reduction="mean", delta=1.0, weight=None):
    d = np.abs(x - y)
    losses = np.where(d <= delta, d**2 / 2, delta * (d - delta / 2))
    return reduced(losses if weight is None else losses * weight, reduction)


def cross_entropy(x, y, weight=1.0, reduction="mean"):
    losses = -y * np.maximum(np.log(x), -100) - (1 - y) * np.maximum(np.log1p(-x), -100)
    return reduced(losses * weight, reduction)


def with_logits(x, y, weight=1.0, reduction="mean", pos_weight=1.0):
    losses = pos_weight * y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)
    return reduced(losses * weight, reduction)


def kl(x, y, reduction="mean", log_target=False):
    if log_target:
        return reduced(np.exp(y) * (y - x), reduction)
    return reduced(np.where(y == 0, 0.0, y * np.log(np.where(y == 0, 1.0, y))) - y * x, reduction)


def hinge_embedding(x, y, margin=1.0, reduction="mean"):
    return reduced(np.where(y == 1, x, np.maximum(0, margin - x)), reduction)


def poisson(x, y, log_input=True, full=False, eps=1e-8, reduction="mean"):
    losses = np.exp(x) - y * x if log_input else x - y * np.log(x + eps)
    if full:
        safe = np.where(y > 1, y, 1.0)
        losses = losses + np.where(y > 1, safe * np.log(safe) - safe + 0.5 * np.log(2 * np.pi * safe), 0.0)
    return reduced(losses, reduction)


def gaussian(x, y, var, full=False, eps=1e-6, reduction="mean"):
    var = np.maximum(var, eps)
    if np.ndim(var) == x.ndim - 1 and np.ndim(var):
        var = var[..., None]
    losses = 0.5 * (np.log(var) + (x - y) ** 2 / var) + (0.5 * np.log(2 * np.pi) if full else 0.0)
    return reduced(losses, reduction)


CASES = [
    Case(
        "loss.mse_loss",
        F.mse_loss,
        [*pairs(normal, normal), *WEIGHTED],
        lambda x, y, reduction="mean", weight=None: weighted_mean((x - y) ** 2, reduction, weight),
        "nn.functional.mse_loss",
        dtypes=FLOATS,
        benchmarks={"64x784": sample(LARGE, LARGE)},
        errors=[
            *WRONG,
            clash("mse_loss"),
            bad(ValueError, "weights", Input((2,)), Input((2,)), weight=Input((1,))),
        ],
    ),
    Case(
        "loss.l1_loss",
        F.l1_loss,
        [*pairs(normal, normal), *WEIGHTED],
        lambda x, y, reduction="mean", weight=None: weighted_mean(np.abs(x - y), reduction, weight),
        "nn.functional.l1_loss",
        dtypes=FLOATS,
        benchmarks={"64x784": sample(LARGE, LARGE)},
        errors=[*WRONG, clash("l1_loss")],
    ),
    Case(
        "loss.smooth_l1_loss",
        F.smooth_l1_loss,
        [*pairs(normal, normal), *pairs(normal, normal, beta=0.3)[:3], *pairs(normal, normal, beta=0.0)[:2]],
        smooth_l1,
        "nn.functional.smooth_l1_loss",
        benchmarks={"64x784": sample(LARGE, LARGE)},
        errors=[*WRONG, bad(ValueError, "beta of at least 0", Input((2,)), Input((2,)), beta=-1.0)],
    ),
    Case(
        "loss.huber_loss",
        F.huber_loss,
        [*pairs(normal, normal), *pairs(normal, normal, delta=0.4)[:3], *WEIGHTED],
        huber,
        "nn.functional.huber_loss",
        benchmarks={"64x784": sample(LARGE, LARGE)},
        errors=[*WRONG, bad(ValueError, "delta above 0", Input((2,)), Input((2,)), delta=0.0)],
    ),
    Case(
        "loss.binary_cross_entropy",
        F.binary_cross_entropy,
        [
            *pairs(inner, fixed(uniform)),
            sample(inner((3, 4)), uniform((3, 4))),
            sample(inner((3, 4)), uniform((3, 4), grad=False), positive((4,), grad=False)),
            sample(inner((3, 4)), uniform((3, 4), grad=False), positive((3, 4), grad=False), reduction="sum"),
            sample(values(0.0, 1.0, 1.0), values(1.0, 0.0, 1.0)),
        ],
        cross_entropy,
        lambda torch, x, y, weight=None, reduction="mean": torch.nn.functional.binary_cross_entropy(
            x, y, weight, reduction=reduction
        ),
        benchmarks={"64x784": sample(inner((64, 784)), uniform((64, 784), grad=False))},
        errors=[
            bad(ValueError, "from 0 to 1", values(0.5, 1.5), uniform((2,))),
            bad(ValueError, "from 0 to 1", uniform((2,)), values(-0.5, 0.5)),
            bad(
                ValueError,
                "from 0 to 1",
                values(0.5, float("nan")),
                uniform((2,)),
            ),
            bad(ValueError, "input's shape", uniform((2,)), uniform((3,))),
            bad(ValueError, "reduction", uniform((2,)), uniform((2,)), reduction="average"),
        ],
    ),
    Case(
        "loss.binary_cross_entropy_with_logits",
        F.binary_cross_entropy_with_logits,
        [
            *pairs(normal, fixed(uniform)),
            sample(normal((3, 4)), uniform((3, 4))),
            sample(normal((3, 4)), uniform((3, 4), grad=False), pos_weight=positive((4,), grad=False)),
            sample(
                normal((3, 4)),
                uniform((3, 4)),
                positive((3, 1), grad=False),
                pos_weight=positive((4,), grad=False),
            ),
            sample(
                Input((3,), kind="values", values=[-200.0, 200.0, 90.0]),
                Input((3,), kind="values", values=[1.0, 0.0, 1.0], grad=False),
            ),
        ],
        with_logits,
        lambda torch, x, y, weight=None, **kwargs: torch.nn.functional.binary_cross_entropy_with_logits(
            x, y, weight, **kwargs
        ),
        benchmarks={"64x784": sample(LARGE, uniform((64, 784), grad=False))},
        errors=[
            bad(ValueError, "input's shape", Input((2,)), uniform((3,))),
            bad(ValueError, "expected", Input((2, 4)), uniform((2, 4)), pos_weight=positive((3,))),
        ],
    ),
    Case(
        "loss.kl_div",
        F.kl_div,
        [
            *pairs(normal, fixed(uniform)),
            sample(normal((3, 4)), positive((3, 4))),
            sample(normal((3, 4)), uniform((3, 4)), reduction="batchmean"),
            sample(normal((3,)), values(0.0, 0.5, 0.5), reduction="none"),
            *pairs(normal, normal, log_target=True)[:3],
        ],
        kl,
        "nn.functional.kl_div",
        benchmarks={"64x784": sample(LARGE, uniform((64, 784), grad=False), reduction="batchmean")},
        errors=WRONG,
    ),
    Case(
        "loss.soft_margin_loss",
        F.soft_margin_loss,
        [*pairs(normal, signs), sample(normal((3, 4)), normal((3, 4), grad=False))],
        lambda x, y, reduction="mean": reduced(np.logaddexp(0, -x * y), reduction),
        "nn.functional.soft_margin_loss",
        benchmarks={"64x784": sample(LARGE, signs((64, 784)))},
        errors=[*WRONG, clash("soft_margin_loss")],
    ),
    Case(
        "loss.hinge_embedding_loss",
        F.hinge_embedding_loss,
        [*pairs(normal, signs), *pairs(normal, signs, margin=0.2)[:3]],
        hinge_embedding,
        "nn.functional.hinge_embedding_loss",
        benchmarks={"64x784": sample(LARGE, signs((64, 784)))},
        errors=[*WRONG, clash("hinge_embedding_loss")],
    ),
    Case(
        "loss.poisson_nll_loss",
        F.poisson_nll_loss,
        [
            *pairs(normal, fixed(positive)),
            *pairs(normal, fixed(positive), full=True)[:3],
            *pairs(positive, fixed(positive), log_input=False)[:3],
            sample(positive((3, 4)), positive((3, 4)), log_input=False, full=True, eps=0.1),
        ],
        poisson,
        "nn.functional.poisson_nll_loss",
        benchmarks={"64x784": sample(LARGE, positive((64, 784), grad=False))},
        errors=[*WRONG, clash("poisson_nll_loss")],
    ),
    Case(
        "loss.gaussian_nll_loss",
        F.gaussian_nll_loss,
        [
            sample(normal((3, 4)), normal((3, 4)), positive((3, 4))),
            sample(normal((3, 4)), normal((3, 4)), positive((3, 4)), reduction="sum", full=True),
            sample(normal((3, 4)), normal((3, 4)), positive((3, 1)), reduction="none"),
            sample(normal((3, 4)), normal((3, 4)), positive((3,)), eps=1.0),
            sample(normal((3, 4)), normal((3, 4)), 2.0),
            sample(normal((0, 4)), normal((0, 4)), positive((0, 4)), reduction="sum"),
        ],
        gaussian,
        "nn.functional.gaussian_nll_loss",
        errors=[
            bad(
                ValueError,
                "variances of at least 0",
                Input((2,)),
                Input((2,)),
                values(1.0, -1.0),
            ),
            bad(ValueError, "variances of at least 0", Input((2,)), Input((2,)), -1.0),
            bad(ValueError, "variances of shape", Input((2, 3)), Input((2, 3)), positive((5,))),
            bad(ValueError, "reduction", Input((2,)), Input((2,)), 1.0, reduction="average"),
        ],
    ),
]
