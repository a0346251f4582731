"""Rows of a table."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F

TABLE = Input((7, 3))
WORDS = Input((4, 5), "int", high=7)
INT32 = Input((3,), "int", high=7, dtype="int32")

CASES = [
    Case(
        "embedding.embedding",
        F.embedding,
        [
            sample(WORDS, TABLE),
            sample(Input((0,), "int"), TABLE),
            sample(Input(kind="values", values=np.int64(3)), TABLE),
            sample(INT32, TABLE),
            sample(Input((300,), "int", high=50), Input((50, 128))),
        ],
        lambda i, w, *_, **__: w[i],
        "nn.functional.embedding",
        errors=[
            bad(
                IndexError,
                "index 9 is out of range for dimension 0 of size 7",
                Input(kind="values", values=[9]),
                TABLE,
            ),
            bad(IndexError, "index -1 is out of range", Input(kind="values", values=[-1]), TABLE),
            bad(ValueError, "a weight of 2 dimensions", WORDS, Input((7,))),
            bad(ValueError, "padding_idx within 7 rows", WORDS, TABLE, 7),
            bad(ValueError, "sparse gradients", WORDS, TABLE, sparse=True),
            bad(TypeError, "an index of int64 or int32", Input((2,), grad=False), TABLE),
        ],
        benchmarks={
            "32x128 of 10000x128": sample(Input((32, 128), "int", high=10000), Input((10000, 128))),
        },
    ),
    Case(
        "embedding.max_norm",
        lambda i, w: F.embedding(i, w.clone(), None, 1.0),
        [sample(WORDS, Input((7, 3), grad=False))],
        lambda i, w: (w * np.minimum(1, 1 / (np.linalg.norm(w, axis=1, keepdims=True) + 1e-7)))[i],
        lambda torch, i, w: torch.nn.functional.embedding(i, w.clone(), None, 1.0),
        differentiable=False,
    ),
    Case(
        "embedding.one_hot",
        F.one_hot,
        [sample(WORDS, 7), sample(WORDS, 9), sample(WORDS), sample(Input((0, 2), "int"), 3)],
        lambda i, n=-1: np.eye(n if n > 0 else i.max() + 1, dtype=np.int64)[i],
        "nn.functional.one_hot",
        differentiable=False,
        dtypes=("float32",),
        errors=[
            bad(IndexError, "index 6 is out of range", Input(kind="values", values=[6]), 3),
            bad(ValueError, "expected num_classes", Input((0,), "int")),
            bad(ValueError, "at least 1 class", WORDS, 0),
            bad(TypeError, "classes of int64", TABLE, 3),
        ],
    ),
]
