"""torch's sample databases run through lamina; docs/parity.md holds the names and what is expected of each."""

from __future__ import annotations

from typing import Any

import pytest
from parity import known, table

ROWS = table.rows()


@pytest.mark.parametrize("name", ROWS)
def test_agrees_with_torch(torch: Any, name: str) -> None:
    from parity import databases

    tally = databases.run(name)
    unlisted = known.unlisted(tally)
    assert not unlisted, "\n".join(map(str, unlisted[:20]))
    assert not known.stale(tally), "listed in tests/parity/known.py, and no longer so"
    assert table.row(tally) == ROWS[name], "python tools/parity.py writes docs/parity.md anew"


def test_the_table_has_every_name_that_lamina_offers(torch: Any) -> None:
    from parity import databases

    assert list(ROWS) == databases.names(), "python tools/parity.py writes docs/parity.md anew"


def test_every_known_difference_is_of_a_name_in_the_table() -> None:
    assert {name for entry in known.KNOWN for name in entry.names} <= set(ROWS)


def test_the_page_gives_the_reasons() -> None:
    text = table.PAGE.read_text(encoding="utf-8")
    assert table.reasons() in text, "python tools/parity.py writes docs/parity.md anew"
