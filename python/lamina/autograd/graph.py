"""The graph that backward walks: nodes made by ops, edges that say where a gradient goes.

A tensor that needs a gradient has an edge ``(node, index)``: it is output ``index`` of ``node``.  A leaf's node is an
:class:`AccumulateGrad`.  Nodes hold edges, never the tensors at the other end, so that memory that no backward rule
needs is freed as soon as the forward pass drops it.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lamina.autograd.grad_mode import mode

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Rule = Callable[..., "Tensor | None | tuple[Tensor | None, ...]"]

_counter = itertools.count(1)


class SavedOutput:
    """An output kept for its own backward: without its edge, which would close a reference cycle."""

    __slots__ = ("array", "index")

    def __init__(self, output: Tensor, index: int) -> None:
        self.array = output._array
        self.index = index


class Node:
    """One recorded operation.

    Attributes:
        rule: ``rule(node, *output_gradients)`` gives a gradient or None for each input.
        edges: for each input its ``(node, index)``, or None where no gradient is wanted.
        order: falls with every node made, so that a heap of orders yields consumers before producers.
        signatures: device, dtype and shape of each output, to which the engine brings gradients.
        hooks: ``(output index, function)`` pairs that run on gradients before the rule.
    """

    __slots__ = ("__weakref__", "_saved", "_versions", "edges", "hooks", "order", "rule", "signatures")

    def __init__(
        self, rule: Rule, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], saved: Sequence[Any]
    ) -> None:
        self.rule = rule
        self.edges = tuple([None if t is None or not t._requires_grad else t._edge or leaf_edge(t) for t in inputs])
        self.order = -next(_counter)
        self.signatures = [t._array.signature for t in outputs]
        self.hooks: list[tuple[int, Callable[[Tensor], Tensor | None]]] | None = None
        kept, versions = [], []
        for value in saved:
            array = getattr(value, "_array", None)
            for index, output in enumerate(outputs):
                if value is output:
                    value = SavedOutput(output, index)
            kept.append(value)
            versions.append(None if array is None else array.version)
        self._saved: list[Any] | None = kept
        self._versions = versions

    def needs(self, index: int) -> bool:
        """Whether input ``index`` wants a gradient."""
        return self.edges[index] is not None

    @property
    def saved(self) -> list[Any]:
        """What the op saved, tensors checked against changes in place since."""
        if self._saved is None:
            raise RuntimeError(
                f"[backward] {self.name} has already run and freed what it saved; "
                "pass retain_graph=True to the first backward to run it twice"
            )
        values = []
        for value, version in zip(self._saved, self._versions):
            if version is not None:
                if type(value) is SavedOutput:
                    value = self._restore(value)
                if value._array.version != version:
                    raise RuntimeError(
                        f"[backward] a tensor of shape {tuple(value.shape)} that {self.name} needs was changed in "
                        f"place: saved at version {version}, now at {value._array.version}"
                    )
            values.append(value)
        return values

    def release(self) -> None:
        """Frees what the op saved."""
        self._saved = None

    def _restore(self, saved: SavedOutput) -> Tensor:
        from lamina.tensor import Tensor

        output = Tensor(saved.array)
        if mode.enabled:
            output._requires_grad = True
            output._edge = (self, saved.index)
        return output

    @property
    def name(self) -> str:
        words = self.rule.__name__.strip("_").removesuffix("_backward").split("_")
        return "".join(word.capitalize() for word in words) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        return tuple((None, 0) if edge is None else edge for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds what arrives to the leaf's ``grad``.

    It refers to the leaf weakly: a leaf that nobody holds any more has no ``grad`` that anybody could read.
    """

    __slots__ = ("leaf",)

    def __init__(self, leaf: Tensor) -> None:
        self.rule = _no_rule
        self.edges = ()
        self.order = next(_counter)  # positive: after every recorded operation
        self.signatures = [leaf._array.signature]
        self.hooks = None
        self._saved, self._versions = [], []
        self.leaf = weakref.ref(leaf)

    def release(self) -> None:
        pass

    @property
    def name(self) -> str:
        return "AccumulateGrad"


def _no_rule(node: Node, grad: Tensor) -> None:
    raise AssertionError("the engine accumulates leaves itself")


def leaf_edge(leaf: Tensor) -> tuple[Node, int]:
    leaf._edge = edge = (AccumulateGrad(leaf), 0)
    return edge


def record(output: Tensor, rule: Rule, inputs: Sequence[Tensor | None], saved: Sequence[Any] = ()) -> Tensor:
    """Makes ``output`` the result of a node over ``inputs``; call it only where :func:`tracks` says so."""
    output._requires_grad = True
    output._edge = (Node(rule, inputs, (output,), saved), 0)
    return output


def record_many(
    outputs: Sequence[Tensor], rule: Rule, inputs: Sequence[Tensor | None], saved: Sequence[Any] = ()
) -> None:
    """As :func:`record` for several outputs; the rule gets a gradient or None for each."""
    node = Node(rule, inputs, outputs, saved)
    for index, output in enumerate(outputs):
        output._requires_grad = True
        output._edge = (node, index)


def tracks(*inputs: object) -> bool:
    """Whether an op over these inputs must be recorded: recording is on and one of them needs a gradient."""
    if mode.enabled:
        for t in inputs:
            if getattr(t, "_requires_grad", False):
                return True
    return False
