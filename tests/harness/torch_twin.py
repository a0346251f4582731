"""The files of ``lamina/models`` run on torch: the same source, with ``torch`` read where it says ``lamina``.

A model uses nothing but torch's names with torch's meaning, so its source is torch's model too.  Built on both, with
one state dict, it gives the same outputs and gradients, or a layer of lamina's differs from torch's.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType

import lamina

PACKAGE = "models_on_torch"
FOLDER = Path(lamina.__path__[0]) / "models"
READ_AS = (
    (r"from lamina\.tensor import", "from torch import"),
    (r"from lamina\b", "from torch"),
    (r"import lamina$", "import torch as lamina"),
)


def rewritten(source: str) -> str:
    for pattern, replacement in READ_AS:
        source = re.sub(f"^{pattern}", replacement, source, flags=re.MULTILINE)
    return source


class _Twins(MetaPathFinder, Loader):
    """Finds ``models_on_torch.<name>``; the package itself is empty, so that only what is asked for is loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        return spec_from_loader(name, self, is_package=name == PACKAGE)

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ != PACKAGE:
            exec(self._code(module.__name__.partition(".")[2]), module.__dict__)

    @staticmethod
    def _code(name: str) -> CodeType:
        path = FOLDER / f"{name}.py"
        return compile(rewritten(path.read_text()), str(path), "exec")


def twin(name: str) -> ModuleType:
    """``lamina.models.<name>`` made of torch's layers."""
    if not any(isinstance(finder, _Twins) for finder in sys.meta_path):
        sys.meta_path.append(_Twins())
    return importlib.import_module(f"{PACKAGE}.{name}")
