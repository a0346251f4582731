"""Elementwise arithmetic of two operands."""

import numpy as np
from case import Case, Input, bad, sample

import lamina

REAL = ("float32", "float64")
HALVES = (*REAL, "float16", "bfloat16")

BINARY = [
    sample(Input((3, 4)), Input((3, 4))),
    sample(Input((2, 1, 5)), Input((3, 1))),
    sample(Input(()), Input((7,))),
    sample(Input(()), Input(())),
    sample(Input((0, 3)), Input((3,))),
    sample(Input((33, 17)), 1.5),
    sample(2.5, Input((3, 5))),
    sample(Input((2, 3, 5, 4)), Input((3, 1, 1))),
    sample(Input((1031,)), Input((1031,))),
    sample(Input((1500, 3)), Input((1500, 1))),
    sample(Input((4,), "int"), Input((3, 4))),
]
MIXED = [  # promotion: dimensions before 0-d before numbers, and floating before integers
    sample(Input((4,), dtype="float64"), Input((3, 4), dtype="float32")),
    sample(Input((), dtype="float64"), Input((3, 4), dtype="float32")),
    sample(Input((3,), "int", dtype="int32"), Input((), dtype="float64")),
    sample(Input((3,), "int", dtype="uint8"), Input((3,), "int", dtype="int32")),
    sample(Input((3,), "int"), Input((3,), dtype="float16")),
    sample(Input((3,), dtype="bfloat16"), Input((3,), dtype="float16")),
    sample(Input((3,), "int", dtype="int32"), 2),
    sample(Input((3,), "int", dtype="int32"), 2.5),
    sample(Input((3,), dtype="float16"), 0.1),
]
TENSORS = [s for s in BINARY if not isinstance(s.args[1], float) and not isinstance(s.args[0], float)]
NONZERO = [
    sample(Input((3, 4)), Input((3, 4), "positive")),
    sample(Input((2, 1, 5)), Input((3, 1), "positive")),
    sample(Input((0, 3)), Input((3,), "positive")),
    sample(Input((33, 17)), 2),
    sample(7, Input((5,), "positive")),
]
BAD_SHAPES = bad(
    ValueError, r"\] expected shapes that broadcast, got \(2,\) and \(3,\)", Input((2,)), Input((3,))
)
BAD_KIND = bad(TypeError, r"\] expected a tensor or a number, got str", Input((2,)), "one")

MILLION = {"1e6": sample(Input((1_000_000,)), Input((1_000_000,)))}
POSITIVE_MILLION = {"1e6": sample(Input((1_000_000,), "positive"), Input((1_000_000,), "positive"))}
LARGE = {
    **MILLION,
    "64x256x56x56+c": sample(Input((16, 64, 56, 56)), Input((64, 1, 1))),
    "8x8": sample(Input((8, 8)), Input((8, 8))),
}


def edge(*values):
    return Input((len(values),), "values", values=np.array(values), grad=False)


NAN, INF = float("nan"), float("inf")
EDGES = [sample(edge(NAN, INF, -INF, 0.0, -0.0, 1.0), edge(1.0, 2.0, NAN, 0.0, INF, -INF))]
WITH_ALPHA = [sample(Input((3, 4)), Input((4,)), alpha=0.5), sample(Input((3, 4)), 2.0, alpha=3)]


def promoting(name, *more):
    """What has no gradient to check: operands of several dtypes, special values."""
    return Case(
        f"elementwise.{name}_mixed",
        getattr(lamina, name),
        [*MIXED, *EDGES, *more],
        None,
        name,
        dtypes=("float32",),
        differentiable=False,
        rtol=1e-3,
        atol=1e-3,
    )


def with_alpha(op):
    return lambda a, b, alpha=1: op(a, alpha * np.asarray(b))


def fmod_samples():
    """Away from multiples of the divisor, where the function jumps."""
    a = np.array([[5.3, -5.3, 0.7], [-0.7, 9.1, -8.6]])
    b = np.array([[2.0, 2.0, -1.5], [1.5, -4.0, -3.0]])
    return [
        sample(Input((2, 3), "values", values=a), Input((2, 3), "values", values=b)),
        sample(Input((2, 3), "values", values=a), 2.0),
        sample(Input((0, 3)), Input((3,), "positive")),
    ]


def rounding(mode):
    return lambda a, b: np.floor(a / b) if mode == "floor" else np.trunc(a / b)


CASES = [
    Case(
        "elementwise.add",
        lamina.add,
        BINARY + WITH_ALPHA,
        with_alpha(np.add),
        "add",
        dtypes=HALVES,
        benchmarks=LARGE,
        errors=[
            BAD_SHAPES,
            BAD_KIND,
            bad(TypeError, r"\[add\] expected an integer alpha", Input((2,), "int"), 1, alpha=0.5),
            bad(TypeError, r"\[add\] expected a number as alpha", Input((2,)), 1.0, alpha=True),
        ],
    ),
    Case(
        "elementwise.integers",
        lambda a, b: [a + b, a - b, a * b, a / b],
        [sample(Input((3, 4)), Input((4,), "positive"))],
        lambda a, b: [a + b, a - b, a * b, a / b],
        lambda torch, a, b: [a + b, a - b, a * b, a / b],
        dtypes=("int64", "int32", "int8"),
        differentiable=False,
    ),
    Case(
        "elementwise.add_scaled_bool",
        lambda a, b: [lamina.add(a, b, alpha=2), lamina.add(b, b, alpha=3), lamina.add(b, b, alpha=0)],
        [sample(Input((3, 4), "int"), Input((4,), "bool"))],
        lambda a, b: [a + 2 * b.astype(a.dtype), b, b],
        lambda torch, a, b: [torch.add(a, b, alpha=2), torch.add(b, b, alpha=3), torch.add(b, b, alpha=0)],
        dtypes=("int32", "int64"),
        differentiable=False,
    ),
    promoting("add", sample(Input((3, 4), "bool"), Input((4,)))),
    promoting("sub"),
    promoting("mul", sample(Input((3, 4), "bool"), Input((4,)))),
    promoting("div", sample(Input((3,), "int"), 2), sample(Input((3,), "bool"), True)),
    Case(
        "elementwise.sub",
        lamina.sub,
        TENSORS + WITH_ALPHA,
        with_alpha(np.subtract),
        "sub",
        dtypes=HALVES,
        errors=[
            BAD_SHAPES,
            BAD_KIND,
            bad(TypeError, r"\[sub\] expected numbers, got bool", Input((2,)), Input((2,), "bool")),
            bad(TypeError, r"\[sub\] expected numbers, got bool", True, Input((2,))),
            bad(
                TypeError,
                r"\[sub\] expected numbers, got bool",
                Input((2,), "int"),
                Input((2,), "bool"),
                alpha=2,
            ),
        ],
    ),
    Case("elementwise.mul", lamina.mul, BINARY, np.multiply, "mul", dtypes=HALVES, errors=[BAD_SHAPES]),
    Case(
        "elementwise.div",
        lamina.div,
        NONZERO,
        np.divide,
        "div",
        dtypes=HALVES,
        benchmarks=LARGE,
        errors=[
            BAD_SHAPES,
            bad(ValueError, r"\[div\] expected a rounding_mode of None", Input((2,)), 2, rounding_mode="up"),
            bad(
                RuntimeError,
                r"\[floor_divide\] integer division by zero",
                Input((2,), "int"),
                0,
                rounding_mode="floor",
            ),
        ],
    ),
    *[
        Case(
            f"elementwise.div_{mode}",
            lambda a, b, mode=mode: lamina.div(a, b, rounding_mode=mode),
            fmod_samples(),
            rounding(mode),
            lambda torch, a, b, mode=mode: torch.div(a, b, rounding_mode=mode),
            benchmarks=POSITIVE_MILLION,
        )
        for mode in ("floor", "trunc")
    ],
    Case(
        "elementwise.integer_division",
        lambda a, b: [lamina.floor_divide(a, b), lamina.remainder(a, b), lamina.fmod(a, b)],
        [
            sample(Input((100,), "int", low=-50, high=50), Input((100,), "int", low=1, high=9)),
            sample(Input((100,), "int", low=-50, high=50), Input((100,), "int", low=-9, high=0)),
            sample(
                Input((3,), "values", values=np.array([-128, 127, 0])),
                Input((3,), "values", values=np.array([-1] * 3)),
            ),
            sample(Input((3,), "int", low=-9), -1),
        ],
        lambda a, b: [a // b, a % b, np.fmod(a, b)],
        lambda torch, a, b: [torch.floor_divide(a, b), torch.remainder(a, b), torch.fmod(a, b)],
        differentiable=False,
    ),
    Case(
        "elementwise.floor_divide_edges",
        lambda a, b: [lamina.floor_divide(a, b), lamina.remainder(a, b), lamina.fmod(a, b)],
        [sample(edge(1.0, -1.0, INF, NAN, 5.0, -0.0, 7.0), edge(INF, INF, 2.0, 1.0, 0.0, 3.0, -2.0))],
        None,
        lambda torch, a, b: [torch.floor_divide(a, b), torch.remainder(a, b), torch.fmod(a, b)],
        differentiable=False,
    ),
    Case(
        "elementwise.remainder",
        lamina.remainder,
        fmod_samples(),
        np.mod,
        "remainder",
        atol=1e-5,
        benchmarks=POSITIVE_MILLION,
    ),
    Case(
        "elementwise.fmod",
        lamina.fmod,
        fmod_samples(),
        np.fmod,
        "fmod",
        atol=1e-5,
        benchmarks=POSITIVE_MILLION,
    ),
    Case(
        "elementwise.pow",
        lamina.pow,
        [
            sample(Input((3, 4), "positive"), Input((3, 4))),
            sample(Input((3, 1), "positive"), Input((4,))),
            sample(2.5, Input((5,))),
            sample(Input((0, 3)), Input((3,))),
            *[sample(Input((37,), "positive"), p) for p in (0, 1, 2, 3, 0.5, -0.5, -1, -2, 2.5)],
            *[sample(Input((7,)), p) for p in (2, 3, -1, -3)],
        ],
        lambda a, b: np.power(a, float(b) if isinstance(b, int) else b),
        "pow",
        rtol=2e-5,
        dtypes=HALVES,
        benchmarks={
            "1e6": sample(Input((1_000_000,), "positive"), Input((1_000_000,))),
            "1e6 to 2.5": sample(Input((1_000_000,), "positive"), 2.5),
            "1e6 to 3": sample(Input((1_000_000,)), 3),
        },
        errors=[bad(RuntimeError, r"\[pow\] integers to a negative integer power", Input((2,), "int"), -1)],
    ),
    Case(
        "elementwise.pow_edges",
        lamina.pow,
        [
            sample(Input((7,), "int"), 3),
            sample(Input((7,), "int"), 2),
            sample(
                Input((7,), "int"),
                0.5,
            ),
            sample(Input((9,), "int", low=-4, high=4), Input((9,), "int", low=0, high=6)),
            sample(2, Input((9,), "int")),
            sample(
                edge(0.0, 0.0, -2.0, -2.0, INF, NAN, 1.0, -1.0), edge(0.0, 2.0, 2.0, 0.5, -1.0, 0.0, NAN, INF)
            ),
        ],
        None,
        "pow",
        differentiable=False,
        dtypes=("float32",),
    ),
    Case(
        "elementwise.atan2",
        lamina.atan2,
        TENSORS[:4],
        np.arctan2,
        "atan2",
        benchmarks=MILLION,
    ),
    Case(
        "elementwise.atan2_edges",
        lamina.atan2,
        [sample(edge(0.0, -0.0, 1.0, NAN), edge(-1.0, -1.0, 0.0, 1.0))],
        np.arctan2,
        "atan2",
        differentiable=False,
    ),
    Case(
        "elementwise.float_power",
        lamina.float_power,
        [sample(Input((5,), "positive"), 2.5)],
        np.power,
        "float_power",
    ),
]
