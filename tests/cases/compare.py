"""Comparisons, logic, bits, tests."""

import numpy as np
from case import Case, Input, bad, sample

import lamina
from cases.elementwise import BAD_SHAPES, INF, NAN, edge

SMALL = {"kind": "int", "low": -2, "high": 3}
PAIRS = [
    sample(Input((40,), **SMALL), Input((40,), **SMALL)),
    sample(Input((3, 1), **SMALL), Input((5,), **SMALL)),
    sample(Input((40,), **SMALL), 1),
    sample(Input((40,), **SMALL), 0.5),
    sample(Input((0, 3)), Input((3,))),
    sample(Input((3, 4), "bool"), Input((4,), "bool")),
    sample(Input((3, 4)), Input((4,), "int")),
    sample(edge(NAN, INF, -INF, 0.0, 1.0), edge(NAN, INF, 0.0, -0.0, 2.0)),
    sample(Input((2000,)), Input((2000,))),
]
INTS = [
    sample(Input((40,), "int", low=-9), Input((40,), "int", low=-9)),
    sample(Input((3, 1), "int"), Input((5,), "int")),
    sample(Input((7,), "int"), 6),
]
BOOLS = [sample(Input((40,), "bool"), Input((40,), "bool"))]
SHIFTS = [
    sample(Input((40,), "int", low=-90), Input((40,), "int", low=0, high=70)),
    sample(Input((7,), "int", low=-9), 2),
]
KINDS = ("float32", "float64", "int64", "uint8", "float16")


def no_gradient(name, samples, reference, **options):
    return Case(
        f"compare.{name}", getattr(lamina, name), samples, reference, name, differentiable=False, **options
    )


def tests(name, reference):
    return no_gradient(name, [sample(edge(NAN, INF, -INF, 0.0, 1.0)), sample(Input((4,), "int"))], reference)


CASES = [
    no_gradient("eq", PAIRS, np.equal, dtypes=KINDS, errors=[BAD_SHAPES]),
    no_gradient("ne", PAIRS, np.not_equal),
    no_gradient("lt", PAIRS, np.less, dtypes=KINDS, errors=[BAD_SHAPES]),
    no_gradient("le", PAIRS, np.less_equal),
    no_gradient("gt", PAIRS, np.greater),
    no_gradient("ge", PAIRS, np.greater_equal),
    no_gradient("logical_and", PAIRS[:2] + PAIRS[4:], np.logical_and),
    no_gradient("logical_or", PAIRS[:2] + PAIRS[4:], np.logical_or),
    no_gradient("logical_xor", PAIRS[:2] + PAIRS[4:], np.logical_xor),
    no_gradient("logical_not", [sample(Input((9,), **SMALL)), sample(Input((4,), "bool"))], np.logical_not),
    no_gradient(
        "bitwise_and",
        INTS + BOOLS,
        np.bitwise_and,
        errors=[
            bad(
                TypeError,
                r"\[bitwise_and\] expected integers or bool, got float32",
                Input((2,), dtype="float32"),
                1,
            )
        ],
    ),
    no_gradient("bitwise_or", INTS + BOOLS, np.bitwise_or),
    no_gradient("bitwise_xor", INTS + BOOLS, np.bitwise_xor),
    no_gradient("bitwise_not", [sample(Input((9,), "int")), sample(Input((9,), "bool"))], np.bitwise_not),
    no_gradient("bitwise_left_shift", SHIFTS, None),
    no_gradient("bitwise_right_shift", SHIFTS, None),
    tests("isnan", np.isnan),
    tests("isinf", np.isinf),
    tests("isfinite", np.isfinite),
    tests("isposinf", np.isposinf),
    tests("isneginf", np.isneginf),
    no_gradient(
        "isclose",
        [
            sample(edge(1.0, 1.0, NAN, INF, INF), edge(1.0 + 1e-6, 1.1, NAN, INF, -INF)),
            sample(edge(1.0, 1.0, NAN, INF), edge(1.0 + 1e-6, 1.1, NAN, INF), equal_nan=True),
            sample(Input((5,)), Input((5,)), rtol=0.5, atol=0.5),
            sample(Input((5,)), Input((5,)), rtol=0, atol=0),
        ],
        np.isclose,
        errors=[
            bad(
                ValueError,
                r"\[isclose\] expected tolerances of at least 0",
                Input((2,)),
                Input((2,)),
                rtol=-1.0,
            )
        ],
    ),
    no_gradient(
        "allclose", [sample(edge(1.0, 2.0), edge(1.0, 2.0)), sample(edge(1.0), edge(2.0))], np.allclose
    ),
    no_gradient(
        "equal", [sample(edge(1.0, 2.0), edge(1.0, 2.0)), sample(edge(1.0), edge(2.0, 3.0))], np.array_equal
    ),
]
