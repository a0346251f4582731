"""Where lamina and torch part, and why.  A difference without an entry fails the suite, and so does the reverse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from parity.tally import Aspect, Difference, Tally


@dataclass(frozen=True)
class Known:
    """Differences with one reason.

    Attributes:
        names: the entries of the databases that show it, each of them.
        aspect: what differs.
        match: a regular expression that the difference's text holds.
        reason: why lamina does otherwise.
    """

    names: tuple[str, ...]
    aspect: Aspect
    match: str
    reason: str


KNOWN: tuple[Known, ...] = (
    Known(
        ("add", "full_like", "index_add", "rsub", "sub"),
        "values",
        "does not fit uint8",
        "A number that the dtype can't hold is refused; torch wraps it around.",
    ),
    Known(
        ("baddbmm",),
        "values",
        "beta=0.2, alpha=0.6.*expected operands of one dtype",
        "Fractions times integers are refused; torch truncates the factors to 0.",
    ),
    Known(
        ("argsort", "kthvalue", "sort", "topk"),
        "values",
        r"(bool|int\d+)\[.*values differ",
        "Among equal elements lamina always takes the first; torch, unless told `stable`, any.",
    ),
    Known(
        ("cov",),
        "values",
        r"aweights=float32\[3\]\): 4 of 4 values differ",
        "The divisor is a difference of sums of float32 weights: a rounding apart, and nearly 0 in these samples.",
    ),
    Known(
        ("gather",),
        "values",
        "expected an index of 1 dimensions, got shape",
        "An empty index has the input's number of dimensions, as any other has.",
    ),
    Known(
        ("norm (nuc)",),
        "values",
        "got 'nuc'",
        "The nuclear norm takes a singular value decomposition, and lamina has none.",
    ),
    Known(
        ("nn.functional.batch_norm",),
        "values",
        "expected 2 to 5 dimensions",
        "A batch has channels: one dimension, as torch takes when it is empty, is refused.",
    ),
    Known(
        ("nn.functional.embedding", "nn.functional.embedding_bag"),
        "values",
        "sparse gradients are not supported",
        "There are no sparse tensors, so `sparse=True` is refused.",
    ),
    Known(
        ("nn.functional.hardsigmoid",),
        "gradients",
        "values differ",
        "torch rounds the slope 1/6 to float32 in float64 too.",
    ),
    Known(
        ("nn.FractionalMaxPool3d",),
        "values",
        "expected random samples of shape",
        "Draws for more images than the input has are refused; torch takes the first.",
    ),
    Known(
        (
            "polygamma (polygamma_n_0)", "polygamma (polygamma_n_1)", "polygamma (polygamma_n_2)",
            "polygamma (polygamma_n_3)", "polygamma (polygamma_n_4)",
            "special.polygamma (special_polygamma_n_0)",
        ),
        "values",
        "inf, torch gives 2017",
        "At a pole the trigamma function is infinite; torch gives what rounding makes of it.",
    ),
)  # fmt: skip


def reason_for(difference: Difference) -> Known | None:
    """The entry that lists a difference."""
    for known in KNOWN:
        listed = difference.name in known.names and difference.aspect == known.aspect
        if listed and re.search(known.match, difference.text):
            return known
    return None


def unlisted(tally: Tally) -> list[Difference]:
    """The differences that no entry lists."""
    return [d for d in tally.differences if reason_for(d) is None]


def stale(tally: Tally) -> Sequence[Known]:
    """The entries that list a difference of this name, and there is none any more."""
    seen = {reason_for(d) for d in tally.differences}
    return [known for known in KNOWN if tally.name in known.names and known not in seen]
