"""Backward: gradients flow from outputs to leaves, each node once, in the reverse of the order of recording."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import AccumulateGrad, Edge, Node, leaf_edge
from lamina.autograd.watch import now
from lamina.dtypes import BY_CODE
from lamina.tensor import Tensor


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds the gradients of ``tensors`` to the ``grad`` of the leaves they depend on.

    Args:
        tensors: where to start.
        grad_tensors: the gradient of each start, of its shape; may be omitted for tensors of one element.
        retain_graph: keep what ops saved, so that the graph can be walked again; default: as ``create_graph``.
        create_graph: record the backward pass too, for higher derivatives.
        inputs: accumulate into these tensors only; default: all leaves.

    Raises:
        RuntimeError: if a start needs no gradient or has several elements and no gradient, or if the graph was freed
            or a saved tensor changed in place.

    Example:
        >>> x = lamina.tensor([1.0, 2.0], requires_grad=True)
        >>> lamina.autograd.backward((x * x).sum())
        >>> x.grad
        tensor([2., 4.])
    """
    roots, grads = _starts(tensors, grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        _run(roots, grads, retain, create_graph, None)
        return
    wanted = _listed(inputs)
    if not wanted:
        raise RuntimeError("[backward] expected at least one tensor in inputs, got none")
    found = _run(roots, grads, retain, create_graph, [_edge(t, "backward") for t in wanted])
    if now.watch is not None:
        now.watch.leaves += [weakref.ref(t) for t in wanted]
    clock = _C.storage_clock()  # other edges may lead to the same memory: take copies
    for t, g in zip(wanted, found):
        if g is not None:
            _accumulate(t, g, create_graph, clock)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, leaving every ``grad`` as it is.

    Args:
        outputs: where to start.
        inputs: tensors that need gradients, leaves or not.
        grad_outputs: the gradient of each output; may be omitted for tensors of one element.
        retain_graph: keep the graph for another walk; default: as ``create_graph``.
        create_graph: record the backward pass, so that the result can be differentiated.
        allow_unused: give None for an input that the outputs don't depend on, instead of raising.
        materialize_grads: give zeros instead of None.

    Returns:
        One gradient an input.

    Example:
        >>> x = lamina.tensor(3.0, requires_grad=True)
        >>> (g,) = lamina.autograd.grad(x**3, x, create_graph=True)
        >>> lamina.autograd.grad(g, x)
        (tensor(18.),)
    """
    from lamina.ops.creation import zeros_like

    roots, grads = _starts(outputs, grad_outputs)
    wanted = _listed(inputs)
    retain = create_graph if retain_graph is None else retain_graph
    found = _run(roots, grads, retain, create_graph, [_edge(t, "grad") for t in wanted])
    result: list[Tensor | None] = []
    for position, (t, g) in enumerate(zip(wanted, found)):
        if g is None and materialize_grads:
            g = zeros_like(t)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"[grad] the outputs do not depend on input {position}; pass allow_unused=True to get None for it"
            )
        result.append(g)
    return tuple(result)


def _listed(tensors: Tensor | Sequence[Tensor]) -> list[Tensor]:
    listed = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for t in listed:
        if not isinstance(t, Tensor):
            raise TypeError(f"[backward] expected tensors, got {type(t).__name__}")
    return listed


def _edge(t: Tensor, op: str) -> Edge:
    if not t._requires_grad:
        raise RuntimeError(f"[{op}] a tensor of shape {tuple(t.shape)} does not require a gradient")
    return t._edge or leaf_edge(t)


def _starts(
    tensors: Tensor | Sequence[Tensor], grads: Tensor | Sequence[Tensor | None] | None
) -> tuple[list[Edge], list[Tensor]]:
    listed = _listed(tensors)
    given: list[Tensor | None]
    if grads is None:
        given = [None] * len(listed)
    else:
        given = [grads] if isinstance(grads, Tensor) else list(grads)
    if len(given) != len(listed):
        raise RuntimeError(f"[backward] expected {len(listed)} gradients, one a start, got {len(given)}")
    edges, starts = [], []
    for t, g in zip(listed, given):
        edges.append(_edge(t, "backward"))
        if g is None:
            if t._array.numel != 1:
                raise RuntimeError(
                    f"[backward] a gradient can be left out only for one element, got shape {tuple(t.shape)}"
                )
            g = Tensor(_C.empty_like(t._array, t._array.dtype))
            _C.fill(g._array, 1)
        elif not isinstance(g, Tensor):
            raise TypeError(f"[backward] expected a tensor as gradient, got {type(g).__name__}")
        elif g._array.shape != t._array.shape:
            raise RuntimeError(
                f"[backward] expected a gradient of shape {tuple(t.shape)}, got {tuple(g.shape)}"
            )
        starts.append(g)
    return edges, starts


def _run(
    roots: Sequence[Edge],
    grads: Sequence[Tensor],
    retain_graph: bool,
    create_graph: bool,
    wanted: Sequence[Edge] | None,
) -> list[Tensor | None]:
    """Walks the graph.  With ``wanted``, returns those gradients and touches no leaf; without, accumulates leaves."""
    clock = _C.storage_clock()
    useful = None if wanted is None else _nodes_towards(roots, wanted)
    found: dict[Edge, Tensor | None] = {} if wanted is None else dict.fromkeys(wanted)
    waiting: dict[int, tuple[Node, list[Tensor | None]]] = {}  # by order: what has arrived for each output
    heap: list[int] = []  # the orders in `waiting`
    leaves: dict[
        Node, Tensor
    ] = {}  # served last, so that no rule runs after a leaf took over a gradient's memory
    summed: set[Edge] = (
        set()
    )  # where the gathered gradient is a sum made here, to which more may be added in place
    edges: Sequence[Edge | None] = roots
    result: Any = grads
    gathered: list[Tensor | None] = []
    previous, mode.enabled = mode.enabled, create_graph
    casts, casting.on = casting.on, False  # rules compute in the dtypes that forward chose
    try:
        while True:
            for edge, grad in zip(edges, result):
                if edge is None or grad is None:
                    continue
                node, index = edge
                if useful is not None and node not in useful:
                    continue
                if grad._array.signature != node.signatures[index]:
                    grad = _fit(grad, node, index)
                order = node.order
                if type(node) is AccumulateGrad:
                    present = leaves.get(node)
                    leaves[node] = grad if present is None else _add(present, grad, edge, summed)
                elif order in waiting:
                    gathered = waiting[order][1]
                    present = gathered[index]
                    gathered[index] = grad if present is None else _add(present, grad, edge, summed)
                else:
                    gathered = [None] * len(node.signatures)
                    gathered[index] = grad
                    waiting[order] = (node, gathered)
                    heappush(heap, order)
            if not heap:
                break
            node, gathered = waiting.pop(heappop(heap))
            if node.hooks is not None:
                _run_hooks(node, gathered)
            if useful is None:
                result = node.rule(node, *gathered)
            else:
                result = _run_pruned(node, gathered, useful, found)
                if result is _NOT_RUN:
                    edges = result = ()
                    continue
            if not retain_graph and node._marks is not None:  # frees the arrays that the op saved
                node._values = node._marks = None
            edges = node.edges
            if type(result) is not tuple:
                result = (result,)
            if len(result) != len(edges):
                raise RuntimeError(
                    f"[backward] expected {len(edges)} gradients from {node.name()}, got {len(result)}"
                )
        watch = now.watch
        if watch is not None:
            watch.roots += [node for node, _ in roots]
            if useful is None:
                watch.leaves += [end.leaf for end in leaves if isinstance(end, AccumulateGrad)]
        for end, grad in leaves.items():
            if end.hooks is not None:
                grad = _run_hooks(end, [grad])[0]
            if useful is not None:
                found[end, 0] = grad
            elif isinstance(end, AccumulateGrad) and (leaf := end.leaf()) is not None:
                _accumulate(leaf, grad, create_graph, clock)
    finally:
        mode.enabled = previous
        casting.on = casts
    return [] if wanted is None else [found[edge] for edge in wanted]


def _fit(grad: Tensor, node: Node, index: int) -> Tensor:
    """Brings a gradient to the shape and dtype of the tensor it is for: rules need not undo broadcasting."""
    have, want = grad._array.signature, node.signatures[index]
    if have[0] != want[0]:
        raise RuntimeError(f"[backward] a gradient for {node.name()} is on another device than its tensor")
    shape = want[2:]
    if have[2:] != shape:
        try:
            grad = grad.sum_to_size(shape)
        except ValueError:
            raise RuntimeError(
                f"[backward] expected a gradient of shape {shape} for {node.name()}, got {have[2:]}"
            ) from None
    if have[1] != want[1]:
        grad = grad.to(BY_CODE[want[1]])
    return grad


def _run_pruned(
    node: Node, gathered: list[Tensor | None], useful: set[Node], found: dict[Edge, Tensor | None]
) -> Any:
    """Notes what is wanted of the gradients that arrived; runs the rule for inputs that lead on to wanted edges."""
    for index, grad in enumerate(gathered):
        if (node, index) in found:
            found[node, index] = grad
    edges = node.edges
    pruned = [edge if edge is not None and edge[0] in useful else None for edge in edges]
    if not any(pruned):
        return _NOT_RUN
    node.edges = pruned  # what node.needs tells the rule
    try:
        return node.rule(node, *gathered)
    finally:
        node.edges = edges


_NOT_RUN = object()


def _nodes_towards(roots: Sequence[Edge], wanted: Sequence[Edge]) -> set[Node]:
    """The nodes from which a wanted edge can be reached, the wanted ones included."""
    reached: set[Node] = set()
    stack = [node for node, _ in roots]
    while stack:
        node = stack.pop()
        if node not in reached:
            reached.add(node)
            stack.extend([edge[0] for edge in node.edges if edge is not None])
    useful = {node for node, _ in wanted}
    for node in sorted(reached, key=lambda n: n.order, reverse=True):  # producers before consumers
        if any(edge is not None and edge[0] in useful for edge in node.edges):
            useful.add(node)
    return useful


def _add(present: Tensor, grad: Tensor, edge: Edge, summed: set[Edge]) -> Tensor:
    """The sum of two gradients for one edge; in place from the second sum on."""
    if mode.enabled:
        return present + grad
    if edge in summed:
        _C.add_out(present._array, grad._array, present._array)
        return present
    summed.add(edge)
    return Tensor(_C.add(present._array, grad._array))


def _run_hooks(node: Node, gathered: list[Tensor | None]) -> list[Tensor | None]:
    for index, hook in tuple(node.hooks or ()):
        grad = gathered[index]
        if grad is None:
            continue
        # A handle of its own, so that memory that a hook keeps is seen to be shared.
        replaced = hook(grad if mode.enabled else Tensor(grad._array.alias()))
        if replaced is None:
            continue
        if not isinstance(replaced, Tensor) or replaced._array.signature != node.signatures[index]:
            raise RuntimeError(
                f"[backward] a hook on {node.name()} must return a gradient of the shape, dtype and device that it "
                f"got, {tuple(grad.shape)} {grad.dtype}, or None; got {_describe(replaced)}"
            )
        gathered[index] = replaced
    return gathered


def _describe(x: object) -> str:
    return f"{tuple(x.shape)} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__


def _accumulate(leaf: Tensor, grad: Tensor, create_graph: bool, clock: int) -> None:
    with _accumulating:  # leaves may be shared by threads whose graphs are not
        present = leaf._grad
        if create_graph:
            leaf._grad = grad.clone() if present is None else present + grad
        elif present is not None:
            _C.add_out(present._array, grad._array, present._array)
        else:
            # The gradient's own memory if it was made in this backward pass and nobody else sees it.
            leaf._grad = Tensor(_C.owned(grad._array, leaf._array, clock))


_accumulating = threading.Lock()
