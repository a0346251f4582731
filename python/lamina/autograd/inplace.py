"""Writes in place, in the graph.

A tensor that is written to changes its place in the graph: its edge becomes that of the op whose values it took.  If it
is a view, its base is from then on the result of "base with this region replaced"; and every other view of the base
shows a part of that new base.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node, record

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Geometry = tuple[tuple[int, ...], tuple[int, ...], int]  # shape, strides, offset


def add_view(base: Tensor, view: Tensor) -> None:
    """Remembers, weakly, that ``view`` shows the memory of ``base``."""
    if base._views is None:
        base._views = []
    views = base._views
    views.append(weakref.ref(view))
    if (
        len(views) >= 16 and len(views) & (len(views) - 1) == 0
    ):  # at each power of two: drop those that are gone
        views[:] = [ref for ref in views if ref() is not None]


def must_record(tensor: Tensor, op: str, others: tuple[object, ...]) -> bool:
    """Whether a write in place of ``others`` into ``tensor`` must be recorded; raises where none is allowed."""
    if not mode.enabled:
        return False
    if tensor._requires_grad and tensor.is_leaf:
        raise RuntimeError(
            f"[{op}] a leaf that requires a gradient can't be changed in place; use no_grad() to update it"
        )
    base = tensor._base
    if base is not None and base._requires_grad:
        if base.is_leaf:
            raise RuntimeError(
                f"[{op}] a view of a leaf that requires a gradient can't be changed in place; use no_grad()"
            )
        if not tensor._requires_grad:
            raise RuntimeError(
                f"[{op}] a view that was made while nothing was recorded can't be changed in place where it is; "
                "make the view again outside of no_grad()"
            )
    return tensor._requires_grad or any(getattr(t, "_requires_grad", False) for t in others)


def become(tensor: Tensor, result: Tensor) -> Tensor:
    """Ends a recorded write in place: ``tensor`` takes over the values and the place in the graph of ``result``."""
    if tensor.dtype.is_floating_point < result.dtype.is_floating_point:
        raise RuntimeError(f"[in place] a result of {result.dtype} can't be written to {tensor.dtype}")
    if result._edge is None:
        record(result, _constant_backward, (tensor,))
    assert result._edge is not None
    node, source, target = result._edge[0], result._array, tensor._array
    if node.saves(target):  # the rule needs the values that are about to go
        node.replace_saved(target, _C.clone(target))
    _C.copy_to(target, source)
    node.replace_saved(source, target)  # equal values: no need for both
    take_place(tensor, result)
    return tensor


def take_place(tensor: Tensor, result: Tensor) -> None:
    """Gives ``tensor``, which has the values of ``result`` by now, its place in the graph."""
    base = tensor._base
    if base is None:
        move(tensor, result)
        _follow(tensor, except_for=None)
        return
    if not base._array.is_dense():
        raise RuntimeError(
            "[in place] a view of a tensor with gaps in memory can't be written to while recording"
        )
    saved = (_geometry(base), _geometry(tensor))
    move(base, record(base.detach(), _replace_region_backward, (base, result), saved))
    move(tensor, result)
    _follow(base, except_for=tensor)


def move(tensor: Tensor, place: Tensor) -> None:
    """Gives ``tensor`` the place in the graph that ``place`` has; a kept gradient goes along."""
    keeper = tensor._keeper
    tensor._requires_grad, tensor._edge = True, place._edge
    if keeper is not None:
        keeper.remove()
        tensor._keeper = None
        tensor.retain_grad()


def _follow(base: Tensor, except_for: Tensor | None) -> None:
    """Makes the other views of ``base``, whose values have changed too, views of what it has become."""
    from lamina.ops.strided import as_strided

    for ref in list(base._views or ()):
        view = ref()
        if view is not None and view is not except_for and view.dtype is base.dtype:
            move(view, as_strided(base, *_geometry(view)))


def _geometry(tensor: Tensor) -> Geometry:
    array = tensor._array
    return array.shape, array.strides, array.offset


def _constant_backward(node: Node, grad: Tensor) -> None:
    return None


def _replace_region_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """The base's gradient without the region that was written, and that region, for what was written there."""
    (shape, strides, offset), (region_shape, region_strides, region_offset) = node.saved
    whole = _in_memory_order(grad, shape, strides)
    region = whole.as_strided(region_shape, region_strides, region_offset - offset + whole.storage_offset())
    written = region.clone()
    if node.needs(0):
        region.zero_()
    return whole if node.needs(0) else None, written


def _in_memory_order(x: Tensor, shape: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """A copy of ``x`` with dimensions in the order in memory that dense ``strides`` have."""
    from lamina.ops.convert import contiguous_format

    order = sorted(range(len(shape)), key=lambda d: (-strides[d], shape[d] == 1))
    inverse = sorted(range(len(shape)), key=order.__getitem__)
    return x.permute(order).clone(memory_format=contiguous_format).permute(inverse)
