"""Padding."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.creation import shape_of
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["pad"]

_MODES = {
    "constant": _C.PadMode.constant,
    "reflect": _C.PadMode.reflect,
    "replicate": _C.PadMode.replicate,
    "circular": _C.PadMode.circular,
}


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """The input in the middle of a larger tensor.

    Args:
        input: any tensor.
        pad: how many elements before and after the last dimension, then the one before it, and so on; negative ones
            crop.
        mode: what the border shows: ``"constant"``; ``"reflect"``: the input mirrored at its first and last elements;
            ``"replicate"``: those elements; ``"circular"``: the other end.
        value: of a constant border; default: 0.

    Raises:
        ValueError: if the border is larger than what it shows, or pairs are missing.

    Example:
        >>> x = lamina.tensor([1, 2, 3])
        >>> lamina.nn.functional.pad(x, (1, 2)), lamina.nn.functional.pad(x, (1, 2), "reflect")
        (tensor([0, 1, 2, 3, 0, 0]), tensor([2, 1, 2, 3, 2, 1]))
    """
    if not isinstance(input, Tensor):
        expect_tensors("pad", input=input)
    sizes, n = shape_of((pad,), "pad"), input._array.ndim
    if mode not in _MODES:
        raise ValueError(f"[pad] expected mode to be one of {', '.join(_MODES)}, got {mode!r}")
    if len(sizes) % 2 or len(sizes) > 2 * n:
        raise ValueError(f"[pad] expected up to {n} pairs for shape {tuple(input.shape)}, got {sizes}")
    if value and mode != "constant":
        raise ValueError(f"[pad] a value belongs to mode 'constant', got {value} for {mode!r}")
    rest = (0,) * (n - len(sizes) // 2)
    return _padded(input, rest + sizes[-2::-2], rest + sizes[::-2], mode, 0 if value is None else value)


def _padded(x: Tensor, before: Sequence[int], after: Sequence[int], mode: str, value: float) -> Tensor:
    y = Tensor(_C.pad(x._array, before, after, _MODES[mode], value))
    if tracks(x):
        record(y, _pad_backward, (x,), (before, after, mode, x._array.shape))
    return y


def _pad_backward(node: Node, grad: Tensor) -> Tensor:
    before, after, mode, shape = node.saved
    if mode == "constant":
        return _padded(grad, [-b for b in before], [-a for a in after], mode, 0)
    y = Tensor(_C.pad_backward(grad._array, before, after, _MODES[mode], shape))
    if tracks(grad):
        record(y, _pad_adjoint_backward, (grad,), (before, after, mode))
    return y


def _pad_adjoint_backward(node: Node, grad: Tensor) -> Tensor:
    before, after, mode = node.saved
    return _padded(grad, before, after, mode, 0)
