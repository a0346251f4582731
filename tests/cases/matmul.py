"""Matrix products, einsum, tensordot and the linear map."""

import numpy as np
from case import Case, Input, bad, sample

import lamina
from lamina.nn import functional as F

SUMS = 3e-5  # absolute: the terms of a sum cancel, and each has a rounding error of its own
FLOATS = ("float32", "float64", "bfloat16", "float16")
NUMBERS = (*FLOATS, "int64", "int32", "int8", "uint8")
NAN = np.array([[np.nan, 0.0], [1.0, np.inf]])
ZERO = np.array([[0.0, 1.0], [0.0, 0.0]])


def ref_addmm(x, a, b, beta=1, alpha=1):
    return (0 if beta == 0 else beta * x) + alpha * np.matmul(a, b)


def ref_linear(x, weight, bias=None):
    return x @ weight.T + (0 if bias is None else bias)


def rows(m, k, n):
    return sample(Input((m, k)), Input((k, n)))


def transposed(x, y):
    """A product of column-major views."""
    return lamina.matmul(x.transpose(-1, -2), y.transpose(-1, -2))


def strided(x, y):
    """A product of views with gaps between their columns."""
    return lamina.matmul(x[..., ::2], y[::3, 1::2])


# Sizes around the register tiles (14, 6 and 4 rows; 32, 16, 8 and 4 columns), skinny ones, long sums, empty ones.
SIZES = [(1, 1, 1), (2, 3, 4), (13, 5, 31), (14, 64, 32), (15, 17, 33), (1, 40, 37), (3, 70, 50), (37, 64, 1)]
SIZES += [(50, 33, 3), (29, 300, 65), (70, 8, 140), (3, 2100, 5), (0, 3, 4), (3, 0, 4), (3, 4, 0)]
SIZES += [
    (5, 33, 70),
    (6, 70, 40),
    (7, 40, 130),
    (8, 66, 37),
    (50, 33, 6),
    (9, 66, 37),
]  # to either side of eight

MATMUL = [rows(*size) for size in SIZES] + [
    sample(Input((5,)), Input((5,))),
    sample(Input((5,)), Input((5, 3))),
    sample(Input((4, 5)), Input((5,))),
    sample(Input((5,)), Input((2, 5, 3))),
    sample(Input((2, 4, 5)), Input((5,))),
    sample(Input((2, 3, 4, 5)), Input((5, 6))),
    sample(Input((4, 5)), Input((2, 3, 5, 6))),
    sample(Input((2, 1, 4, 5)), Input((3, 5, 6))),
    sample(Input((20, 3, 4)), Input((20, 4, 5))),
    sample(Input((0, 3, 4)), Input((4, 5))),
    sample(Input((2, 0, 4)), Input((4, 5))),
]
SPECIAL = [  # 0 * NaN and 0 * inf are NaN
    sample(Input((2, 2), "values", values=NAN, grad=False), Input((2, 2), "values", values=ZERO, grad=False)),
    sample(Input((2, 2), "values", values=ZERO, grad=False), Input((2, 2), "values", values=NAN, grad=False)),
]

EINSUM = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,kj", (3, 4), (5, 4)),
    ("ij->ji", (3, 4)),
    ("ij->", (3, 4)),
    ("ii->i", (4, 4)),
    ("ii", (4, 4)),
    ("iij,jkk->ik", (3, 3, 4), (4, 2, 2)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    ("i,j->ij", (3,), (4,)),
    ("i,i", (6,), (6,)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("...i->...", (2, 3, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("ij,ij,i->j", (3, 4), (3, 4), (3,)),
    ("ij,kl->jl", (2, 3), (4, 5)),
    ("i j , j -> i", (3, 4), (4,)),
    (",i->i", (), (3,)),
]
TORCH_EINSUM = [  # what torch allows and NumPy does not
    ("ij,jk->ik", (3, 1), (4, 2)),
    ("b...,b...->b", (3, 2, 4), (3, 2, 4)),
]


def einsum_sample(equation, *shapes):
    return sample(equation, *[Input(s) for s in shapes])


TENSORDOT = [
    sample(Input((2, 3, 4)), Input((3, 4, 5))),
    sample(Input((2, 3)), Input((4, 5)), 0),
    sample(Input((2, 3, 4)), Input((4, 3, 6)), ([1, 2], [1, 0])),
    sample(Input((2, 3)), Input((5, 3)), ([-1], [-1])),
    sample(Input((0, 3)), Input((3, 2)), 1),
]

CASES = [
    Case(
        "matmul.matmul",
        lamina.matmul,
        MATMUL,
        np.matmul,
        "matmul",
        dtypes=NUMBERS,
        atol=SUMS,
        benchmarks={
            "1024": rows(1024, 1024, 1024),
            "256": rows(256, 256, 256),
            "64": rows(64, 64, 64),
            "64x784x256": rows(64, 784, 256),
            "65536x64x64": rows(65536, 64, 64),
            "1x4096x4096": rows(1, 4096, 4096),
            "bmm_64x64x64x64": sample(Input((64, 64, 64)), Input((64, 64, 64))),
        },
        errors=[
            bad(ValueError, r"\[matmul\] expected inner sizes", Input((2, 3)), Input((4, 5))),
            bad(ValueError, r"\[matmul\] expected shapes that broadcast", Input((2, 3, 4)), Input((3, 4, 5))),
            bad(ValueError, r"\[matmul\] expected operands of at least one", Input(()), Input((4,))),
            bad(TypeError, r"\[matmul\] expected operands of one dtype", Input((2, 2)), Input((2, 2), "int")),
            bad(TypeError, r"bool", Input((2, 2), "bool"), Input((2, 2), "bool")),
            bad(TypeError, r"\[matmul\] expected tensors", Input((2, 2)), 3),
        ],
    ),
    Case("matmul.special", lamina.matmul, SPECIAL, np.matmul, "matmul", differentiable=False),
    Case(
        "matmul.transposed",
        transposed,
        [
            sample(Input((5, 3)), Input((4, 5))),
            sample(Input((300, 29)), Input((65, 300))),
            sample(Input((2, 9, 40)), Input((50, 9))),
        ],
        lambda x, y: np.matmul(x.swapaxes(-1, -2), y.swapaxes(-1, -2)),
        lambda torch, x, y: torch.matmul(x.transpose(-1, -2), y.transpose(-1, -2)),
        atol=SUMS,
    ),
    Case(
        "matmul.strided",
        strided,
        [sample(Input((5, 8)), Input((12, 7))), sample(Input((2, 30, 80)), Input((120, 90)))],
        lambda x, y: np.matmul(x[..., ::2], y[::3, 1::2]),
        lambda torch, x, y: torch.matmul(x[..., ::2], y[::3, 1::2]),
        atol=SUMS,
    ),
    Case(
        "matmul.mm",
        lamina.mm,
        [rows(3, 4, 5), rows(0, 3, 2)],
        np.matmul,
        "mm",
        errors=[bad(ValueError, r"\[mm\] expected a second operand of 2", Input((2, 3)), Input((3,)))],
    ),
    Case(
        "matmul.bmm",
        lamina.bmm,
        [sample(Input((3, 4, 5)), Input((3, 5, 2))), sample(Input((40, 6, 7)), Input((40, 7, 9)))],
        np.matmul,
        "bmm",
        errors=[bad(ValueError, r"\[bmm\] expected batches of one size", Input((1, 2, 3)), Input((2, 3, 2)))],
    ),
    Case("matmul.mv", lamina.mv, [sample(Input((4, 5)), Input((5,)))], np.matmul, "mv"),
    Case(
        "matmul.dot",
        lamina.dot,
        [sample(Input((7,)), Input((7,))), sample(Input((0,)), Input((0,)))],
        np.dot,
        "dot",
    ),
    Case(
        "matmul.inner",
        lamina.inner,
        [
            sample(Input((2, 3)), Input((4, 3))),
            sample(Input((3,)), Input((3,))),
            sample(Input(()), Input((2, 3))),
        ],
        np.inner,
        "inner",
    ),
    Case("matmul.outer", lamina.outer, [sample(Input((3,)), Input((4,)))], np.outer, "outer"),
    Case(
        "matmul.kron",
        lamina.kron,
        [sample(Input((2, 3)), Input((3, 2))), sample(Input((2,)), Input((2, 3)))],
        np.kron,
        "kron",
    ),
    Case(
        "matmul.addmm",
        lamina.addmm,
        [
            sample(Input((3, 5)), Input((3, 4)), Input((4, 5))),
            sample(Input((5,)), Input((3, 4)), Input((4, 5)), beta=2, alpha=3),
            sample(Input((30, 1)), Input((30, 4)), Input((4, 50)), beta=2, alpha=3),
            sample(Input(()), Input((3, 0)), Input((0, 5))),
            sample(Input((2, 2), "values", values=NAN, grad=False), Input((2, 3)), Input((3, 2)), beta=0),
        ],
        ref_addmm,
        "addmm",
        errors=[bad(ValueError, r"\[addmm\]", Input((4,)), Input((3, 4)), Input((4, 5)))],
    ),
    Case(
        "matmul.baddbmm",
        lamina.baddbmm,
        [
            sample(Input((2, 3, 5)), Input((2, 3, 4)), Input((2, 4, 5))),
            sample(Input((3, 1)), Input((2, 3, 4)), Input((2, 4, 5)), beta=2, alpha=3),
        ],
        ref_addmm,
        "baddbmm",
    ),
    Case(
        "matmul.einsum",
        lamina.einsum,
        [einsum_sample(*e) for e in EINSUM],
        np.einsum,
        "einsum",
        errors=[
            bad(ValueError, r"names 1 operands, got 2", "ij", Input((2, 3)), Input((2, 3))),
            bad(ValueError, r"does not fit an operand of 3", "ij", Input((2, 3, 4))),
            bad(ValueError, r"sizes 3 and 4", "ij,jk", Input((2, 3)), Input((4, 3))),
            bad(ValueError, r"from nowhere", "ij->ik", Input((2, 3))),
            bad(ValueError, r"expected letters", "i1->i", Input((2, 3))),
        ],
    ),
    Case("matmul.einsum_torch", lamina.einsum, [einsum_sample(*e) for e in TORCH_EINSUM], None, "einsum"),
    Case(
        "matmul.tensordot",
        lamina.tensordot,
        TENSORDOT,
        lambda a, b, dims=2: np.tensordot(a, b, dims),
        "tensordot",
        errors=[
            bad(ValueError, r"\[tensordot\] expected dimensions of equal", Input((2, 3)), Input((4, 5)), 1)
        ],
    ),
    Case(
        "matmul.linear",
        F.linear,
        [
            sample(Input((5, 3)), Input((2, 3)), Input((2,))),
            sample(Input((2, 4, 3)), Input((2, 3)), Input((2,))),
            sample(Input((3,)), Input((2, 3)), Input((2,))),
            sample(Input((33, 70)), Input((65, 70))),
            sample(Input((1, 64)), Input((40, 64)), Input((40,))),
            sample(Input((5, 70)), Input((40, 70)), Input((40,))),
            sample(Input((6, 33)), Input((41, 33)), Input((41,))),
            sample(Input((8, 130)), Input((29, 130)), Input((29,))),
            sample(Input((0, 3)), Input((2, 3)), Input((2,))),
            sample(Input((4, 3)), Input((3,))),
        ],
        ref_linear,
        "nn.functional.linear",
        dtypes=FLOATS,
        atol=SUMS,
        benchmarks={
            "32x64x32": sample(Input((32, 64)), Input((32, 64)), Input((32,))),
            "64x784x256": sample(Input((64, 784)), Input((256, 784)), Input((256,))),
            "256x1024x1024": sample(Input((256, 1024)), Input((1024, 1024)), Input((1024,))),
        },
        errors=[
            bad(ValueError, r"\[linear\] expected 3 input features", Input((5, 4)), Input((2, 3))),
            bad(
                ValueError,
                r"\[linear\] expected a bias of shape \(2\)",
                Input((5, 3)),
                Input((2, 3)),
                Input((3,)),
            ),
        ],
    ),
]
