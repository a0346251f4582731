"""The three databases behind one pair of functions."""

from __future__ import annotations

import lamina
from parity import modules, ops, optimizers
from parity.tally import Tally

DATABASES = (ops, modules, optimizers)


def names() -> list[str]:
    """What lamina offers of the databases, in their order."""
    return [name for database in DATABASES for name in database.entries()]


def missing() -> list[str]:
    """What it does not."""
    return [name for database in DATABASES for name in database.missing()]


def run(name: str) -> Tally:
    """Every sample of one name."""
    database = next(d for d in DATABASES if name in d.entries())
    lamina.manual_seed(0)
    return database.run(name)
