"""Measures the rows that the project sets itself bars for, against torch, and says which are reached.

    python benchmarks/bars.py [family ...] [--threads 2] [--random 20] [--part 1/3] [--json results.json]
    python benchmarks/bars.py --merge results.json more.json        # one table of what was measured before
    python benchmarks/bars.py --compare two.json one.json avx2.json # ratios in columns: threads, instruction sets

A row is a training pass, forward and both gradients, of one layer at the shape it has in a known network; or it moves
bytes (memory_rows.py), and its rate stands beside that of a plain copy. Timing, layouts and the proof of equal results
are benchmarks/run.py's. `--random` adds convolutions of shapes drawn at random, the family "random", whose bar is 1.
Other instruction sets: LAMINA_MAX_ISA=avx2 ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/bars.py.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "tests")]

import memory_rows  # noqa: E402
from case import Case, Input, Sample, sample  # noqa: E402
from cases import rnn  # noqa: E402
from memory_rows import Record, Row, of_case  # noqa: E402
from timing import machine, show, table  # noqa: E402

import lamina.nn.functional as F  # noqa: E402

CONV = Case("conv2d", F.conv2d, [], None, "nn.functional.conv2d", rtol=1e-4, atol=1e-4)


def conv(n: int, c: int, size: int, k: int, kernel: Any, **options: Any) -> Sample:
    """A convolution of n images of c channels and size x size pixels to k channels, without bias."""
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    groups = options.get("groups", 1)
    return sample(Input((n, c, size, size)), Input((k, c // groups, *kernel)), **options)


def rows() -> Iterator[Row]:
    def convs(bar: float, family: str, **shapes: Sample) -> Iterator[Row]:
        for name, shape in shapes.items():
            yield of_case(family, name.replace("_", " "), bar, CONV, shape)

    def same(*args: int) -> Sample:
        return conv(*args, 3, padding=1)

    yield from convs(2.7, "3x3", **{"64@56 b8": same(8, 64, 56, 64), "64@32 b64": same(64, 64, 32, 64)})
    yield from convs(
        2.4,
        "3x3",
        **{
            "128@28 b8": same(8, 128, 28, 128),
            "128@16 b64": same(64, 128, 16, 128),
            "256@8 b64": same(64, 256, 8, 256),
        },
    )
    yield from convs(
        2.0,
        "3x3",
        **{
            "256@14 b8": same(8, 256, 14, 256),
            "512@7 b8": same(8, 512, 7, 512),
            "512@4 b64": same(64, 512, 4, 512),
        },
    )
    yield from convs(
        1.5,
        "1x1",
        **{
            "64>256@56": conv(8, 64, 56, 256, 1),
            "256>64@56": conv(8, 256, 56, 64, 1),
            "1024>256@14": conv(8, 1024, 14, 256, 1),
            "256>512@56 s2": conv(8, 256, 56, 512, 1, stride=2),
        },
    )
    yield from convs(
        1.5,
        "others",
        **{
            "7x7 s2 3>64@224": conv(4, 3, 224, 64, 7, stride=2, padding=3),
            "3x3 3>64@32": same(64, 3, 32, 64),
            "3x3 s2 128@56": conv(8, 128, 56, 128, 3, stride=2, padding=1),
            "3x3 dilated 256@28": conv(4, 256, 28, 256, 3, padding=2, dilation=2),
            "1x7 192@17": conv(8, 192, 17, 192, (1, 7), padding=(0, 3)),
            "7x1 192@17": conv(8, 192, 17, 192, (7, 1), padding=(3, 0)),
            "3x3 37>53@29": same(8, 37, 29, 53),
            "4x4 256>512@32": conv(2, 256, 32, 512, 4, padding=1),
            "5x5 96>256@27": conv(8, 96, 27, 256, 5, padding=2),
        },
    )
    yield from convs(
        2.5,
        "grouped",
        **{
            "depthwise 3x3 32@112": conv(8, 32, 112, 32, 3, padding=1, groups=32),
            "depthwise 3x3 512@14": conv(8, 512, 14, 512, 3, padding=1, groups=512),
            "depthwise 3x3 s2 64@112": conv(8, 64, 112, 64, 3, stride=2, padding=1, groups=64),
            "32 groups 128@56": conv(8, 128, 56, 128, 3, padding=1, groups=32),
        },
    )
    yield from convs(10, "large", **{"depthwise 7x7 96@56": conv(8, 96, 56, 96, 7, padding=3, groups=96)})
    yield from convs(20, "large", **{"depthwise 31x31 64@56": conv(2, 64, 56, 64, 31, padding=15, groups=64)})
    yield from convs(1.5, "large", **{"dense 11x11 32@56": conv(4, 32, 56, 32, 11, padding=5)})
    yield from convs(
        4,
        "lenet",
        **{"5x5 1>6@28 p2": conv(64, 1, 28, 6, 5, padding=2), "5x5 6>16@14": conv(64, 6, 14, 16, 5)},
    )
    yield from others()
    yield from recurrent()
    yield from memory_rows.rows()


def others() -> Iterator[Row]:
    """Transposed convolution, pooling and normalization."""
    transposed = Case(
        "conv_transpose2d",
        F.conv_transpose2d,
        [],
        None,
        "nn.functional.conv_transpose2d",
        rtol=1e-4,
        atol=1e-4,
    )
    for name, shape in {
        "U-Net 2x2 s2 128>64@28": sample(Input((4, 128, 28, 28)), Input((128, 64, 2, 2)), stride=2),
        "DCGAN 4x4 s2 256>128@16": sample(
            Input((32, 256, 16, 16)), Input((256, 128, 4, 4)), stride=2, padding=1
        ),
    }.items():
        yield of_case("transposed", name, 1.8, transposed, shape)
    pool = Case("max_pool2d", F.max_pool2d, [], None, "nn.functional.max_pool2d")
    image = Input((16, 64, 56, 56), "distinct")
    yield of_case("pool", "max 2x2 64@56", 8, pool, sample(image, 2))
    yield of_case("pool", "max 3x3 s2 64@56", 8, pool, sample(image, 3, 2, 1))
    norm = Case(
        "batch_norm",
        lambda x, weight, bias: F.batch_norm_relu(x, None, None, weight, bias, True),
        [],
        None,
        torch_batch_norm_relu,
        rtol=1e-4,
        atol=1e-4,
    )
    for c, size in ((64, 56), (256, 14), (2048, 7)):
        yield of_case(
            "norm",
            f"batch norm + relu {c}@{size}",
            3,
            norm,
            sample(Input((16, c, size, size)), Input((c,)), Input((c,))),
        )
    layer = Case("layer_norm", F.layer_norm, [], None, "nn.functional.layer_norm", rtol=1e-4, atol=1e-4)
    yield of_case(
        "norm",
        "layer norm 8192x512",
        1.2,
        layer,
        sample(Input((8192, 512)), (512,), Input((512,)), Input((512,))),
    )


def recurrent() -> Iterator[Row]:
    """Recurrent layers, at the shapes of the cases' benchmarks: one sequence, and batches."""
    bars = {"LSTM": 1.8, "GRU": 2.2, "RNN_TANH": 2.0}
    for case in rnn.CASES:
        mode = case.name.partition(".")[2].upper()
        for name, shape in case.benchmarks.items():
            if mode in bars:
                yield of_case("recurrent", f"{mode} {name}", 3 if " N1 " in name else bars[mode], case, shape)


def torch_batch_norm_relu(torch: Any, x: Any, weight: Any, bias: Any) -> Any:
    return torch.relu(torch.nn.functional.batch_norm(x, None, None, weight, bias, True))


def drawn(count: int) -> Iterator[Row]:
    """Convolutions of random shapes: some 0.1 to 2 GFLOP each."""
    rng = random.Random(0)
    while count > 0:
        c, k = (rng.choice((3, 8, 16, 24, 32, 48, 64, 96, 128, 160, 256, 384)) for _ in range(2))
        kernel, stride, n = (
            rng.choice((1, 1, 3, 3, 3, 5)),
            rng.choice((1, 1, 1, 2)),
            rng.choice((1, 4, 16, 32)),
        )
        size = rng.randrange(5, 64)
        gflop = 2e-9 * n * c * k * (size / stride) ** 2 * kernel**2
        if kernel <= size and 0.1 <= gflop <= 2:
            count -= 1
            shape = conv(n, c, size, k, kernel, stride=stride, padding=kernel // 2)
            yield of_case("random", f"{kernel}x{kernel} s{stride} {c}>{k}@{size} b{n}", 1, CONV, shape)


def chosen(options: argparse.Namespace) -> list[Row]:
    """The rows of the families asked for, or of one part of them."""
    every = [*rows(), *drawn(options.random)]
    names = tuple(options.families)
    some = [row for row in every if not names or row.family in names or row.name.startswith(names)]
    part, parts = map(int, options.part.split("/"))
    return some[len(some) * (part - 1) // parts : len(some) * part // parts]


def measured(row: Row, threads: int) -> Record:
    """A row's times, and how its last pass compares."""
    passes = row.measure(threads)
    last = passes[-1]
    return {
        "family": row.family,
        "row": row.name,
        "bar": row.bar,
        "ratio": last["ratio"],
        "lamina": last["lamina"],
        "torch": last["torch"],
        "forward": passes[0]["ratio"] if len(passes) > 1 else None,
        "rate": row.megabytes / 1e3 / last["lamina"] if row.megabytes else None,
    }


def cells(r: Record) -> list[str]:
    return [
        r["family"],
        r["row"],
        show(r["lamina"]),
        show(r["torch"]),
        f"{r['rate']:.1f}" if r["rate"] else "",
        f"{r['forward']:.2f}" if r["forward"] else "",
        f"{r['ratio']:.2f}",
        f"{r['bar']:g}",
        "" if r["ratio"] >= r["bar"] else "missed",
    ]


def summary(records: list[Record]) -> str:
    """The table, and what it comes to; columns that no row has are left out."""
    heads = ["family", "row", "lamina", "torch", "GB/s", "forward", "training", "bar", ""]
    lines = [cells(r) for r in records]
    used = [k for k in range(len(heads)) if any(line[k] for line in lines)]
    ratios = [r["ratio"] for r in records]
    least = min(records, key=lambda r: r["ratio"])
    return "\n".join(
        [
            table([heads[k] for k in used], [[line[k] for k in used] for line in lines]),
            f"geometric mean over {len(ratios)} rows: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}; "
            f"least {least['ratio']:.2f}, of {least['row']}; below 1: {sum(ratio < 1 for ratio in ratios)}",
        ]
    )


def side_by_side(files: list[dict[str, Any]]) -> str:
    """The ratios of runs with other threads or instruction sets, a column each, and what each column comes to."""
    columns = [{(r["family"], r["row"]): r["ratio"] for r in file["records"]} for file in files]
    shared = [row for row in columns[0] if all(row in column for column in columns)]
    heads = [f"{file['machine']['isa']}, threads {file['machine']['threads']}" for file in files]
    lines = [[*row, *(f"{column[row]:.2f}" for column in columns)] for row in shared]
    means = [math.exp(sum(math.log(column[row]) for row in shared) / len(shared)) for column in columns]
    lines.append(["all", f"geometric mean of {len(shared)}", *(f"{mean:.2f}" for mean in means)])
    least = [min(column[row] for row in shared) for column in columns]
    lines.append(["all", "least", *(f"{ratio:.2f}" for ratio in least)])
    below = [sum(column[row] < 0.9 * columns[0][row] for row in shared) for column in columns]
    lines.append(["all", "below 0.9 of the first", *map(str, below)])
    return table(["family", "row", *heads], lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", help="families or beginnings of rows' names; default: all")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--random", type=int, default=0, metavar="COUNT", help="also COUNT random convolutions"
    )
    parser.add_argument("--part", default="1/1", metavar="K/N", help="the K-th of N parts of the rows")
    parser.add_argument("--json", type=Path, help="where to write all times")
    parser.add_argument("--merge", type=Path, nargs="+", help="measure nothing: show what these files hold")
    parser.add_argument(
        "--compare", type=Path, nargs="+", help="measure nothing: these files' ratios in columns"
    )
    options = parser.parse_args()
    if options.compare:
        print(side_by_side([json.loads(path.read_text()) for path in options.compare]))
        return 0

    records: list[Record] = []
    wrong = 0
    if options.merge:
        files = [json.loads(path.read_text()) for path in options.merge]
        where = files[0]["machine"]
        records = [record for file in files for record in file["records"]]
    else:
        where = {**machine(), "threads": options.threads}
        for row in chosen(options):
            try:
                records.append(measured(row, options.threads))
            except AssertionError as error:
                wrong += 1
                print(f"WRONG  {row.family} {row.name}: {error}", file=sys.stderr)
                continue
            print("  ".join(cells(records[-1])), file=sys.stderr, flush=True)
        where["copy"] = f"{memory_rows.copy_rate(options.threads) / 1e9:.1f} GB/s"
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    if records:
        print(summary(records))
    if options.json:
        options.json.write_text(json.dumps({"machine": where, "records": records}, indent=1))
    return min(wrong + sum(r["ratio"] < r["bar"] for r in records), 1)


if __name__ == "__main__":
    sys.exit(main())
