"""Elementwise functions of one tensor."""

import math
from statistics import NormalDist

import numpy as np
from case import Case, Input, bad, sample

import lamina
from cases.elementwise import HALVES, INF, NAN, edge

SHAPES = [(3, 4), (), (0, 3), (1031,), (2, 3, 5, 4)]
SPECIAL = edge(NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 0.5, 100.0, -100.0, 1e-8, 700.0, -700.0)
BENCHMARKS = {"1e6": sample(Input((1_000_000,))), "8x8": sample(Input((8, 8)))}
RIGHT_OF_POLES = {"1e6": sample(Input((1_000_000,), "positive"))}
ERRORS = [bad(TypeError, r"\] expected a tensor, got float", 1.0)]

erf, erfc = np.vectorize(math.erf, otypes=[float]), np.vectorize(math.erfc, otypes=[float])
lgamma = np.vectorize(math.lgamma, otypes=[float])
quantile = np.vectorize(NormalDist().inv_cdf, otypes=[float])


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


def digamma(x):
    """Its asymptotic series, 40 steps to the right."""
    far = x + 40
    steps = sum(1 / (x + k) for k in range(40))
    return np.log(far) - 1 / (2 * far) - 1 / (12 * far**2) + 1 / (120 * far**4) - 1 / (252 * far**6) - steps


def polygamma(n, x):
    """A sum of 200 terms and the integral of the rest with two corrections (Euler and Maclaurin)."""
    s, far = n + 1, x + 200
    terms = sum((x + k) ** -s for k in range(200))
    rest = (
        far**-n / n + far**-s / 2 + s * far ** -(s + 1) / 12 - s * (s + 1) * (s + 2) * far ** -(s + 3) / 720
    )
    return (-1) ** (n + 1) * math.factorial(n) * (terms + rest)


def torch_polygamma(torch, n, x):
    """torch's own trigamma has ten digits; its zeta has all."""
    wide = x.double()
    return (torch.special.zeta(torch.tensor(2.0).double(), wide) if n == 1 else torch.polygamma(n, wide)).to(
        x.dtype
    )


def unary(name, reference, kind="normal", values=None, edges=True, **options):
    """The function where it is smooth; and at special values and integers, where torch alone is the oracle."""
    function = getattr(lamina, name)
    samples = [sample(Input(shape, kind)) for shape in SHAPES]
    if values is not None:
        samples = [sample(Input((len(values),), "values", values=np.array(values))), *samples[2:3]]
    options = {"dtypes": HALVES, "benchmarks": BENCHMARKS, **options}
    cases = [
        Case(
            f"unary.{name}",
            function,
            samples,
            reference,
            name,
            errors=ERRORS,
            **options,
        )
    ]
    if edges:
        options = {"torch": name, "differentiable": False}
        integers = [sample(Input((6,), "int", high=2, dtype="int64"))]
        cases += [
            Case(f"unary.{name}_edges", function, [sample(SPECIAL)], dtypes=HALVES, **options),
            Case(f"unary.{name}_integers", function, integers, dtypes=("float32",), **options),
        ]
    return cases


STEPS = [-2.6, -1.3, -0.4, 0.3, 0.7, 1.6, 2.2, 5.1]  # away from where rounding jumps
INSIDE = [-0.9, -0.5, -0.1, 0.2, 0.6, 0.95]

SMOOTH = [
    unary("neg", np.negative, double=False),
    unary("abs", np.abs, values=STEPS),
    unary("sign", np.sign, values=STEPS),
    unary("exp", np.exp),
    unary("exp2", np.exp2),
    unary("expm1", np.expm1),
    unary("log", np.log, "positive"),
    unary("log2", np.log2, "positive"),
    unary("log10", np.log10, "positive"),
    unary("log1p", np.log1p, "positive"),
    unary("sqrt", np.sqrt, "positive"),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), "positive"),
    unary("square", np.square),
    unary("reciprocal", lambda x: 1 / x, "positive"),
    unary("sin", np.sin),
    unary("cos", np.cos),
    unary("tan", np.tan, "uniform", rtol=2e-5),
    unary("asin", np.arcsin, values=INSIDE),
    unary("acos", np.arccos, values=INSIDE),
    unary("atan", np.arctan),
    unary("sinh", np.sinh),
    unary("cosh", np.cosh),
    unary("tanh", np.tanh),
    unary("acosh", np.arccosh, values=1 + np.linspace(0.1, 4, 9)),
    unary("asinh", np.arcsinh),
    unary("atanh", np.arctanh, values=INSIDE),
    unary("sigmoid", sigmoid),
    unary("erf", erf),
    unary("erfc", erfc),
    unary("lgamma", lgamma, "positive"),
    unary("digamma", digamma, "positive", benchmarks=RIGHT_OF_POLES),
    unary("erfinv", lambda x: quantile((x + 1) / 2) / math.sqrt(2), values=INSIDE),
    unary("relu", lambda x: np.where(x < 0, 0, x), values=STEPS),
    unary("floor", np.floor, values=STEPS, double=False),
    unary("ceil", np.ceil, values=STEPS, double=False),
    unary("round", np.round, values=STEPS, double=False),
    unary("trunc", np.trunc, values=STEPS, double=False),
    unary("frac", lambda x: x - np.trunc(x), values=STEPS, edges=False, double=False),
    unary("positive", lambda x: x, double=False),
]

CASES = [
    *[case for cases in SMOOTH for case in cases],
    Case(
        "unary.round_decimals",
        lamina.round,
        [sample(edge(1.25, -3.14159, 0.5, 123.456), decimals=2), sample(edge(1234.0, -56.0), decimals=-2)],
        lambda x, decimals: np.round(x, decimals),
        "round",
        differentiable=False,
    ),
    Case(
        "unary.polygamma",
        lamina.polygamma,
        [sample(n, Input((3, 4), "positive")) for n in (1, 2, 4)] + [sample(0, Input((0,), "positive"))],
        lambda n, x: polygamma(n, x) if n else digamma(x),
        torch_polygamma,
        benchmarks={"1e5": sample(1, Input((100_000,), "positive"))},
        errors=[bad(ValueError, r"\[polygamma\] expected n >= 0, got -1", -1, Input((2,)))],
    ),
    Case(
        "unary.gamma_far",  # by reflection, by the recurrence and by the series; poles
        lambda x: lamina.stack([lamina.lgamma(x), lamina.digamma(x)]),
        [
            sample(
                edge(-0.5, -7.3, -19.99, 1e-6, 0.3, 1.0, 1.4616, 2.0, 9.999, 10.0, 55.0, 1e9, -3.0, 0.0, -0.0)
            )
        ],
        None,
        lambda torch, x: torch.stack([torch.lgamma(x), torch.digamma(x)]),
        differentiable=False,
    ),
    Case(
        "unary.nan_to_num",
        lamina.nan_to_num,
        [
            sample(edge(NAN, INF, -INF, 1.0)),
            sample(edge(NAN, INF, -INF, 1.0), nan=2.0, posinf=3.0, neginf=-4.0),
            sample(Input((3,), "int")),
        ],
        None,
        "nan_to_num",
        dtypes=HALVES,
        differentiable=False,
    ),
    Case(
        "unary.nan_to_num_finite",
        lamina.nan_to_num,
        [sample(Input((3, 4)), nan=1.0, posinf=2.0, neginf=0.0)],
        np.nan_to_num,
        "nan_to_num",
    ),
    Case(
        "unary.large_angles",
        lambda x: [lamina.sin(x), lamina.cos(x)],
        [sample(edge(1e5, -1e5, 1.5e6, 1.7e6, 1e10, 3e20, math.pi, 355.0, -22.0))],
        lambda x: [np.sin(x), np.cos(x)],
        lambda torch, x: [torch.sin(x), torch.cos(x)],
        differentiable=False,
        dtypes=("float64",),
    ),
]
