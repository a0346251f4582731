"""Choices between operands, bounds, weighted sums."""

import numpy as np
from case import Case, Input, bad, sample

import lamina
from cases.elementwise import HALVES, INF, NAN, edge

EDGES = [sample(edge(NAN, INF, -INF, 0.0, 1.0), edge(1.0, NAN, NAN, -0.0, 2.0))]
DISTINCT = [
    sample(Input((5, 8), "distinct"), Input((5, 8))),
    sample(Input((3, 1), "distinct"), Input((4,))),
    sample(Input((0, 3)), Input((3,))),
    sample(Input((60, 40), "distinct"), Input((40,))),
]
EDGES.append(sample(Input((4,), "int"), Input((3, 4), "int")))


def clamp(x, min=None, max=None):
    return np.clip(x, min, max)


CASES = [
    Case(
        "select.where",
        lamina.where,
        [
            sample(Input((3, 4), "bool"), Input((3, 4)), Input((3, 4))),
            sample(Input((3, 1), "bool"), Input((4,)), Input((2, 1, 1))),
            sample(Input((3, 4), "bool"), Input((3, 4)), 0.0),
            sample(Input((3, 4), "bool"), 1, Input((3, 4))),
            sample(Input((0,), "bool"), Input((0,)), Input(())),
            sample(Input((5,), "bool"), Input((5,), "int"), Input((5,), dtype="float64")),
            sample(Input((1500,), "bool"), Input((1500,)), Input((1500,))),
        ],
        np.where,
        "where",
        dtypes=HALVES,
        errors=[
            bad(
                TypeError,
                r"\[where\] expected a condition of dtype bool, got float32",
                Input((2,), dtype="float32"),
                1,
                2,
            ),
            bad(
                ValueError, r"\[where\] expected shapes that broadcast", Input((2,), "bool"), Input((3,)), 0.0
            ),
        ],
        benchmarks={"1e6": sample(Input((1_000_000,), "bool"), Input((1_000_000,)), 0.0)},
    ),
    Case(
        "select.masked_fill",
        lamina.masked_fill,
        [
            sample(Input((3, 4)), Input((3, 4), "bool"), -1.0),
            sample(Input((3, 4)), Input((4,), "bool"), Input(())),
        ],
        lambda x, mask, value: np.where(mask, value, x),
        "masked_fill",
        errors=[
            bad(
                ValueError,
                r"\[masked_fill\] expected a number or a 0-d tensor",
                Input((2,)),
                Input((2,), "bool"),
                Input((2,)),
            ),
            bad(TypeError, r"\[masked_fill\] value 0.5 can't", Input((2,), "int"), Input((2,), "bool"), 0.5),
        ],
    ),
    Case("select.maximum", lamina.maximum, DISTINCT, np.maximum, "maximum", dtypes=HALVES),
    Case("select.minimum", lamina.minimum, DISTINCT, np.minimum, "minimum", dtypes=HALVES),
    Case("select.fmax", lamina.fmax, DISTINCT, np.fmax, "fmax"),
    Case("select.fmin", lamina.fmin, DISTINCT, np.fmin, "fmin"),
    *[
        Case(
            f"select.{name}_edges",
            getattr(lamina, name),
            EDGES,
            getattr(np, name),
            name,
            differentiable=False,
        )
        for name in ("maximum", "minimum", "fmax", "fmin")
    ],
    Case(
        "select.clamp",
        lamina.clamp,
        [
            sample(Input((7, 9), "distinct"), -1.01, 1.03),
            sample(Input((7, 9), "distinct"), min=0.013),
            sample(Input((7, 9), "distinct"), max=0.013),
            sample(Input((7, 9), "distinct"), 1.01, -1.01),
            sample(Input((0, 3)), 0.0, 1.0),
            sample(Input((30,), "distinct"), Input((30,)), Input((30,), "positive")),
            sample(Input((4, 6), "distinct"), max=Input((4, 1))),
        ],
        clamp,
        "clamp",
        dtypes=HALVES,
        errors=[bad(ValueError, r"\[clamp\] expected at least one of min and max", Input((2,)))],
        benchmarks={"1e6": sample(Input((1_000_000,)), -1.0, 1.0)},
    ),
    Case(
        "select.clamp_edges",
        lamina.clamp,
        [
            sample(edge(NAN, INF, -INF, 0.0), -1.0, 1.0),
            sample(Input((30,), "int"), 2, 7),
            sample(Input((30,), "int"), 2.5, 7.5),
            sample(Input((30,), "int"), min=3),
        ],
        clamp,
        "clamp",
        dtypes=("float32",),
        differentiable=False,
    ),
    Case("select.clamp_mixed", lamina.clamp, [sample(Input((4, 6), "distinct"), Input((6,)), 1.013)], clamp),
    Case(
        "select.clamp_min",
        lamina.clamp_min,
        [sample(Input((7, 9), "distinct"), 0.013)],
        np.maximum,
        "clamp_min",
    ),
    Case(
        "select.clamp_max",
        lamina.clamp_max,
        [sample(Input((7, 9), "distinct"), 0.013)],
        np.minimum,
        "clamp_max",
    ),
    Case(
        "select.lerp",
        lamina.lerp,
        [
            sample(Input((3, 4)), Input((3, 4)), 0.3),
            sample(Input((3, 4)), Input((4,)), Input((3, 1), "uniform")),
            sample(Input((0,)), Input((0,)), 0.5),
            sample(Input((5,)), Input((5,)), 1.0),
        ],
        lambda a, b, w: a + w * (b - a),
        "lerp",
        dtypes=HALVES,
        errors=[
            bad(
                TypeError,
                r"\[lerp\] expected a floating dtype, got int64",
                Input((2,), "int"),
                Input((2,), "int"),
                1,
            )
        ],
    ),
    Case(
        "select.addcmul",
        lamina.addcmul,
        [
            sample(Input((3, 4)), Input((3, 4)), Input((3, 4))),
            sample(Input((3, 4)), Input((4,)), Input((3, 1)), value=0.5),
        ],
        lambda a, b, c, value=1: a + value * b * c,
        "addcmul",
    ),
    Case(
        "select.addcdiv",
        lamina.addcdiv,
        [
            sample(Input((3, 4)), Input((3, 4)), Input((3, 4), "positive")),
            sample(Input((3, 4)), Input((4,)), Input((3, 1), "positive"), value=0.5),
        ],
        lambda a, b, c, value=1: a + value * b / c,
        "addcdiv",
        errors=[bad(TypeError, r"\[addcdiv\] expected a floating dtype", *[Input((2,), "int")] * 3)],
    ),
]
