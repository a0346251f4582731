"""Saved results that are computed again when backward needs them, from what another node keeps anyway.

A batch normalisation with ReLU keeps its input; the convolution that follows would keep its output as well, as large.
One pass over memory makes the output again, with the same bits: a ResNet's activations shrink by a quarter.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lamina import _C
    from lamina.autograd.graph import Node
    from lamina.tensor import Tensor

LEAST_BYTES = 1 << 20  # smaller results are kept: they are not what fills a memory

Identity = tuple[Any, ...]

# For a rule: the identity that its node's output had when it was made, and how it follows from what the node saved;
# None where it does not.
recipes: dict[Callable[..., Any], Callable[[Node], tuple[Identity, Callable[[], _C.Array]] | None]] = {}


def identity(array: _C.Array) -> Identity:
    """Equal where memory, values and shape are what they were: a tensor may get others outside the graph."""
    return array.storage_birth, array.version, array.signature, array.strides


def changed_in_place(array: _C.Array, version: int, name: str) -> RuntimeError:
    return RuntimeError(
        f"[backward] a tensor of shape {array.shape} that {name} needs was changed in place: saved at version "
        f"{version}, now at {array.version}"
    )


# By the order of the node whose output it is: all who save that output share one.
_shared: weakref.WeakValueDictionary[int, Recomputed] = weakref.WeakValueDictionary()


class Recomputed:
    """Stands for an output among what nodes saved.  As long as somebody else holds the output itself, that is used."""

    version = -1  # no array's
    __slots__ = ("__weakref__", "_array", "_compute", "_identity", "_node_name", "_output", "_sources")

    def __init__(
        self, output: Tensor, made: Identity, compute: Callable[[], _C.Array], producer: Node
    ) -> None:
        self._output = weakref.ref(output)
        self._identity = made
        self._compute = compute
        self._sources = producer.saved_arrays()
        self._node_name = producer.name()
        # Once computed, kept until the last of those who saved it is done.
        self._array: _C.Array | None = None

    def array(self) -> _C.Array:
        output = self._output()
        if output is not None and identity(output._array) == self._identity:
            return output._array
        if self._array is None:
            for source, version in self._sources:
                if source.version != version:
                    raise changed_in_place(source, version, self._node_name)
            self._array = self._compute()
        return self._array


def recomputed(output: Tensor, producer: Node) -> Recomputed | None:
    """What to keep instead of a node's output; None if there is nothing better than the output."""
    array = output._array
    if array.numel * array.itemsize < LEAST_BYTES:
        return None
    recipe = recipes[producer.rule](producer)
    if recipe is None or recipe[0] != identity(array):
        return None
    found = _shared.get(producer.order)
    if found is None:
        _shared[producer.order] = found = Recomputed(output, *recipe, producer)
    return found if found._output() is output else None
