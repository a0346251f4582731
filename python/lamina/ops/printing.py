"""repr of tensors, as torch prints them: aligned columns, scientific where magnitudes differ, large ones summarised."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from lamina.dtypes import bfloat16, float32, int64
from lamina.dtypes import bool as bool_
from lamina.ops.creation import get_default_dtype
from lamina.tensor import Tensor

if TYPE_CHECKING:
    import numpy as np

__all__ = ["get_printoptions", "printoptions", "set_printoptions"]


@dataclass
class _Options:
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """How tensors are printed from now on.

    Args:
        precision: digits after the point.
        threshold: how many elements are printed in full; larger tensors show their edges.
        edgeitems: how many items of each dimension's ends those show.
        linewidth: characters a line.
        profile: ``"default"``, ``"short"`` or ``"full"``, which the other arguments then change.
        sci_mode: whether numbers are in scientific notation; None decides by their magnitudes.

    Raises:
        ValueError: for another profile.

    Example:
        >>> lamina.set_printoptions(precision=2)
        >>> lamina.tensor([1.23456])
        tensor([1.23])
        >>> lamina.set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"[set_printoptions] expected a profile of {sorted(_PROFILES)}, got {profile!r}")
    base = _options if profile is None else _PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options = replace(base, **{k: v for k, v in given.items() if v is not None}, sci_mode=sci_mode)  # type: ignore[arg-type]


def get_printoptions() -> dict[str, Any]:
    """The options as :func:`set_printoptions` takes them."""
    return asdict(_options)


@contextlib.contextmanager
def printoptions(**kwargs: Any) -> Iterator[None]:
    """Within the block, other options; arguments as :func:`set_printoptions`."""
    before = get_printoptions()
    set_printoptions(**kwargs)
    try:
        yield
    finally:
        set_printoptions(**before)


class _Style:
    """How the numbers of one tensor are written, all to the same width."""

    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.floating = values.dtype.kind == "f"
        self.whole, self.scientific, self.width = True, False, 1
        if not self.floating:
            self.width = max([len(str(v)) for v in values.ravel().tolist()], default=1)
            return
        import numpy as np

        numbers = values.ravel().astype(np.float64)
        numbers = numbers[np.isfinite(numbers) & (numbers != 0)]
        if numbers.size == 0:
            return
        sizes = np.abs(numbers)
        least, most = float(sizes.min()), float(sizes.max())
        self.whole = bool(np.all(numbers == np.ceil(numbers)))
        wide = most > 1000 * least if least > 0 else True
        self.scientific = (
            wide or most > 1e8 or least < 1e-4 if _options.sci_mode is None else _options.sci_mode
        )
        self.width = max(len(self._plain(v)) for v in numbers.tolist())

    def _plain(self, value: float) -> str:
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{_options.precision}f}"

    def write(self, value: Any) -> str:
        return (self._plain(value) if self.floating else str(value)).rjust(self.width)


def _edges(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The items that a summary shows."""
    import numpy as np

    n = _options.edgeitems
    for axis, size in enumerate(values.shape):
        if size > 2 * n:
            values = np.take(values, [*range(n), *range(size - n, size)], axis)
    return values


def _body(values: np.ndarray[Any, Any], indent: int, summarise: bool, style: _Style) -> str:
    if values.ndim == 0:
        return style.write(values.item())
    n = _options.edgeitems
    cut = summarise and values.shape[0] > 2 * n
    shown = [*values[:n], *values[len(values) - n :]] if cut else list(values)
    if values.ndim == 1:
        items = [style.write(v.item()) for v in shown]
        if cut:
            items.insert(n, " ..." if n else "...")
        per_line = max(1, (_options.linewidth - indent) // (style.width + 2))
        lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    blocks = [_body(v, indent + 1, summarise, style) for v in shown]
    if cut:
        blocks.insert(n, "...")
    return "[" + ("," + "\n" * (values.ndim - 1) + " " * (indent + 1)).join(blocks) + "]"


def _suffixes(x: Tensor) -> list[str]:
    """What is said after the elements."""
    suffixes = []
    if x.device.type != "cpu":
        suffixes.append(f"device='{x.device}'")
    shape, dtype = tuple(x.shape), x.dtype
    empty = 0 in shape
    if (empty and len(shape) != 1) or (not empty and not _options.edgeitems):
        suffixes.append(f"size={shape}")
    if dtype is not get_default_dtype() and (empty or dtype not in (int64, bool_)):
        suffixes.append(f"dtype={dtype}")
    if x.grad_fn is not None:
        suffixes.append(f"grad_fn=<{x.grad_fn.name()}>")
    elif x.requires_grad:
        suffixes.append("requires_grad=True")
    return suffixes


def tensor_repr(x: Tensor) -> str:
    from lamina.nn.parameter import Parameter

    prefix = "tensor(" if type(x) in (Tensor, Parameter) else f"{type(x).__name__}("
    indent = len(prefix)
    detached = x.detach()
    if x.dtype is bfloat16:
        detached = detached.to(float32)
    values = detached.numpy(force=True)
    summarise = values.size > _options.threshold
    style = _Style(_edges(values) if summarise else values)
    text = prefix + (_body(values, indent, summarise, style) if values.size else "[]")
    length = len(text) - text.rfind("\n") + 1  # of the last line
    for suffix in _suffixes(x):
        if length + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            length = indent + len(suffix)
        else:
            text += ", " + suffix
            length += len(suffix) + 2
    return text + ")"
