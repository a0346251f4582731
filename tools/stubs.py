"""Writes the types that a type checker can't see: those of the compiled module and of Tensor's attached methods.

    python tools/stubs.py           # writes python/lamina/_C.pyi and python/lamina/_methods.pyi
    python tools/stubs.py --check   # fails if they are not what would be written

The first come from pybind11's signatures, the second from the functions that lamina.ops attaches to Tensor.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lamina import _C
from lamina.tensor import Tensor

PACKAGE = Path(__file__).parent.parent / "python" / "lamina"
NOTE = "# Written by tools/stubs.py; do not edit.\n"

# -- the compiled module

TYPES = {
    "typing.SupportsInt | typing.SupportsIndex": "int",
    "typing.SupportsFloat | typing.SupportsIndex": "float",
    "collections.abc.": "",
    "typing.": "",
    "lamina._C.": "",
    "numpy.ndarray": "np.ndarray[Any, Any]",
}
# Arguments that may be None: pybind11 does not say so of pointers.
NULLABLE = {
    ("linear", 2),
    ("conv", 2),
    ("batch_norm", 10),
    ("conv_moments", 2),
    ("conv_fused", 2),
    ("conv_fused", 3),
    ("conv_fused", 6),
    ("conv_transpose", 2),
}
SIGNATURE = re.compile(r"^(?:\d+\. )?\w*\((?P<arguments>.*)\) -> (?P<result>.*)$")


def python_type(text: str, result: bool = False) -> str:
    for theirs, ours in TYPES.items():
        text = text.replace(theirs, ours)
    text = re.sub(r"\bobject\b", "Any", text)
    text = re.sub(
        r"\bdict$",
        "dict[str, Any]",
        re.sub(r"\btuple$", "tuple[Any, ...]", re.sub(r"\blist$", "list[Any]", text)),
    )
    return text.replace("Sequence[int]", "tuple[int, ...]") if result else text


def split(arguments: str) -> list[str]:
    """At the commas outside of brackets."""
    parts, depth = [""], 0
    for c in arguments:
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts if p.strip()]


def signatures(doc: str | None, method: bool, function: str = "") -> Iterator[str]:
    """``(arguments) -> result`` for each overload that a docstring of pybind11 lists."""
    for line in (doc or "").splitlines():
        match = SIGNATURE.match(line.strip())
        if not match or "*args, **kwargs" in line:
            continue
        arguments = []
        for k, argument in enumerate(split(match["arguments"])):
            name, colon, kind = argument.partition(": ")
            kind, equals, _ = kind.partition(" = ")
            if method and k == 0:
                arguments.append("self")
            else:
                kind = python_type(kind)
                if kind == "Generator" or (function, k) in NULLABLE:
                    kind += " | None"
                arguments.append(f"{name}: {kind}{' = ...' if equals else ''}" if colon else name)
        marker = ["/"] if any(a.startswith("arg") for a in arguments) else []
        yield f"({', '.join(arguments + marker)}) -> {python_type(match['result'], result=True)}"


def function_stub(name: str, doc: str | None, indent: str = "", method: bool = False) -> list[str]:
    found = list(signatures(doc, method, name))
    if not found:
        raise ValueError(f"no signature in the docstring of {name}: {doc!r}")
    overload = [f"{indent}@overload"] if len(found) > 1 else []
    return [line for s in found for line in [*overload, f"{indent}def {name}{s}: ..."]]


def class_stub(cls: type) -> list[str]:
    if issubclass(cls, BaseException):
        return [f"class {cls.__name__}({cls.__base__.__name__}): ..."]
    lines = [f"class {cls.__name__}:"]
    for name, member in vars(cls).items():
        if isinstance(member, property) and name != "__doc__":
            result = (
                next(signatures(member.fget.__doc__, True)).partition(" -> ")[2] if member.fget else "Any"
            )
            lines += ["    @property", f"    def {name}(self) -> {result}: ..."]
            if member.fset:
                lines += [f"    @{name}.setter", f"    def {name}(self, value: {result}) -> None: ..."]
        elif inspect.isgetsetdescriptor(member) and not name.startswith("_"):
            result = next(signatures(member.__doc__, True)).partition(" -> ")[2]
            lines += ["    @property", f"    def {name}(self) -> {result}: ..."]
        elif name == "__init__" and "__init__(self" not in (member.__doc__ or ""):  # object's own
            continue
        elif callable(member) and (not name.startswith("_") or name in ("__init__", "__int__", "__eq__")):
            lines += function_stub(name, member.__doc__, "    ", True)
    lines += [f"    {name}: {cls.__name__}" for name in getattr(cls, "__members__", ())]  # of an enumeration
    if cls is _C.Array:  # the buffer protocol, which has no attribute before Python 3.12
        lines.append("    def __buffer__(self, flags: int, /) -> memoryview: ...")
    return lines if len(lines) > 1 else [f"{lines[0]} ..."]


def compiled_module(module: ModuleType) -> str:
    body = []
    for name, member in sorted(vars(module).items()):
        if name.startswith("__"):
            continue
        if isinstance(member, type):
            body += ["", *class_stub(member)]
        elif callable(member):
            body += function_stub(name, member.__doc__)
        else:
            body.append(f"{name}: {python_type(type(member).__name__)}")
    text = "\n".join(body)
    lines = [
        "from collections.abc import Sequence",
        f"from typing import Any{', overload' if '@overload' in text else ''}",
    ]
    if "np." in text:
        lines += ["", "import numpy as np"]
    if re.search(r"\bTensor\b", text):
        lines += ["", "from lamina.tensor import Tensor"]
    return NOTE + "\n".join(lines) + "\n" + text + "\n"


# -- methods of Tensor

INPLACE_OPERATORS = [
    f"__i{name}__" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
]


@functools.cache
def imported(module: str) -> dict[str, tuple[str, str]]:
    """For each name that a module imports, for type checkers alone too: the module and name it comes from."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    return {
        alias.asname or alias.name: (node.module or "", alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def origin(module: str, name: str) -> tuple[str, str]:
    """Where a name that a module uses is defined: a type checker does not follow imports that are not exports."""
    while module.startswith("lamina.") and name in imported(module):
        module, name = imported(module)[name]
    return module, name


class Qualified(ast.NodeTransformer):
    """Names in an annotation as ``module.name``, so that names of several modules can stand in one file."""

    def __init__(self, module: str, modules: set[str]) -> None:
        self.module, self.modules = module, modules

    def visit_Name(self, node: ast.Name) -> ast.AST:
        module, name = origin(self.module, node.id)
        if name == "Tensor":
            return ast.Name(name)
        if name == "np":
            module = name = "numpy"
        elif module == self.module and not hasattr(
            sys.modules[module], name
        ):  # Tensor has methods named float, int
            module = "builtins"
        if module.startswith("lamina."):  # by name: functions of lamina.ops hide modules of the same names
            alias = f"_{module.rpartition('.')[2]}_{name}"
            self.modules.add(f"from {module} import {name} as {alias}")
            return ast.Name(alias)
        self.modules.add(f"import {module}")
        return ast.parse(name if name == module else f"{module}.{name}", mode="eval").body


def annotation(text: Any, function: Callable[..., Any], modules: set[str]) -> str:
    if text is inspect.Parameter.empty:
        return "typing.Any"
    return ast.unparse(Qualified(function.__module__, modules).visit(ast.parse(text, mode="eval")))


def method_stub(name: str, function: Callable[..., Any], modules: set[str]) -> str:
    signature, parts, star = inspect.signature(function), [], False
    for k, p in enumerate(signature.parameters.values()):
        if k == 0:
            parts.append("self")
            continue
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        star = star or p.kind is p.VAR_POSITIONAL
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        default = "" if p.default is p.empty else " = ..."
        parts.append(f"{prefix}{p.name}: {annotation(p.annotation, function, modules)}{default}")
    result = annotation(signature.return_annotation, function, modules)
    return f"    def {name}({', '.join(parts)}) -> {result}: ..."


def attached_methods() -> str:
    modules: set[str] = {"import typing"}
    lines = []
    for name, member in sorted(vars(Tensor).items()):
        function = member.fget if isinstance(member, property) else member
        if not inspect.isfunction(function) or function.__module__ == Tensor.__module__:
            continue
        if name in INPLACE_OPERATORS:  # x += y is checked as x = x + y
            continue
        if isinstance(member, property):
            lines.append("    @property")
        lines.append(method_stub(name, function, modules))
    imports = "".join(f"{line}\n" for line in sorted(modules))
    return (
        f"{NOTE}{imports}\nfrom lamina.tensor import Tensor\n\nclass TensorMethods:\n"
        + "\n".join(lines)
        + "\n"
    )


def main(check: bool) -> int:
    stale = []
    for path, text in (
        (PACKAGE / "_C.pyi", compiled_module(_C)),
        (PACKAGE / "_methods.pyi", attached_methods()),
    ):
        if check and (not path.exists() or path.read_text() != text):
            stale.append(path)
        elif not check:
            path.write_text(text)
    if stale:
        print(f"stale, run tools/stubs.py: {', '.join(str(path) for path in stale)}")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
