"""Distances, similarities, norm 1; the bilinear map."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F

INF = float("inf")
DIRECT = "donot_use_mm_for_euclid_dist"
PRODUCT = "use_mm_for_euclid_dist"


def norm(x, p, axis, keepdims=False):
    return np.linalg.norm(x, p, axis, keepdims) if x.size else np.zeros(np.delete(x.shape, axis))


def cdist(x, y, p=2.0, mode=None):
    return norm(x[..., :, None, :] - y[..., None, :, :], p, -1)


def cosine(x, y, dim=1, eps=1e-8):
    x, y = (np.atleast_1d(v) for v in np.broadcast_arrays(x, y))
    lengths = [np.maximum(np.linalg.norm(v, 2, dim), eps) for v in (x, y)]
    return (x * y).sum(dim) / lengths[0] / lengths[1]


def pdist(x, p=2.0):
    return cdist(x, x, p)[np.triu_indices(len(x), 1)]


def bilinear(x, y, w, b=None):
    return np.einsum("...i,kij,...j->...k", x, w, y) + (0 if b is None else b)


PAIR = (Input((2, 5, 7)), Input((2, 4, 7)))
FACES = (Input((3, 40)), Input((6, 40)))

CASES = [
    Case(
        "distance.cdist",
        F.cdist,
        [
            *[sample(*PAIR, p) for p in (2.0, 1.0, INF, 3.5, 1.5)],
            sample(*PAIR, 0.5),
            *[sample(*FACES, p) for p in (2.0, 1.0, INF, 3.0)],
            sample(Input((3, 1, 4, 2)), Input((2, 5, 2))),
            sample(Input((30, 3)), Input((2, 3)), 2.0, DIRECT),
            sample(Input((0, 3)), Input((2, 3))),
            sample(Input((2, 0)), Input((3, 0)), 1.0),
        ],
        cdist,
        "cdist",
        rtol=2e-5,
        errors=[
            bad(ValueError, r"\[cdist\] expected rows of one length", Input((2, 3)), Input((2, 4))),
            bad(ValueError, r"\[cdist\] expected rows of one length", Input((3,)), Input((2, 3))),
            bad(ValueError, r"\[cdist\] expected p of at least 0", Input((2, 3)), Input((2, 3)), -1.0),
            bad(ValueError, "compute_mode to be one of", Input((2, 3)), Input((2, 3)), 2.0, "fast"),
            bad(TypeError, r"\[cdist\] expected float32 or float64", Input((2, 3), "int"), Input((2, 3))),
        ],
        benchmarks={
            "200x64 to 300x64, p=1": sample(Input((200, 64)), Input((300, 64)), 1.0),
            "200x64 to 300x64": sample(Input((200, 64)), Input((300, 64)), 2.0, DIRECT),
        },
    ),
    Case(
        "distance.cdist_product",
        F.cdist,
        [sample(*PAIR, 2.0, PRODUCT), sample(Input((30, 3)), Input((2, 3)))],
        cdist,
        "cdist",
        rtol=1e-4,
        atol=1e-5,
        benchmarks={"1000x64 to 1000x64": sample(Input((1000, 64)), Input((1000, 64)))},
    ),
    Case(
        "distance.cdist_zero",
        F.cdist,
        [sample(*PAIR, 0.0)],
        lambda x, y, p: (x[..., :, None, :] != y[..., None, :, :]).sum(-1).astype(float),
        "cdist",
    ),
    Case(
        "distance.pdist",
        F.pdist,
        [
            sample(Input((5, 4), "distinct")),
            sample(Input((4, 3), "distinct"), 1.0),
            sample(Input((4, 3)), INF),
            sample(Input((1, 3))),
            *[sample(Input((37, 5), "distinct"), p) for p in (2.0, 3.0, 0.0)],
            sample(Input((4, 0))),
        ],
        pdist,
        "nn.functional.pdist",
        benchmarks={"500x64": sample(Input((500, 64))), "8x16": sample(Input((8, 16)))},
        errors=[bad(ValueError, r"\[pdist\] expected a matrix", Input((3,)))],
    ),
    Case(
        "distance.pairwise_distance",
        F.pairwise_distance,
        [
            sample(Input((4, 5)), Input((4, 5))),
            sample(Input((4, 5)), Input((5,)), 1.0, keepdim=True),
            sample(Input((5,)), Input((5,)), 3.0, 0.0),
            sample(Input((2, 3, 5), "distinct"), Input((1, 5)), INF),
            sample(Input((0, 5)), Input((0, 5))),
        ],
        lambda x, y, p=2.0, eps=1e-6, keepdim=False: (
            np.linalg.norm(x - y + eps, p, -1, keepdim) if x.size else np.zeros(len(x))
        ),
        "nn.functional.pairwise_distance",
    ),
    Case(
        "distance.cosine_similarity",
        F.cosine_similarity,
        [
            sample(Input((4, 5)), Input((4, 5))),
            sample(Input((4, 5, 2)), Input((1, 5, 1)), -2),
            sample(Input((3, 1)), Input((3, 4)), 0, 0.5),
            sample(Input(()), Input(()), 0),
        ],
        cosine,
        "nn.functional.cosine_similarity",
        errors=[
            bad(TypeError, r"\[cosine_similarity\] expected floating", Input((2, 2), "int"), Input((2, 2)))
        ],
    ),
    Case(
        "distance.normalize",
        F.normalize,
        [
            sample(Input((4, 5))),
            sample(Input((4, 5, 2)), 1.0, -1),
            sample(Input((3, 4), "distinct"), INF, 0),
            sample(Input((0, 5))),
        ],
        lambda x, p=2.0, dim=1, eps=1e-12: (
            x / np.maximum(np.linalg.norm(x, p, dim, keepdims=True), eps) if x.size else x
        ),
        "nn.functional.normalize",
    ),
    Case(
        "distance.bilinear",
        F.bilinear,
        [
            sample(Input((4, 3)), Input((4, 2)), Input((5, 3, 2)), Input((5,))),
            sample(Input((2, 3, 3)), Input((2, 3, 2)), Input((1, 3, 2))),
            sample(Input((3,)), Input((2,)), Input((4, 3, 2)), Input((4,))),
            sample(Input((0, 3)), Input((0, 2)), Input((5, 3, 2))),
        ],
        bilinear,
        "nn.functional.bilinear",
        errors=[
            bad(
                ValueError,
                r"\[bilinear\] expected inputs of equal",
                Input((4, 3)),
                Input((5, 2)),
                Input((5, 3, 2)),
            ),
            bad(
                ValueError,
                r"\[bilinear\] expected inputs of 3 and 2",
                Input((4, 2)),
                Input((4, 2)),
                Input((5, 3, 2)),
            ),
        ],
        benchmarks={"64x128x128 to 32": sample(Input((64, 128)), Input((64, 128)), Input((32, 128, 128)))},
    ),
]
