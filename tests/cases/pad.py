"""Padding."""

import numpy as np
from case import Case, Input, bad, sample

import lamina
from lamina.nn import functional as F

X = Input((2, 3, 4, 5))
NUMPY_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(x, sizes, mode="constant", value=0):
    pairs = [(0, 0)] * (x.ndim - len(sizes) // 2) + [
        (sizes[i], sizes[i + 1]) for i in range(len(sizes) - 2, -1, -2)
    ]
    crop = tuple(slice(max(-b, 0), n - max(-a, 0)) for (b, a), n in zip(pairs, x.shape, strict=True))
    widths = [(max(b, 0), max(a, 0)) for b, a in pairs]
    keywords = {"constant_values": value} if mode == "constant" else {}
    return np.pad(x[crop], widths, NUMPY_MODES[mode], **keywords)


CASES = [
    Case(
        "pad.constant",
        F.pad,
        [
            sample(X, (1, 2)),
            sample(X, (1, 2, 3, 0), "constant", 2.5),
            sample(X, (0, 0, 0, 0, 1, 1, 2, 0)),
            sample(X, (-1, 2, 1, -2)),
            sample(X, ()),
            sample(Input((0, 3)), (1, 1, 2, 0), value=1.0),
            sample(Input((3,)), (-1, -2)),
            sample(Input((1, 16, 4, 4)), (1, 1, 1, 1)),
        ],
        pad,
        "nn.functional.pad",
        dtypes=("float32", "float64", "int64", "bool", "bfloat16"),
        errors=[
            bad(ValueError, "up to 4 pairs", X, (1,)),
            bad(ValueError, "up to 1 pairs", Input((3,)), (1, 1, 1, 1)),
            bad(ValueError, "leaves nothing of dimension 3", X, (-3, -3)),
            bad(ValueError, "mode to be one of", X, (1, 1), "mirror"),
            bad(ValueError, "a value belongs to mode 'constant'", X, (1, 1), "reflect", 1.0),
            bad(ValueError, "overflows", X, (2**62, 2**62)),
            bad(ValueError, "needs more bytes", X, (2**60, 0)),
            bad(TypeError, "integer sizes", X, (1.0, 2.0)),
        ],
        benchmarks={"32x64x32x32 by 1": sample(Input((32, 64, 32, 32)), (1, 1, 1, 1))},
    ),
    *(
        Case(
            f"pad.{mode}",
            F.pad,
            [
                sample(Input((2, 4)), (2, 1), mode),
                sample(X, (2, 0, 1, 2), mode),
                sample(X, (4, 3, 3, 3) if mode != "circular" else (5, 5, 4, 4), mode),
                sample(Input((1, 2, 3, 4, 5)), (1, 2, 2, 0, 1, 1), mode),
                sample(X, (0, 0, 0, 1), mode),
            ],
            pad,
            "nn.functional.pad",
            benchmarks={"32x64x32x32 by 2": sample(Input((32, 64, 32, 32)), (2, 2, 2, 2), mode)},
            errors=errors,
        )
        for mode, errors in {
            "reflect": [bad(ValueError, "smaller than dimension 3 of size 5, got 5", X, (5, 0), "reflect")],
            "replicate": [bad(ValueError, "a nonempty dimension 1", Input((2, 0)), (1, 0), "replicate")],
            "circular": [bad(ValueError, "at most dimension 3 of size 5, got 6", X, (0, 6), "circular")],
        }.items()
    ),
    # A border shows what was cropped away.
    Case(
        "pad.replicate_beyond_a_crop",
        F.pad,
        [sample(X, (-5, 5, 0, 0), "replicate"), sample(X, (0, 0, 2, -4), "replicate")],
        lambda x, sizes, mode: (
            np.repeat(x[..., -1:], 5, -1) if sizes[0] == -5 else np.repeat(x[:, :, :1], 2, 2)
        ),
        "nn.functional.pad",
    ),
    # torch takes these modes for the last dimensions of some ranks only.
    Case(
        "pad.any_rank",
        lambda x: lamina.cat([F.pad(x, (1, 1, 1, 1, 1, 1), m) for m in ("reflect", "replicate", "circular")]),
        [sample(Input((3, 2, 4)))],
        lambda x: np.concatenate([pad(x, (1,) * 6, m) for m in ("reflect", "replicate", "circular")]),
    ),
]
