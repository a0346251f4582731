"""The graph that backward walks: nodes made by ops, edges that say where a gradient goes.

A tensor that needs a gradient has an edge ``(node, index)``: it is output ``index`` of ``node``.  A leaf's node is an
:class:`AccumulateGrad`.  Nodes hold edges and the arrays that their rules need, never tensors: memory that no rule
needs is freed as soon as the forward pass drops it, and a tensor's later life does not change what was recorded.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.recompute import Recomputed, changed_in_place, recipes, recomputed

if TYPE_CHECKING:
    from lamina.tensor import Tensor

Rule = Callable[..., "Tensor | tuple[Tensor | None, ...] | None"]
Edge = tuple["Node", int]
Mark = tuple[
    int, "Edge | int | None"
]  # version and edge of a saved array; the index of an output instead of its edge

_counter = itertools.count(1)


class Node:
    """One recorded operation: its inputs' edges, its outputs' place in the graph, and what its rule needs.

    Attributes:
        rule: ``rule(node, *output_gradients)`` gives a gradient or None for each input.
        edges: for each input its ``(node, index)``, or None where no gradient is wanted.
        order: falls with every node made, so that a heap of orders yields consumers before producers.
        signatures: device, dtype and shape of each output, to which the engine brings gradients.
        hooks: ``(output index, function)`` pairs that run on gradients before the rule.
    """

    __slots__ = ("__weakref__", "_marks", "_values", "edges", "hooks", "order", "rule", "signatures")

    def __init__(
        self, rule: Rule, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor], saved: Sequence[Any]
    ) -> None:
        edges: list[Edge | None] = []
        for t in inputs:
            edges.append((t._edge or leaf_edge(t)) if t is not None and t._requires_grad else None)
        signatures = []
        for index, t in enumerate(outputs):
            signatures.append(t._array.signature)
            t._requires_grad = True
            t._edge = (self, index)
        self.rule = rule
        self.edges: Sequence[Edge | None] = edges
        self.order = -next(_counter)
        self.signatures = signatures
        self.hooks: list[tuple[int, Callable[[Tensor], Tensor | None]]] | None = None
        self._marks: list[Mark | None] | None = None
        if saved:
            self.keep(saved)
        else:
            self._values: Sequence[Any] | None = saved

    def keep(self, saved: Sequence[Any]) -> None:
        """Keeps what the rule needs, tensors as arrays marked with the version and the edge that they have now."""
        values: list[Any] = []
        marks: list[Mark | None] = []
        tensor = None
        for value in saved:
            if not isinstance(value, _tensor_type):
                values.append(value)
                marks.append(None)
                continue
            tensor = value
            edge: Edge | None = value._edge
            if edge is None and value._requires_grad:
                edge = leaf_edge(value)
            array = value._array
            if edge is not None and edge[0].rule in recipes and edge[0] is not self:
                substitute = recomputed(value, edge[0])
                if substitute is not None:
                    values.append(substitute)
                    marks.append((0, edge))
                    continue
            values.append(array)
            # The edge of an output, to this node, would close a reference cycle.
            marks.append((array.version, edge[1] if edge is not None and edge[0] is self else edge))
        self._values = values
        if tensor is not None:
            self._marks = marks

    def needs(self, index: int) -> bool:
        """Whether input ``index`` wants a gradient."""
        return self.edges[index] is not None

    @property
    def saved(self) -> Sequence[Any]:
        """What the op saved, tensors checked against changes in place since."""
        values, marks = self._values, self._marks
        if values is None:
            raise self._freed()
        if marks is None:
            return values
        restored = []
        for value, mark in zip(values, marks):
            if mark is not None:
                version, edge = mark
                if type(value) is Recomputed:
                    value = value.array()
                elif value.version != version:
                    raise changed_in_place(value, version, self.name())
                value = _tensor_type(value)
                if edge is not None:
                    value._requires_grad = True
                    value._edge = (self, edge) if isinstance(edge, int) else edge
            restored.append(value)
        return restored

    def saved_arrays(self) -> list[tuple[_C.Array, int]]:
        """The arrays among what the op saved, each with its version then."""
        return [
            (value, mark[0])
            for value, mark in zip(self._values or (), self._marks or ())
            if mark is not None and type(value) is not Recomputed
        ]

    @property
    def arrays(self) -> Sequence[Any]:
        """As :attr:`saved`, with the arrays of tensors: all that a rule needs while nothing is recorded."""
        values, marks = self._values, self._marks
        if values is None:
            raise self._freed()
        if marks is None:
            return values
        # One or two values, by far the most, are looked at without a loop. Of what is computed again, the version is
        # never equal.
        if len(marks) == 1:
            unchanged = values[0].version == marks[0][0]  # type: ignore[index]
        elif len(marks) == 2:
            first, second = marks
            unchanged = (first is None or values[0].version == first[0]) and (
                second is None or values[1].version == second[0]
            )
        else:
            unchanged = all([m is None or v.version == m[0] for v, m in zip(values, marks)])
        if unchanged:
            return values
        return [x._array if isinstance(x, _tensor_type) else x for x in self.saved]

    def _freed(self) -> RuntimeError:
        return RuntimeError(
            f"[backward] {self.name()} has already run and freed what it saved; "
            "pass retain_graph=True to the first backward to run it twice"
        )

    def saves(self, array: _C.Array) -> bool:
        """Whether the rule needs this very array."""
        return self._marks is not None and any(value is array for value in self._values or ())

    def replace_saved(self, array: _C.Array, replacement: _C.Array) -> None:
        """Makes the rule use ``replacement``, of equal values, for ``array``: how in-place ops keep what they save."""
        if self._marks is None or self._values is None:
            return
        values = list(self._values)
        for k, mark in enumerate(self._marks):
            if mark is not None and values[k] is array:
                values[k] = replacement
                self._marks[k] = (replacement.version, mark[1])
        self._values = values

    def name(self) -> str:
        """The op's name as torch writes it, such as ``MulBackward0``."""
        words = self.rule.__name__.strip("_").removesuffix("_backward").split("_")
        return "".join(word.capitalize() for word in words) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        return tuple((None, 0) if edge is None else edge for edge in self.edges)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds what arrives to the leaf's ``grad``.

    It refers to the leaf weakly: a leaf that nobody holds any more has no ``grad`` that anybody could read.
    """

    __slots__ = ("leaf",)

    def __init__(self, leaf: Tensor) -> None:
        super().__init__(_no_rule, (), (leaf,), ())
        self.order = 0  # the engine serves leaves last
        self.leaf = weakref.ref(leaf)

    def name(self) -> str:
        return "AccumulateGrad"


def _no_rule(node: Node, grad: Tensor) -> None:
    raise AssertionError("the engine accumulates leaves itself")


def leaf_edge(leaf: Tensor) -> Edge:
    """The edge of a leaf, made when it first takes part in a graph."""
    AccumulateGrad(leaf)
    return leaf._edge  # type: ignore[return-value]


def record(output: Tensor, rule: Rule, inputs: Sequence[Tensor | None], saved: Sequence[Any] = ()) -> Tensor:
    """Makes ``output`` the result of a node over ``inputs``; call it only where :func:`tracks` says so."""
    Node(rule, inputs, (output,), saved)
    return output


def record_many(
    outputs: Sequence[Tensor], rule: Rule, inputs: Sequence[Tensor | None], saved: Sequence[Any] = ()
) -> None:
    """As :func:`record` for several outputs; the rule gets a gradient or None for each."""
    Node(rule, inputs, outputs, saved)


def tracks(*inputs: object) -> bool:
    """Whether an op over these inputs must be recorded: recording is on and one of them needs a gradient."""
    if mode.enabled:
        for t in inputs:
            if getattr(t, "_requires_grad", False):
                return True
    return False


_tensor_type: type[Tensor]


def set_tensor_type(tensor: type[Tensor]) -> None:
    """Says what tensors are restored as; called by the module that defines them, which imports this one."""
    global _tensor_type
    _tensor_type = tensor
