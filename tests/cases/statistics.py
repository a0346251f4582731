"""Medians, quantiles, covariances; differences and integrals of samples."""

import numpy as np
from case import Case, Input, bad, sample

import lamina
from cases.elementwise import NAN, edge

ROWS = [sample(Input((3, 4), "distinct")), sample(Input((2, 7), "distinct"))]


def median(x, dim=None, keepdim=False):
    """The lower of two middle elements, and where it is."""
    y = np.sort(x, axis=dim).take(
        (x.size if dim is None else x.shape[dim]) // 2 - (0 if x.shape[-1] % 2 else 1), dim
    )
    return y if dim is None else (y, np.argmax(x == np.expand_dims(y, dim), dim))


def trapezoid(y, x=None, dx=1.0, dim=-1):
    return np.trapezoid(y, x, dx, dim)


CASES = [
    Case(
        "statistics.median",
        lamina.median,
        [sample(Input((3, 5), "distinct"), 1), sample(Input((3, 5), "distinct"), -1)],
        median,
        "median",
        errors=[
            bad(IndexError, r"\[median\] expected elements", Input((2, 0)), 1),
            bad(TypeError, r"\[median\] expected numbers, got bool", Input((2,), "bool")),
        ],
    ),
    Case("statistics.median_of_all", lamina.median, ROWS, None, "median"),
    Case(
        "statistics.median_of_nan",
        lambda x: (lamina.median(x), lamina.nanmedian(x), lamina.median(x, 0), lamina.nanmedian(x, 0)),
        [sample(edge(3.0, NAN, 1.0, 2.0, 5.0)), sample(edge(NAN, NAN))],
        None,
        lambda torch, x: (x.median(), x.nanmedian(), x.median(0), x.nanmedian(0)),
        differentiable=False,
    ),
    Case("statistics.nanmedian", lamina.nanmedian, ROWS, None, "nanmedian"),
    Case(
        "statistics.quantile",
        lamina.quantile,
        [
            sample(Input((3, 5), "distinct"), 0.3),
            sample(Input((3, 5), "distinct"), 0.3, 1, True),
            sample(Input((3, 5), "distinct"), 0.4, 0, interpolation="nearest"),
        ],
        lambda x, q, dim=None, keepdim=False, interpolation="linear": np.quantile(
            x, q, axis=dim, keepdims=keepdim, method=interpolation
        ),
        "quantile",
        double=False,
        errors=[
            bad(ValueError, r"\[quantile\] expected q from 0 to 1", Input((2,)), 1.5),
            bad(ValueError, "expected interpolation in", Input((2,)), 0.5, interpolation="cubic"),
            bad(TypeError, "expected float32 or float64", Input((2,), "int"), 0.5),
        ],
    ),
    Case(
        "statistics.cov",
        lamina.cov,
        [sample(Input((3, 5))), sample(Input((4,))), sample(Input((2, 5)), correction=0)],
        lambda x, correction=1: np.cov(x, ddof=correction),
        "cov",
        errors=[bad(ValueError, r"\[cov\] expected at most 2 dimensions", Input((2, 2, 2)))],
    ),
    Case("statistics.corrcoef", lamina.corrcoef, [sample(Input((3, 6)))], np.corrcoef, "corrcoef"),
    Case(
        "statistics.diff",
        lamina.diff,
        [
            sample(Input((3, 5))),
            sample(Input((3, 5)), 2, 0),
            sample(Input((5,), "bool")),
            sample(Input((3,)), 5),
            sample(Input((3, 2)), prepend=Input((3, 1))),
        ],
        None,
        "diff",
        errors=[bad(ValueError, r"\[diff\] expected n >= 0", Input((3,)), -1)],
    ),
    Case(
        "statistics.trapezoid",
        lamina.trapezoid,
        [sample(Input((3, 5))), sample(Input((3, 5)), dx=0.5, dim=0), sample(Input((3, 5)), Input((5,)))],
        trapezoid if hasattr(np, "trapezoid") else None,
        "trapezoid",
        errors=[bad(ValueError, "expected x or dx", Input((3,)), Input((3,)), dx=1.0)],
    ),
    Case(
        "statistics.cumulative_trapezoid",
        lamina.cumulative_trapezoid,
        [sample(Input((3, 5))), sample(Input((3, 5)), dx=0.5, dim=0)],
        None,
        "cumulative_trapezoid",
    ),
]
