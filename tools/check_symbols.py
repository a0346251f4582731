"""Proves that code built for one instruction set can't be linked into another's place.

    python tools/check_symbols.py build/dev

Every file of csrc/cpu is compiled once per instruction set. A weak symbol (an inline function, a template) that two of
these objects share would be merged by the linker, which may keep the copy built for AVX-512 for everybody. So every
symbol that such an object defines for others must lie in lamina::cpu::<its instruction set>; and no object outside the
rooms for AVX2 and AVX-512 may hold their instructions.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOM = re.compile(r"lamina_cpu_(\w+)\.dir")
# What the compiler itself refers to: not code.
COMPILER_DATA = ("DW.ref.__gxx_personality_v0",)


def objects(build: Path) -> Iterator[tuple[Path, str | None]]:
    """Every object file with the instruction set of its room, None for the rest of the library."""
    for path in sorted(build.rglob("*.o")):
        if "CMakeFiles" in path.parts and "CompilerIdCXX" not in path.parts:
            room = ROOM.search(str(path))
            yield path, room.group(1) if room else None


def foreign_symbols(path: Path, isa: str) -> list[str]:
    """Symbols that the object offers to the linker from outside the namespace of its instruction set."""
    listing = subprocess.run(
        ["nm", "-C", "--defined-only", str(path)], capture_output=True, text=True, check=True
    )
    found = []
    for line in listing.stdout.splitlines():
        _, kind, name = line.split(" ", 2)
        if kind in "WVuTDBRC" and f"lamina::cpu::{isa}::" not in name and name not in COMPILER_DATA:
            found.append(f"{kind} {name}")
    return found


def wide_instructions(path: Path) -> str | None:
    """The first VEX or EVEX instruction of an object that must run on every processor."""
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", str(path)], capture_output=True, text=True, check=True
    )
    match = re.search(r"^\s*[0-9a-f]+:\s+(v[a-z0-9]+\s.*%[xyz]mm.*)$", listing.stdout, re.MULTILINE)
    return match.group(1) if match else None


def main(build: Path) -> int:
    problems, rooms, count = [], set(), 0
    for path, isa in objects(build):
        count += 1
        if isa is not None:
            rooms.add(isa)
            problems += [
                f"{path}: {symbol} is not in lamina::cpu::{isa}" for symbol in foreign_symbols(path, isa)
            ]
        if isa in (None, "baseline") and (instruction := wide_instructions(path)):
            problems.append(f"{path}: holds {instruction!r}, which not every processor has")
    if "baseline" not in rooms:
        problems.append(f"{build}: expected the objects of a build, found {count} files of {sorted(rooms)}")
    print(
        "\n".join(problems)
        or f"symbols: {count} objects, rooms {', '.join(sorted(rooms))}: each keeps to its own"
    )
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
