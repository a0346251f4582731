"""Sums, means, extrema, moments, norms, and running versions of them."""

import numpy as np
from case import Case, Input, bad, sample

import lamina
from cases.elementwise import HALVES, INF, NAN, REAL, edge

SHAPES = [
    sample(Input((3, 4))),
    sample(Input(())),
    sample(Input((3, 4)), 0),
    sample(Input((3, 4)), -1, keepdim=True),
    sample(Input((2, 5, 3, 4)), (0, 2, 3)),
    sample(Input((2, 5, 3, 4)), (1, 3), keepdim=True),
    sample(Input((130, 70)), 0),
    sample(Input((130, 70)), 1),
    sample(Input((1, 9, 1)), 1),
    sample(Input((2500,))),
]
EMPTY = [sample(Input((0, 3)), 0), sample(Input((0, 3)), 1), sample(Input((0,)))]
EDGE = [sample(edge(1.0, NAN, 2.0)), sample(edge(1.0, INF, 2.0)), sample(edge(INF, -INF))]
ONE_DIM = [s for s in SHAPES if len(s.args) == 1 or isinstance(s.args[1], int)]
DISTINCT = [sample(Input(s.args[0].shape, "distinct"), *s.args[1:], **s.kwargs) for s in SHAPES]
DISTINCT_ONE = [sample(Input(s.args[0].shape, "distinct"), *s.args[1:], **s.kwargs) for s in ONE_DIM]
POSITIVE = [sample(Input(s.args[0].shape, "positive"), *s.args[1:], **s.kwargs) for s in SHAPES[:6]]
BAD = [
    bad(IndexError, r"\] expected a dimension from -2 to 1, got 2", Input((3, 4)), 2),
    bad(ValueError, r"\] expected each dimension once", Input((3, 4)), (0, -2)),
    bad(TypeError, r"\] expected a tensor, got list", [1.0]),
]
NO_ELEMENTS = bad(IndexError, r"\] expected at least one element", Input((0, 3)), 0)
LARGE = {
    "4096x4096": sample(Input((4096, 4096))),
    "4096x4096 over 0": sample(Input((4096, 4096)), 0),
    "4096x4096 over 1": sample(Input((4096, 4096)), 1),
    "64x64x56x56 over 023": sample(Input((64, 64, 56, 56)), (0, 2, 3)),
    "8x8": sample(Input((8, 8))),
}


def over(function):
    """A NumPy reduction with torch's argument names."""

    def reference(x, dim=None, keepdim=False, **options):
        return function(x, axis=dim, keepdims=keepdim, **options)

    return reference


def var(x, dim=None, unbiased=True, keepdim=False, correction=None):
    less = int(unbiased) if correction is None else correction
    return np.var(x, axis=dim, ddof=less, keepdims=keepdim)


def std(x, **options):
    return np.sqrt(var(x, **options))


def logsumexp(x, dim, keepdim=False):
    return np.log(np.exp(x).sum(axis=dim, keepdims=keepdim))


def norm(x, p=2, dim=None, keepdim=False):
    p = 2 if p == "fro" else p
    sizes = np.abs(x)
    if p == 0:
        return (x != 0).sum(axis=dim, keepdims=keepdim).astype(float)
    if np.isinf(p):
        return (sizes.max if p > 0 else sizes.min)(axis=dim, keepdims=keepdim)
    return (sizes**p).sum(axis=dim, keepdims=keepdim) ** (1 / p)


def extremum(values, positions):
    def reference(x, dim, keepdim=False):
        v, i = values(x, axis=dim, keepdims=True), np.expand_dims(positions(x, axis=dim), dim)
        return (v, i) if keepdim else (v.squeeze(dim), i.squeeze(dim))

    return reference


MOMENTS = [
    sample(Input((3, 4))),
    sample(Input((3, 4)), dim=0),
    sample(Input((3, 4)), dim=1, keepdim=True),
    sample(Input((2, 5, 3, 4)), dim=(0, 2, 3), unbiased=False),
    sample(Input((2, 5, 3, 4)), dim=(0, 2, 3), correction=0),
    sample(Input((130, 70)), dim=0),
    sample(Input((130, 70)), dim=1, correction=2),
    sample(Input((2500,))),
    sample(Input((0, 3)), dim=1),
]
FLOATING = bad(TypeError, r"\] expected a floating dtype, got int64", Input((3,), "int"))
ZEROS = np.array([[1.0, 0.0, 2.0, 3.0], [0.0, 2.0, 0.0, 1.0], [1.0, 2.0, 3.0, 0.5], [2.0, 3.0, 4.0, 0.0]])
WITH_ZEROS = Input((4, 4), "values", values=ZEROS)
INTS = [sample(Input((5, 6), "int")), sample(Input((5, 6), "int"), 0), sample(Input((40, 50), "bool"), 1)]

CASES = [
    Case(
        "reduce.sum",
        lamina.sum,
        SHAPES + EMPTY,
        over(np.sum),
        "sum",
        dtypes=HALVES,
        benchmarks=LARGE,
        errors=BAD,
    ),
    Case(
        "reduce.mean",
        lamina.mean,
        SHAPES + EMPTY[1:2],
        over(np.mean),
        "mean",
        dtypes=HALVES,
        benchmarks=LARGE,
        errors=[*BAD, FLOATING],
    ),
    Case("reduce.nansum", lamina.nansum, [SHAPES[4]], over(np.nansum), "nansum"),
    Case("reduce.nanmean", lamina.nanmean, [SHAPES[4]], over(np.nanmean), "nanmean"),
    Case(
        "reduce.prod",
        lamina.prod,
        [
            *ONE_DIM[:3],
            *EMPTY,
            sample(WITH_ZEROS),
            sample(WITH_ZEROS, 0),
            sample(WITH_ZEROS, 1, keepdim=True),
        ],
        over(np.prod),
        "prod",
        dtypes=REAL,
    ),
    Case(
        "reduce.amax",
        lamina.amax,
        DISTINCT,
        over(np.max),
        "amax",
        dtypes=HALVES,
        benchmarks=LARGE,
        errors=[*BAD, NO_ELEMENTS],
    ),
    Case(
        "reduce.amin", lamina.amin, DISTINCT, over(np.min), "amin", dtypes=HALVES, errors=[*BAD, NO_ELEMENTS]
    ),
    *[
        Case(
            f"reduce.{name}_edges",
            getattr(lamina, name),
            EDGE + INTS * (name not in ("mean",)),
            over(reference),
            name,
            differentiable=False,
        )
        for name, reference in (
            ("sum", np.sum),
            ("mean", np.mean),
            ("amax", np.max),
            ("amin", np.min),
            ("nansum", np.nansum),
        )
    ],
    Case(
        "reduce.max_edges",
        lamina.max,
        [*EDGE, sample(Input((40,), "int"))],
        np.max,
        "max",
        differentiable=False,
    ),
    Case(
        "reduce.max_dim_edges",
        lamina.max,
        [sample(Input((300, 9), "int"), 0), sample(edge(1.0, NAN, 2.0, NAN), 0)],
        extremum(np.max, np.argmax),
        "max",
        differentiable=False,
    ),
    Case("reduce.max", lamina.max, DISTINCT_ONE[:1], np.max, "max"),
    Case("reduce.min", lamina.min, DISTINCT_ONE[:1], np.min, "min"),
    Case(
        "reduce.max_dim",
        lamina.max,
        [s for s in DISTINCT_ONE if len(s.args) == 2],
        extremum(np.max, np.argmax),
        "max",
        dtypes=HALVES[:3],
        errors=[
            BAD[0],
            NO_ELEMENTS,
            bad(TypeError, r"\[max\] expected one dimension", Input((2, 3)), (0, 1)),
        ],
        benchmarks={
            "4096x4096 over 1": LARGE["4096x4096 over 1"],
            "4096x4096 over 0": LARGE["4096x4096 over 0"],
        },
    ),
    Case(
        "reduce.min_dim",
        lamina.min,
        [s for s in DISTINCT_ONE if len(s.args) == 2],
        extremum(np.min, np.argmin),
        "min",
    ),
    *[
        Case(
            f"reduce.{name}",
            getattr(lamina, name),
            [
                *[
                    sample(Input(s.args[0].shape, "distinct"), *s.args[1:], **s.kwargs)
                    for s in ONE_DIM
                    if not (len(s.args) == 1 and s.kwargs)
                ],
                sample(Input((30, 40), "int"), 1),
                sample(Input((3000,), "int")),
                sample(edge(1.0, NAN, 2.0)),
            ],
            over(getattr(np, name)),
            name,
            differentiable=False,
            dtypes=(*REAL, "int64"),
            errors=[BAD[0], NO_ELEMENTS],
        )
        for name in ("argmax", "argmin")
    ],
    *[
        Case(
            f"reduce.{name}",
            getattr(lamina, name),
            [
                *INTS,
                sample(Input((3, 4), "bool")),
                sample(Input((2, 30, 4), "bool"), (0, 2), keepdim=True),
                *EMPTY,
            ],
            over(getattr(np, name)),
            name,
            differentiable=False,
        )
        for name in ("any", "all")
    ],
    Case(
        "reduce.count_nonzero",
        lamina.count_nonzero,
        [sample(Input((30,), "int", high=2)), sample(Input((5, 6), "int", high=2), 1)],
        lambda x, dim=None: np.count_nonzero(x, axis=dim),
        "count_nonzero",
        differentiable=False,
    ),
    Case(
        "reduce.logsumexp",
        lamina.logsumexp,
        [*[s for s in SHAPES if len(s.args) == 2], sample(Input((0, 3)), 0)],
        logsumexp,
        "logsumexp",
        errors=BAD[:2],
    ),
    Case(
        "reduce.logsumexp_extremes",
        lamina.logsumexp,
        [
            sample(edge(1000.0, 1000.0), 0),
            sample(edge(-1000.0, -1000.0), 0),
            sample(edge(-INF, -INF), 0),
            sample(edge(INF, 1.0), 0),
        ],
        None,
        "logsumexp",
        differentiable=False,
    ),
    Case(
        "reduce.var",
        lamina.var,
        MOMENTS,
        var,
        "var",
        dtypes=HALVES,
        benchmarks={k: LARGE[k] for k in list(LARGE)[:3]},
        errors=[*BAD, FLOATING],
    ),
    Case("reduce.std", lamina.std, MOMENTS[:-1], std, "std", dtypes=REAL, errors=[FLOATING]),
    Case(
        "reduce.var_offset",
        lamina.var,
        [sample(Input((1000,), "values", values=1e4 + np.linspace(0, 1, 1000)))],
        var,
        "var",
        double=False,
        rtol=1e-4,
    ),
    Case(
        "reduce.var_mean",
        lamina.var_mean,
        MOMENTS[:-1],
        lambda x, **o: (var(x, **o), np.mean(x, axis=o.get("dim"), keepdims=o.get("keepdim", False))),
        "var_mean",
    ),
    Case(
        "reduce.std_mean",
        lamina.std_mean,
        MOMENTS[:-1],
        lambda x, **o: (std(x, **o), np.mean(x, axis=o.get("dim"), keepdims=o.get("keepdim", False))),
        "std_mean",
    ),
    Case(
        "reduce.norm",
        lamina.norm,
        [
            *[sample(Input((5, 8), "distinct"), p) for p in ("fro", 2, 1, 0, 3, 2.5)],
            *[sample(Input((5, 8), "positive"), p) for p in (INF, -INF)],
            *[sample(Input((5, 8), "distinct"), p, 1) for p in (2, 1, 3)],
            sample(Input((5, 8), "positive"), INF, 1),
            sample(Input((2, 5, 3), "distinct"), 2, (0, 2), keepdim=True),
            sample(Input((0, 3)), 2, 0),
            sample(Input((3000,))),
        ],
        norm,
        "norm",
        rtol=2e-5,
        errors=[
            bad(ValueError, r"\[norm\] expected a number or 'fro'", Input((2,)), "nuc"),
            bad(TypeError, r"\[norm\] expected a floating", Input((2,), "int")),
        ],
        benchmarks={"4096x4096": sample(Input((4096, 4096)))},
    ),
    Case(
        "reduce.norm_zero",
        lamina.norm,
        [sample(Input((3,), "values", values=np.zeros(3), grad=False), p) for p in (1, 2, 3, INF)],
        norm,
        "norm",
        differentiable=False,
    ),
    Case(
        "reduce.dist",
        lamina.dist,
        [sample(Input((3, 4)), Input((3, 4))), sample(Input((3, 4)), Input((4,)), 1)],
        lambda a, b, p=2: norm(a - b, p),
        "dist",
    ),
    Case(
        "reduce.aminmax",
        lambda x, dim=None: lamina.aminmax(x, dim=dim),
        [sample(Input((5, 6), "distinct")), sample(Input((5, 6), "distinct"), 1)],
        lambda x, dim=None: (x.min(axis=dim), x.max(axis=dim)),
        lambda torch, x, dim=None: torch.aminmax(x, dim=dim),
    ),
    Case(
        "reduce.sum_to_size",
        lambda x, *size: x.sum_to_size(*size),
        [
            sample(Input((2, 3, 4)), 3, 1),
            sample(Input((2, 3, 4)), 1, 3, 4),
            sample(Input((2, 3)), 2, 3),
            sample(Input((2, 0)), 1, 1),
        ],
        None,
        lambda torch, x, *size: x.sum_to_size(*size),
        errors=[bad(ValueError, r"\[sum_to_size\] expected sizes that broadcast", Input((2, 3)), 2)],
    ),
    Case(
        "reduce.cumsum",
        lamina.cumsum,
        [
            sample(Input((7,)), 0),
            sample(Input((3, 4)), 0),
            sample(Input((3, 4)), -1),
            sample(Input((2, 70, 5)), 1),
            sample(Input((0, 3)), 0),
            sample(Input(()), 0),
            sample(Input((100, 3)), 1),
        ],
        lambda x, dim: np.cumsum(x, axis=dim) if x.ndim else x,
        "cumsum",
        dtypes=HALVES[:3],
        errors=BAD[:1],
        benchmarks={
            "4096x4096 over 1": LARGE["4096x4096 over 1"],
            "4096x4096 over 0": LARGE["4096x4096 over 0"],
        },
    ),
    Case(
        "reduce.cumprod",
        lamina.cumprod,
        [
            sample(Input((7,)), 0),
            sample(Input((3, 4)), 0),
            sample(Input((3, 4)), -1),
            sample(Input((0, 3)), 0),
            sample(Input(()), 0),
        ],
        lambda x, dim: np.cumprod(x, axis=dim) if x.ndim else x,
        "cumprod",
    ),
    *[
        Case(
            f"reduce.{name}_integers",
            getattr(lamina, name),
            [sample(Input((5, 6), "int"), 1), sample(Input((3, 6), "bool"), 1)],
            lambda x, dim, f=f: f(x, axis=dim),
            name,
            differentiable=False,
        )
        for name, f in (("cumsum", np.cumsum), ("cumprod", np.cumprod))
    ],
    Case(
        "reduce.cumprod_zeros",
        lamina.cumprod,
        [sample(WITH_ZEROS, 0), sample(WITH_ZEROS, 1)],
        lambda x, dim: np.cumprod(x, axis=dim),
        "cumprod",
    ),
    *[
        Case(
            f"reduce.{name}",
            getattr(lamina, name),
            [sample(Input((30,), "distinct"), 0), sample(Input((4, 6), "distinct"), 1), sample(Input(()), 0)],
            None,
            name,
        )
        for name in ("cummax", "cummin")
    ],
    *[
        Case(
            f"reduce.{name}_edges",
            getattr(lamina, name),
            [sample(Input((4, 6), "int", high=4), 0), sample(edge(1.0, 3.0, NAN, 2.0), 0)],
            None,
            name,
            differentiable=False,
        )
        for name in ("cummax", "cummin")
    ],
]
