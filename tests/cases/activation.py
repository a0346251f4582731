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
    activation(
        "selu", lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772), dtypes=("float32", "float64")
    ),
    activation(
        "celu",
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x / alpha, 0))),
        (0.5,),
        dtypes=("float32", "float64"),
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
        torch=lambda torch, x: torch.nn.functional.relu6(x + 3) / 6,
        dtypes=("float32", "float64"),
    ),
    activation("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, dtypes=("float32", "float64")),
    activation("mish", lambda x: x * np.tanh(softplus(x)), dtypes=("float32", "float64")),
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
        )
    ],
    Case(
        "activation.threshold",
        F.threshold,
        [sample(STEPS, 0.5, -2.0)],
        lambda x, t, v: np.where(x > t, x, v),
        "nn.functional.threshold",
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
