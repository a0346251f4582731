"""docs/parity.md: rows written from tallies, and read back by the tests, which need no torch to know the names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from parity.known import KNOWN, reason_for
from parity.tally import ASPECTS, Tally

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
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
        f"## Not offered\n\nNames of the databases that lamina does not have ({len(missing)}):\n\n{absent}",
    ]
    return "\n\n".join(parts) + "\n"
