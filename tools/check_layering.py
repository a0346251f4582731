"""Proves that nothing calls upward: the rooms that C++ files include and Python modules import.

    python tools/check_layering.py

C++: bindings -> ops -> kernels -> core, and cpu and cuda include only kernels, core and themselves. Python: what a
module imports when it is loaded lies in its own layer or below; an import inside a function is a call, made when all
layers are there.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOMS = {
    "core": {"core"},
    "kernels": {"kernels", "core"},
    "cpu": {"cpu", "kernels", "core"},
    "cuda": {"cuda", "kernels", "core"},
    "ops": {"ops", "kernels", "core"},
    "bindings": {"bindings", "ops", "kernels", "core"},
}

# From the bottom up; a name stands for the modules below it too, the longest match decides.
LAYERS = (
    ("_C", "dtypes", "devices", "size"),
    (
        "autograd",
        "autograd.grad_mode",
        "autograd.graph",
        "autograd.hooks",
        "autograd.inplace",
        "autograd.watch",
    ),
    ("tensor",),
    ("autograd.checks", "autograd.engine", "autograd.function", "autograd.functional", "autograd.numeric"),
    ("random", "config", "cuda"),
    ("ops",),
    ("",),  # the namespace itself; what follows is loaded when it is first used
    ("nn.functional", "distributions"),
    ("nn",),
    (
        "optim",
        "data",
        "io",
        "models",
        "training",
        "viz",
        "vision",
        "backends",
        "explanation",
        "_summary",
        "__main__",
    ),
    ("amp", "captured"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"/]+)/', re.MULTILINE)


def cpp_problems(csrc: Path) -> Iterator[str]:
    for path in sorted([*csrc.rglob("*.h"), *csrc.rglob("*.cpp"), *csrc.rglob("*.cu")]):
        room = path.relative_to(csrc).parts[0]
        for included in INCLUDE.findall(path.read_text()):
            if included not in ROOMS[room]:
                yield f"{path}: {room} must not include {included}"


def level(module: str) -> int:
    """The layer of a module, named without ``lamina.``."""
    while module not in LEVEL:
        module = module.rpartition(".")[0]
    return LEVEL[module]


def imports(tree: ast.Module) -> Iterator[str]:
    """Modules of lamina imported when the module is loaded, without ``lamina.``; those for type checkers left out."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                pending += node.orelse
            elif isinstance(node, (ast.If, ast.Try, ast.With)):
                pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
            continue
        yield from (name.partition(".")[2] for name in names if name.partition(".")[0] == "lamina")


def python_problems(package: Path) -> Iterator[str]:
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        module = ".".join(parts[:-1] if is_package else parts)
        for imported in imports(ast.parse(path.read_text())):
            inside = (
                is_package and module and imported.startswith(f"{module}.")
            )  # a package gathers what is in it
            if level(imported) > level(module) and not inside:
                yield f"{path}: {module or 'lamina'} must not import {imported or 'lamina'} when it is loaded"


def main(root: Path) -> int:
    problems = [*cpp_problems(root / "csrc"), *python_problems(root / "python" / "lamina")]
    print("\n".join(problems) or "layering: nothing includes or imports upward")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent.parent))
