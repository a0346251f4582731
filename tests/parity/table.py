"""docs/parity.md: rows written from tallies, and read back by the tests, which need no torch to know the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from parity.known import KNOWN, reason_for
from parity.tally import ASPECTS, Tally

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
NOT_OFFERED = """
None of these is among the building blocks that lamina sets out to have. By kind:

- **Complex numbers** are no dtype of lamina's: `fft.*`, `stft`, `istft`, `complex`, `polar`, `angle`, `conj`, `real`,
  `imag`, `view_as_complex` and their kin.
- **Decompositions and solvers**: `linalg.*`, `cholesky`, `qr`, `svd`, `lu`, `pinverse` and their kin. NumPy's are a
  call away through `Tensor.numpy()`. For want of a Cholesky factor there is no `MultivariateNormal` either.
- **Sparse, quantized and int16 tensors**: `sparse.*`, `to_sparse`, `short`; `optim.SparseAdam`, since gradients of
  embeddings are dense here.
- **torch's own machinery**: names that begin with `_` or `torch.`, `*_copy`, `native_*`, `jiterator_*`, `resize_*`,
  `empty_strided`, `hash_tensor` and the like, which exist for its compiler.
- **Lazy modules** (`LazyConv*` and others): a module's parameters are there once it is made; state dicts, optimizers
  and captured steps count on it.
- **Optimizers of large language models**: `Adafactor`, `Muon`; and `LinearCrossEntropyLoss`, which saves memory where
  classes are a vocabulary: `CrossEntropyLoss` of `Linear` is the same number.
- **Special functions** beyond the gamma and error functions (so `Gamma` and `Chi2` have no `cdf`), window functions
  (`signal.*`), `masked.*`, histograms.
- **The rest**, such as `addbmm`, `isin`, `mode`, `scatter_reduce`, `renorm`, is not there yet: nothing here needs it,
  and most of it is a line or two of what is there.
"""
HEAD = """
| name | values | gradients | second | errors | integer dtypes refused | left out | differences |
|---|---|---|---|---|---|---|---|
""".lstrip()


def row(tally: Tally) -> str:
    """A line of the table."""
    counts = [f"{tally.passed(a)}/{tally.checked[a]}" if tally.checked[a] else "" for a in ASPECTS]
    notes = sorted({KNOWN.index(known) + 1 for known in map(reason_for, tally.differences) if known})
    cells = [f"`{tally.name}`", *counts, " ".join(tally.refused), str(tally.left_out or "")]
    return "| " + " | ".join([*cells, " ".join(f"[{n}](#d{n})" for n in notes)]) + " |"


def rows() -> dict[str, str]:
    """The lines of the page's table, by name."""
    found = re.findall(r"^(\| `(.+?)` \|.*\|)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: line for line, name in found}


def totals(tallies: Sequence[Tally]) -> str:
    """The page's sentence of sums."""
    sums = [
        f"{sum(t.passed(a) for t in tallies)} of {sum(t.checked[a] for t in tallies)} {a}" for a in ASPECTS
    ]
    clean = sum(not t.differences for t in tallies)
    left = sum(t.left_out for t in tallies)
    agree = ", ".join(sums).replace("second", "second derivatives")
    return f"{len(tallies)} names, {clean} without a difference. {agree} agree. {left} samples are left out."


def reasons() -> str:
    """The list of differences, one a line."""
    return "\n".join(
        f'{n}. <a id="d{n}"></a>{known.reason} ({known.aspect}: {", ".join(f"`{name}`" for name in known.names)})'
        for n, known in enumerate(KNOWN, 1)
    )


def page(tallies: Sequence[Tally], missing: Sequence[str], introduction: str) -> str:
    """The whole page."""
    absent = ", ".join(f"`{name}`" for name in missing)
    parts = [
        introduction.strip(),
        totals(tallies),
        "## Differences\n\n" + reasons(),
        "## Table\n\n" + HEAD + "\n".join(row(t) for t in tallies),
        "## Not offered\n\n" + NOT_OFFERED.strip(),
        f"Names of the databases that lamina does not have ({len(missing)}):\n\n{absent}",
    ]
    return "\n\n".join(parts) + "\n"
