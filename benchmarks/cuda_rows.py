"""What benchmarks/cuda.py times, the most important first: one row an op and pass, the same call in both libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

Call = Callable[..., Any]  # of a library and tensors


@dataclass(frozen=True)
class Row:
    """An op: how to make its inputs, the call, and the bytes or FLOPs that bound it.

    Attributes:
        shapes: of the inputs, drawn from a normal distribution.
        gradient_of: which input ``call``'s result is differentiated for; None times the call itself.
        goal: torch's time over lamina's that issue 4 asks for at first.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    call: Call
    dtype: str = "float32"
    gradient_of: int | None = None
    bytes: float = 0
    flops: float = 0
    goal: float | None = None
    tf32: bool = False

    @property
    def tolerance(self) -> float:
        """Of the largest difference from torch's result, as a part of its largest value."""
        return {"bfloat16": 2e-2, "float16": 4e-3}.get(self.dtype, 2e-3 if self.tf32 else 1e-4)


def conv(stride: int = 1, padding: int = 0, groups: int = 1) -> Call:
    return lambda m, x, w: m.nn.functional.conv2d(x, w, stride=stride, padding=padding, groups=groups)


def conv_rows(
    name: str, x: tuple[int, ...], w: tuple[int, ...], goals: tuple[float, float, float], **options: Any
) -> Iterator[Row]:
    """The three passes of a convolution."""
    stride, padding, groups = (options.get(k, d) for k, d in (("stride", 1), ("padding", 0), ("groups", 1)))
    dtype, tf32 = options.get("dtype", "bfloat16"), options.get("tf32", False)
    height, width = ((s + 2 * padding - k) // stride + 1 for s, k in zip(x[2:], w[2:]))
    outputs = x[0] * w[0] * height * width
    size = 2 if dtype in ("bfloat16", "float16") else 4
    work = {"flops": 2.0 * outputs * prod(w[1:])}
    if groups > 1 or w[2:] == (1, 1):
        work["bytes"] = float(size * (prod(x) + prod(w) + outputs))
    for label, gradient_of, goal in zip(("fprop", "dgrad", "wgrad"), (None, 0, 1), goals):
        call = conv(stride, padding, groups)
        yield Row(f"{name} {label}", (x, w), call, dtype, gradient_of, goal=goal, tf32=tf32, **work)


def rows(quick: bool) -> Iterator[Row]:
    """All rows; ``quick``: with few images, channels and elements, to try the script."""
    n, c = (1, 8) if quick else (32, 64)
    image = 8 if quick else 56
    first = (0.55, 0.5, 0.45)
    for times in (2, 4, 8, 1):
        k, s = c * times, max(image // times, 4)
        goals = first if times > 1 else (0.9, 0.9, 0.9)
        yield from conv_rows(f"conv 3x3 {k}@{s}", (n, k, s, s), (k, k, 3, 3), goals, padding=1)
    for i, o, s in ((c, 4 * c, image), (4 * c, c, image), (16 * c, 4 * c, max(image // 4, 4))):
        yield from conv_rows(f"conv 1x1 {i}-{o}@{s}", (n, i, s, s), (o, i, 1, 1), (1, 1, 1))
    wide = 2 * image
    options = {"padding": 1, "groups": c}
    yield from conv_rows(f"depthwise 3x3 {c}@{wide}", (n, c, wide, wide), (c, 1, 3, 3), (1.5,) * 3, **options)
    stem = ((n, 3, 4 * image, 4 * image), (c, 3, 7, 7))
    yield from conv_rows("stem 7x7", *stem, (0.9, 0.9, 0.9), stride=2, padding=3)
    x, w = (n, 2 * c, image // 2, image // 2), (2 * c, 2 * c, 3, 3)
    yield from conv_rows("float32 conv 3x3", x, w, (0.8,) * 3, padding=1, dtype="float32")
    yield from conv_rows("tf32 conv 3x3", x, w, (0.8,) * 3, padding=1, dtype="float32", tf32=True)
    yield from memory_rows(quick)


def memory_rows(quick: bool) -> Iterator[Row]:
    """Normalisation, pooling and what runs at the speed of memory; products last."""
    n, c, s = (2, 8, 8) if quick else (32, 256, 56)
    pixels = (n, c, s, s)
    count = prod(pixels)

    def normalise(m: Any, x: Any, weight: Any, bias: Any) -> Any:
        return m.relu(m.nn.functional.batch_norm(x, None, None, weight, bias, training=True))

    inputs = (pixels, (c,), (c,))
    yield Row("batch norm + relu", inputs, normalise, "bfloat16", None, 6 * count, goal=1.1)
    yield Row("batch norm + relu dx", inputs, normalise, "bfloat16", 0, 10 * count, goal=1.1)

    def pool(m: Any, x: Any) -> Any:
        return m.nn.functional.max_pool2d(x, 3, stride=2, padding=1)

    yield Row("max pool", (pixels,), pool, "bfloat16", None, 2.5 * count, goal=1.3)
    yield Row("max pool dx", (pixels,), pool, "bfloat16", 0, 2.75 * count, goal=1.3)
    many = 1 << (12 if quick else 26)
    table = (8192 >> (5 if quick else 0), 1000)
    side = 64 if quick else 4096
    yield Row("add", ((many,), (many,)), lambda m, a, b: a + b, bytes=12 * many)
    yield Row("gelu", ((many,),), lambda m, a: m.nn.functional.gelu(a), bytes=8 * many)
    yield Row("sum of rows", ((many // 64, 64),), lambda m, a: a.sum(1), bytes=4 * many)
    yield Row("sum of columns", ((many // 64, 64),), lambda m, a: a.sum(0), bytes=4 * many)
    yield Row("softmax", (table,), lambda m, a: m.softmax(a, 1), bytes=8 * prod(table))
    square = ((side, side), (side, side))
    for dtype in ("bfloat16", "float32"):
        yield Row(f"matmul {dtype}", square, lambda m, a, b: a @ b, dtype, flops=2 * side**3)
