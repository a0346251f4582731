"""Activations."""

import math

import numpy as np
from case import Case, Input, bad, sample

from cases.elementwise import HALVES, INF, NAN, edge
from cases.unary import erf, sigmoid
from lamina.nn import functional as F

STEPS = Input(
    (8,), "values", values=np.array([-3.7, -2.6, -1.3, -0.4, 0.3, 0.7, 1.6, 6.5])
)  # no kink among them
SHAPES = [Input((1030,), "distinct"), Input((0, 3)), Input((2, 3, 5, 4), "distinct")]
SPECIAL = edge(NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 700.0, -700.0)


def activation(name, reference, *parameters, **options):
    samples = [sample(x) for x in (STEPS, *SHAPES)] + [sample(STEPS, *p) for p in parameters]
    options.setdefault("dtypes", HALVES)
    options.setdefault("torch", f"nn.functional.{name}")
    benchmarks = {"1e6": sample(Input((1_000_000,)))}
    return Case(f"activation.{name}", getattr(F, name), samples, reference, benchmarks=benchmarks, **options)


def special(name):
    """NaN, infinities and zeros, where torch alone is the oracle."""
    options = {"dtypes": HALVES, "differentiable": False}
    return Case(
        f"activation.{name}_edges",
        getattr(F, name),
        [sample(SPECIAL)],
        None,
        f"nn.functional.{name}",
        **options,
    )


def gelu(x, approximate="none"):
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softplus(x, beta=1.0, threshold=20.0):
    return np.where(x * beta > threshold, x, np.log1p(np.exp(np.minimum(x * beta, threshold))) / beta)


ERRORS = [bad(TypeError, r"\] expected a floating dtype, got int64", Input((2,), "int"))]

CASES = [
    activation("relu", lambda x: np.where(x < 0, 0, x)),
    activation("relu6", lambda x: np.clip(x, 0, 6)),
    activation(
        "leaky_relu",
        lambda x, slope=0.01: np.where(x > 0, x, slope * x),
        (0.2,),
        (-0.5,),
        (0.0,),
        errors=ERRORS,
    ),
    activation("elu", elu, (0.5,), (-0.5,), errors=ERRORS),
    activation("selu", lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772), errors=ERRORS),
    activation(
        "celu",
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
        (0.5,),
        (-0.5,),
        errors=[*ERRORS, bad(ValueError, r"\[celu\] expected an alpha other than 0", Input((2,)), 0.0)],
    ),
    activation("sigmoid", sigmoid),
    activation("tanh", np.tanh),
    activation("silu", lambda x: x * sigmoid(x), errors=ERRORS),
    activation("gelu", gelu, errors=ERRORS),
    Case(
        "activation.gelu_tanh",
        lambda x: F.gelu(x, approximate="tanh"),
        [sample(STEPS), sample(Input((50,)))],
        lambda x: gelu(x, "tanh"),
        lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"),
        errors=[bad(TypeError, r"\[gelu\] expected a tensor", 1.0)],
    ),
    activation("softplus", softplus, (2.0,), (1.0, 0.5), errors=ERRORS),
    activation("logsigmoid", lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))),
    activation(
        "hardtanh",
        lambda x, a=-1.0, b=1.0: np.clip(x, a, b),
        (-2.0, 0.5),
        errors=[bad(ValueError, r"\[hardtanh\] expected min_val of at most max_val", Input((2,)), 2.0, 1.0)],
    ),
    activation(
        "hardsigmoid",
        lambda x: np.clip(x + 3, 0, 6) / 6,
        # torch rounds its 1/6 to float32 in every dtype
        torch=lambda torch, x: torch.nn.functional.relu6(x + 3) / 6,
        errors=ERRORS,
    ),
    activation("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, errors=ERRORS),
    activation("mish", lambda x: x * np.tanh(softplus(x)), errors=ERRORS),
    activation("softsign", lambda x: x / (1 + np.abs(x)), dtypes=("float32", "float64")),
    *[
        special(name)
        for name in (
            "relu",
            "relu6",
            "leaky_relu",
            "elu",
            "selu",
            "sigmoid",
            "tanh",
            "softplus",
            "logsigmoid",
            "hardtanh",
            "celu",
            "mish",
            "hardsigmoid",
            "hardswish",
            "softshrink",
            "hardshrink",
            "tanhshrink",
        )
    ],
    activation("hardshrink", lambda x, lambd=0.5: np.where(np.abs(x) > lambd, x, 0), (1.0,), errors=ERRORS),
    activation(
        "softshrink",
        lambda x, lambd=0.5: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
        (1.0,),
        (0.0,),
        errors=[*ERRORS, bad(ValueError, r"\[softshrink\] expected lambd of at least 0", Input((2,)), -1.0)],
    ),
    activation("tanhshrink", lambda x: x - np.tanh(x), dtypes=("float32", "float64")),
    Case(
        "activation.threshold",
        F.threshold,
        [sample(STEPS, 0.5, -2.0), sample(SPECIAL, 0.0, 3.0), sample(Input((4,), "int", low=-3), 1, 2)],
        lambda x, t, v: np.where(x <= t, v, x),
        "nn.functional.threshold",
    ),
    Case(
        "activation.rrelu",
        F.rrelu,
        [sample(STEPS), sample(STEPS, 0.2, 0.2, True), sample(Input((0, 3)))],
        lambda x, a=1 / 8, b=1 / 3, training=False: np.where(x > 0, x, x * (a + b) / 2),
        "nn.functional.rrelu",
        errors=[
            bad(ValueError, r"\[rrelu\] expected lower of at most upper", STEPS, 0.5, 0.2),
            bad(TypeError, r"\[rrelu\] expected a floating dtype", Input((2,), "int"), training=True),
        ],
    ),
    Case(
        "activation.maxout",
        F.maxout,
        [
            sample(Input((2, 6), "distinct"), 3),
            sample(Input((2, 6, 2, 3), "distinct"), 2),
            sample(Input((4, 3), "distinct"), 2, 0),
            sample(Input((0, 4)), 2),
        ],
        lambda x, k, dim=1: x.reshape(*x.shape[:dim], x.shape[dim] // k, k, *x.shape[dim + 1 :]).max(dim + 1),
        errors=[
            bad(ValueError, r"\[maxout\] expected pieces that divide dimension 1 of size 5", Input((2, 5)), 2)
        ],
    ),
    Case(
        "activation.prelu",
        F.prelu,
        [
            sample(Input((2, 3, 4), "distinct"), Input((3,), "uniform")),
            sample(Input((2, 3)), Input((1,), "uniform")),
        ],
        lambda x, w: np.where(x > 0, x, x * w.reshape([-1 if d == 1 else 1 for d in range(x.ndim)])),
        "nn.functional.prelu",
        errors=[bad(ValueError, r"\[prelu\] expected 1 or 3 slopes, got 2", Input((2, 3)), Input((2,)))],
    ),
    Case(
        "activation.glu",
        F.glu,
        [sample(Input((3, 8))), sample(Input((4, 3)), 0)],
        lambda x, dim=-1: np.split(x, 2, dim)[0] * sigmoid(np.split(x, 2, dim)[1]),
        "nn.functional.glu",
        errors=[bad(ValueError, r"\[glu\] expected an even size", Input((3,)))],
    ),
]
