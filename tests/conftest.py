"""Puts tests/ on the path, so that modules here import ``case``, ``cases`` and ``harness`` by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def torch() -> Any:
    """torch, on one thread (the samples are tiny), for the tests that compare with it; the others never load it."""
    import torch

    torch.set_num_threads(1)
    return torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-torch", action="store_true", help="leave out the tests that compare with torch")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--no-torch"):
        compares = [item for item in items if "torch" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=compares)
        items[:] = [item for item in items if "torch" not in getattr(item, "fixturenames", ())]
