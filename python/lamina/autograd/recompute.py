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

# For a rule: how its node's output follows from what the node saved; None where it does not.
recipes: dict[Callable[..., Any], Callable[[Node], Callable[[], _C.Array] | None]] = {}


# By the order of the node whose output it is: all who save that output share one.
_shared: weakref.WeakValueDictionary[int, Recomputed] = weakref.WeakValueDictionary()


class Recomputed:
    """Stands for an output among what nodes saved.  As long as somebody else holds the output itself, that is used."""

    version = -1  # no array's
    __slots__ = ("__weakref__", "_array", "_compute", "_node_name", "_output", "_sources", "_version")

    def __init__(self, output: Tensor, compute: Callable[[], _C.Array], producer: Node) -> None:
        self._output = weakref.ref(output)
        self._version = output._array.version
        self._compute = compute
        self._sources = producer.saved_arrays()
        self._node_name = producer.name()
        self._array: _C.Array | None = (
            None  # once computed, kept until the last of those who saved it is done
        )

    def array(self) -> _C.Array:
        output = self._output()
        if output is not None and output._array.version == self._version:
            return output._array
        if self._array is None:
            for source, version in self._sources:
                if source.version != version:
                    raise RuntimeError(
                        f"[backward] a tensor of shape {source.shape} that {self._node_name} needs was changed in "
                        f"place: saved at version {version}, now at {source.version}"
                    )
            self._array = self._compute()
        return self._array


def recomputed(output: Tensor, producer: Node) -> Recomputed | None:
    """What to keep instead of a node's output; None if there is nothing better than the output."""
    array = output._array
    if array.numel * array.itemsize < LEAST_BYTES:
        return None
    found = _shared.get(producer.order)
    if found is not None:
        return found if found._output() is output else None
    compute = recipes[producer.rule](producer)
    if compute is None:
        return None
    _shared[producer.order] = found = Recomputed(output, compute, producer)
    return found
