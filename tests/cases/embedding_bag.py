"""Bags of a table's rows."""

import itertools

import numpy as np
from case import Case, Input, bad, sample

import lamina
from lamina.nn import functional as F

TABLE = Input((7, 3), "distinct")
WORDS = Input((4, 5), "int", high=7)
LINE = Input((9,), "int", high=7)


def ints(*values):
    return Input(kind="values", values=np.array(values, np.int64))


OFFSETS = ints(0, 3, 3, 4)


def bags(i, w, offsets=None, *, mode="mean", factors=None, last=False, padding=None):
    ends = [*offsets, len(i)] if offsets is not None and not last else offsets
    if offsets is None:
        ends = np.arange(len(i) + 1) * i.shape[1]
    i, factors = i.reshape(-1), np.ones(i.size) if factors is None else factors.reshape(-1)
    out = np.zeros((len(ends) - 1, w.shape[1]))
    for b, (first, end) in enumerate(itertools.pairwise(ends)):
        chosen = [k for k in range(first, end) if padding is None or i[k] != padding % len(w)]
        if chosen:
            rows = w[i[chosen]] * factors[chosen, None]
            out[b] = getattr(rows, mode)(0)
    return out


def call(function):
    """With the arguments that the reference has under shorter names."""

    def run(i, w, offsets=None, *, mode="mean", factors=None, last=False, padding=None):
        options = {"mode": mode, "include_last_offset": last, "padding_idx": padding}
        return function(i, w, offsets, per_sample_weights=factors, **options)

    return run


CASES = [
    Case(
        "embedding_bag.embedding_bag",
        call(F.embedding_bag),
        [
            *[
                s
                for mode in ("sum", "mean", "max")
                for s in (
                    sample(WORDS, TABLE, mode=mode),
                    sample(LINE, TABLE, OFFSETS, mode=mode),
                    sample(LINE, TABLE, OFFSETS, mode=mode, padding=-3),
                    sample(Input((0,), "int"), TABLE, ints(0, 0), mode=mode),
                )
            ],
            sample(WORDS, TABLE, mode="sum", factors=Input((4, 5))),
            *[sample(WORDS, Input((7, 149)), mode=mode) for mode in ("sum", "mean")],
            sample(WORDS, Input((7, 149), "distinct"), mode="max", padding=1),
            sample(LINE, TABLE, OFFSETS, mode="sum", factors=Input((9,)), padding=2),
        ],
        bags,
        lambda torch, *args, **kwargs: call(torch.nn.functional.embedding_bag)(*args, **kwargs),
        double=True,
        errors=[
            bad(ValueError, "mode 'sum', 'mean' or 'max'", WORDS, TABLE, mode="min"),
            bad(ValueError, "takes no offsets", WORDS, TABLE, OFFSETS),
            bad(ValueError, "a 1-d one with 1-d offsets", LINE, TABLE),
            bad(ValueError, "offsets that rise from 0 to 9", LINE, TABLE, ints(1, 3)),
            bad(ValueError, "offsets that rise from 0 to 9", LINE, TABLE, ints(0, 5, 3)),
            bad(ValueError, "offsets that rise from 0 to 9", LINE, TABLE, ints(0, 12)),
            bad(ValueError, "offsets that rise from 0 to 9", LINE, TABLE, ints(0, 5), last=True),
            bad(
                ValueError, "expected mode 'sum' and weights", WORDS, TABLE, mode="max", factors=Input((4, 5))
            ),
            bad(IndexError, "index 9 is out of range", ints(9), TABLE, ints(0)),
        ],
        benchmarks={
            "256 bags of 32, 10000x64": sample(
                Input((256, 32), "int", high=10000), Input((10000, 64)), mode="sum"
            ),
            "the same, mean": sample(Input((256, 32), "int", high=10000), Input((10000, 64)), mode="mean"),
            "the same, max": sample(Input((256, 32), "int", high=10000), Input((10000, 64)), mode="max"),
        },
    ),
    Case(
        "embedding_bag.last_offset",
        lambda i, w, mode: F.embedding_bag(
            i, w, lamina.tensor([0, 2, 9], device=i.device), mode=mode, include_last_offset=True
        ),
        [sample(LINE, TABLE, mode) for mode in ("sum", "mean", "max")],
        lambda i, w, mode: bags(i, w, [0, 2, 9], mode=mode, last=True),
        lambda torch, i, w, mode: torch.nn.functional.embedding_bag(
            i, w, torch.tensor([0, 2, 9]), mode=mode, include_last_offset=True
        ),
    ),
]
