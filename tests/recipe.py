"""Runs a recipe of examples/ in this process, as its command line would."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

EXAMPLES = Path(__file__).parent.parent / "examples"
sys.path.append(str(EXAMPLES))  # recipes import what they share, as they do when run by themselves


def load_recipe(name: str) -> ModuleType:
    """examples/NAME.py as a module."""
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None, name
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks for the names in its annotations
    spec.loader.exec_module(module)
    return module


def run_recipe(name: str, folder: Path, *arguments: str) -> Any:
    """What main() returns: the figures that the recipe is judged by."""
    return load_recipe(name).main(["--run-dir", str(folder), *arguments])


def is_png(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")
