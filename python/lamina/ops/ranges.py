"""Tensors of regular values.  NumPy computes them: they are made once, not in a network's steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lamina import _C
from lamina.dtypes import dtype, int64
from lamina.ops.creation import get_default_dtype
from lamina.tensor import Tensor

if TYPE_CHECKING:
    import numpy as np

__all__ = ["arange", "eye", "linspace", "logspace", "meshgrid", "scalar_tensor"]

Number = bool | int | float


def arange(
    start: Number,
    end: Number | None = None,
    step: Number = 1,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``start``, ``start + step``, ... up to below ``end``.

    Args:
        start: the first value; alone it is ``end`` and 0 comes first.
        end: where to stop.
        step: the distance.
        dtype: default: int64 for integers, else the default dtype.
        device: default: the CPU.
        requires_grad: whether backward gives it a gradient.

    Raises:
        ValueError: if ``step`` is 0 or leads away from ``end``, or a bound is not finite.

    Example:
        >>> lamina.arange(1, 7, 2)
        tensor([1, 3, 5])
    """
    import numpy as np

    if end is None:
        start, end = 0, start
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if step == 0 or not all(map(math.isfinite, (start, end, step))) or (end - start) / step < 0:
        raise ValueError(
            f"[arange] expected finite bounds and a step that leads to the end, got {start}, {end}, {step}"
        )
    whole = all(isinstance(x, int) for x in (start, end, step))
    if dtype is None:
        dtype = int64 if whole else get_default_dtype()
    count = math.ceil((end - start) / step)
    if not whole and not dtype.is_floating_point:  # torch steps in the integers
        if dtype is int64 and int(step):
            count = max(math.ceil((int(end) - int(start)) / int(step)), 0)
        start, step, whole = int(start), int(step), True
    values: Any = np.arange(count, dtype=np.int64 if whole else np.float64)
    values = start + step * values
    return _made(values, dtype, device, requires_grad)


def linspace(
    start: float | Tensor,
    end: float | Tensor,
    steps: int,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``steps`` values from ``start`` to ``end``, both included, at equal distances.

    Args:
        start: the first value, a number or a 0-d tensor; truncated where ``dtype`` is of integers.
        end: the last value, likewise.
        steps: how many.
        dtype: default: the default dtype.
        device: default: the CPU.
        requires_grad: whether backward gives it a gradient.

    Example:
        >>> lamina.linspace(0, 1, 3)
        tensor([0.0000, 0.5000, 1.0000])
    """
    dtype = dtype or get_default_dtype()
    return _made(_evenly("linspace", start, end, steps, dtype), dtype, device, requires_grad)


def logspace(
    start: float | Tensor,
    end: float | Tensor,
    steps: int,
    base: float = 10.0,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """``base`` to the powers of :func:`linspace`."""
    import numpy as np

    dtype = dtype or get_default_dtype()
    values = np.power(float(base), _evenly("logspace", start, end, steps, dtype))
    return _made(values, dtype, device, requires_grad)


def _evenly(op: str, start: float | Tensor, end: float | Tensor, steps: int, dtype: dtype) -> Any:
    """What linspace gives, in float64, between ends that ``dtype`` holds."""
    import numpy as np

    if steps < 0:
        raise ValueError(f"[{op}] expected steps of at least 0, got {steps}")
    ends: list[Any] = []
    for x in (start, end):
        if isinstance(x, Tensor) and x.ndim:
            raise ValueError(
                f"[{op}] expected numbers or 0-d tensors for the ends, got shape {tuple(x.shape)}"
            )
        number = x.item() if isinstance(x, Tensor) else x
        ends.append(number if dtype.is_floating_point else int(number))
    return np.linspace(ends[0], ends[1], steps, dtype=np.float64)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The identity matrix of ``n`` rows and ``m`` columns (default ``n``).

    Example:
        >>> lamina.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    import numpy as np

    if n < 0 or (m is not None and m < 0):
        raise ValueError(f"[eye] expected sizes of at least 0, got {n} and {m}")
    return _made(np.eye(n, m), dtype or get_default_dtype(), device, requires_grad)


def scalar_tensor(
    s: Number, *, dtype: dtype | None = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A 0-d tensor of one number, of the default dtype unless given."""
    import numpy as np

    return _made(np.asarray(s), dtype or get_default_dtype(), device, requires_grad)


def meshgrid(*tensors: Tensor | list[Tensor], indexing: str = "ij") -> tuple[Tensor, ...]:
    """The coordinates of a grid over 1-d tensors, one tensor an axis.

    Args:
        tensors: the coordinates along each axis.
        indexing: ``"ij"``, or ``"xy"`` with the first two axes exchanged.
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"[meshgrid] expected indexing 'ij' or 'xy', got {indexing!r}")
    listed: Any = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    axes: list[Tensor] = list(listed)
    for t in axes:
        if t.ndim > 1:
            raise ValueError(f"[meshgrid] expected 1-d tensors, got shape {tuple(t.shape)}")
    swapped = indexing == "xy" and len(axes) > 1
    shape = [t.numel() for t in axes]
    grids = [
        t.reshape([-1 if d == i else 1 for d in range(len(axes))]).expand(shape) for i, t in enumerate(axes)
    ]
    return tuple(g.transpose(0, 1) if swapped else g for g in grids)


def _made(values: np.ndarray[Any, Any], dtype: dtype, device: Any, requires_grad: bool) -> Tensor:
    array = _C.from_numpy(values)
    same = array.dtype == dtype.code
    result = Tensor(_C.clone(array) if same else _C.cast(array, dtype.code)).to(device=device)
    return result.requires_grad_() if requires_grad else result
