"""The examples in docstrings run and print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import numpy as np
import pytest

import lamina

NAMES = sorted(
    m.name
    for m in pkgutil.walk_packages(lamina.__path__, "lamina.")
    if not m.name.endswith(("._C", "__main__"))
)


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str) -> None:
    module: ModuleType = importlib.import_module(name)
    names = {"lamina": lamina, "nn": lamina.nn, "F": lamina.nn.functional, "np": np}
    finder, runner = doctest.DocTestFinder(recurse=True), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    lamina.manual_seed(0)
    for test in finder.find(module, name, globs=names):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
