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


KNOWN: tuple[Known, ...] = ()


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
