"""Writes docs/parity.md: torch's own samples run through lamina, name by name.

Usage: PYTHONPATH=python python tools/parity.py [--show NAME ...]

With --show, prints the differences of the named entries instead.  Fails, and writes nothing, where a difference is not
listed in tests/parity/known.py or a listed one is gone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import torch
from parity import databases, known, table

import lamina

INTRODUCTION = """
# Parity with torch

`tools/parity.py` wrote this page; `tests/test_parity.py` runs all of it. The samples are torch's own: `op_db`,
`module_db` and `optim_db` of `torch.testing._internal`, every sample of every name that lamina offers, on the CPU.

**Values.** Functions in float64, float32 and those of int64, int32, uint8, int8 and bool that torch takes: dtypes,
shapes and values of every result, as a function; in float64 and int64 also as a method, in place and by its other
names. Draws are compared by dtype and shape. Modules are built in both libraries, given torch's state (so that keys
and shapes agree), and run in training and evaluation, in float64 and float32. Optimizers take 20 steps in float64,
alone and with schedules. Tolerance, of the value and of the largest: 1e-9 in float64, 3e-5 in float32; integers
exactly.

**Gradients.** In float64, of every input and parameter that requires one, for random gradients of the outputs, the
forms in place included. **Second** derivatives on the first six samples of a name, where torch has them: the
gradients of the gradients, by the inputs and by what was sent back.

**Errors.** Where torch raises on one of its error samples, lamina raises. torch's RuntimeError is whatever its C++
refused; lamina says which kind: ValueError for a shape or a value, TypeError for a dtype or a Python type, IndexError
for an index or a dimension out of range, NotImplementedError for what it lacks. Where torch raises ValueError,
TypeError or IndexError, lamina raises the same.

**Integer dtypes refused** are those that torch takes here and lamina refuses with TypeError, in every sample: layers
and losses compute in floating point. **Left out** are samples that hold what lamina has nothing of: complex numbers,
sparse layouts, the meta device, `out=`, int16.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", nargs="+", metavar="NAME", choices=databases.names())
    args = parser.parse_args()
    torch.set_num_threads(1)
    lamina.set_num_threads(1)
    tallies = [databases.run(name) for name in args.show or databases.names()]
    unlisted = [d for t in tallies for d in known.unlisted(t)]
    stale = [(t.name, k) for t in tallies for k in known.stale(t)]
    print(table.totals(tallies))
    for d in unlisted:
        print(f"not listed: {d}")
    for name, entry in stale:
        print(f"gone: {name}, {entry.aspect}: {entry.reason}")
    if args.show:
        for d in (d for t in tallies for d in t.differences):
            print(d)
    elif unlisted or stale:
        sys.exit(1)
    else:
        table.PAGE.write_text(table.page(tallies, databases.missing(), INTRODUCTION), encoding="utf-8")


if __name__ == "__main__":
    main()
