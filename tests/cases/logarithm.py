"""Sums in the domain of logarithms, signs, roots and angles."""

import numpy as np
from case import Case, Input, bad, sample

import lamina
from cases.elementwise import INF, MILLION, NAN, POSITIVE_MILLION, edge

PAIRS = [
    sample(Input((3, 4)), Input((3, 4))),
    sample(Input((3, 1)), Input((4,))),
    sample(Input((0, 3)), Input((3,))),
    sample(Input(()), Input(())),
]
INSIDE = [sample(Input((3, 4), "uniform")), sample(Input((0, 3), "uniform"))]
ALONE = [sample(Input((3, 4))), sample(Input(())), sample(Input((0, 3)))]
EDGES = [sample(edge(NAN, INF, -INF, INF, 0.0, -0.0, 1.0), edge(1.0, INF, -INF, -INF, -0.0, 0.0, NAN))]
INTEGERS = [
    bad(TypeError, r"\] expected floating dtypes, got .*int64", Input((2,), "int"), Input((2,), "int"))
]


def two(name, reference, samples=PAIRS, **options):
    function = getattr(lamina, name)
    return [
        Case(f"logarithm.{name}", function, samples, reference, name, **options),
        Case(f"logarithm.{name}_edges", function, EDGES, None, name, differentiable=False),
    ]


def one(name, reference, samples=ALONE, **options):
    return Case(f"logarithm.{name}", getattr(lamina, name), samples, reference, name, **options)


def xlogy(x, y):
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))


CASES = [
    *two("logaddexp", np.logaddexp, errors=INTEGERS, benchmarks=MILLION),
    *two("logaddexp2", np.logaddexp2, errors=INTEGERS, benchmarks=MILLION),
    *two("hypot", np.hypot, errors=INTEGERS, benchmarks=MILLION),
    *two("copysign", np.copysign, benchmarks=MILLION),
    Case(
        "logarithm.copysign_dtypes",
        lamina.copysign,
        [
            sample(Input((3,), grad=False, dtype="float32"), edge(INF, -INF, -0.0)),
            sample(Input((3,), "int", low=-4), Input((3,), grad=False, dtype="float64")),
        ],
        None,
        "copysign",
        dtypes=("float64",),
        differentiable=False,
    ),
    *two(
        "xlogy",
        xlogy,
        [
            sample(Input((3, 4), "positive"), Input((4,), "positive")),
            sample(Input((3,), "positive"), 2.0),
            sample(2.0, Input((3,), "positive")),
            sample(0.0, edge(NAN, 0.0, -1.0, INF)),
            sample(Input((2,), "values", values=np.array([0.0, 3.0])), Input((2,), "positive")),
        ],
        benchmarks=POSITIVE_MILLION,
        errors=[bad(TypeError, r"\[xlogy\] expected a tensor, got float", 1.0, 2.0)],
    ),
    Case(
        "logarithm.xlogy_slope_at_zero",
        lambda x: lamina.autograd.grad(lamina.xlogy(y := x.detach().requires_grad_(), 0.0).sum(), y),
        [sample(edge(0.0, 2.0, -1.0))],
        lambda x: [np.where(x == 0, 0.0, -np.inf)],
        lambda torch, x: torch.autograd.grad(torch.xlogy(y := x.detach().requires_grad_(), 0.0).sum(), y),
        differentiable=False,
    ),
    Case(
        "logarithm.heaviside",
        lamina.heaviside,
        [sample(Input((3, 4), grad=False), Input((4,), grad=False)), sample(edge(0.0, -0.0, 3.0), edge(0.5, 2.0, 1.0))],
        np.heaviside,
        "heaviside",
        differentiable=False,
        errors=[bad(TypeError, r"\[heaviside\] expected one dtype", Input((2,)), Input((2,), "int"))],
    ),
    one("signbit", np.signbit, [*ALONE, sample(edge(0.0, -0.0, INF, -INF)), sample(Input((5,), "int", low=-5))],
        differentiable=False),
    one("logit", lambda x: np.log(x / (1 - x)), INSIDE),
    one("deg2rad", np.deg2rad),
    one("rad2deg", np.rad2deg),
    one("sinc", np.sinc),
]  # fmt: skip
