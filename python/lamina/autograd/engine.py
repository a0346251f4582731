"""Backward: gradients flow from outputs to leaves, each node once, in the reverse of the order of recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from lamina import _C
from lamina.autograd.grad_mode import set_grad_enabled
from lamina.autograd.graph import AccumulateGrad, Node, leaf_edge
from lamina.tensor import Tensor

Edge = tuple[Node, int]


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
    found = _run(roots, grads, retain, create_graph, [_edge(t, "backward") for t in wanted])
    for t, g in zip(wanted, found):
        if g is not None:
            _accumulate(t, g, create_graph)


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
    roots, grads = _starts(outputs, grad_outputs)
    wanted = _listed(inputs)
    retain = create_graph if retain_graph is None else retain_graph
    found = _run(roots, grads, retain, create_graph, [_edge(t, "grad") for t in wanted])
    result: list[Tensor | None] = []
    for position, (t, g) in enumerate(zip(wanted, found)):
        if g is None and materialize_grads:
            g = t.new_zeros(t.shape)
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
    given: Iterable[Tensor | None]
    if grads is None:
        given = [None] * len(listed)
    else:
        given = [grads] if isinstance(grads, Tensor) else list(grads)
    edges, starts = [], []
    for t, g in zip(listed, given, strict=True):
        edges.append(_edge(t, "backward"))
        if g is None:
            if t._array.numel != 1:
                raise RuntimeError(
                    f"[backward] a gradient can be left out only for one element, got shape {tuple(t.shape)}"
                )
            g = Tensor(_C.empty_like(t._array, t._array.dtype))
            _C.fill(g._array, 1)
        elif tuple(g.shape) != tuple(t.shape):
            raise RuntimeError(
                f"[backward] expected a gradient of shape {tuple(t.shape)}, got {tuple(g.shape)}"
            )
        starts.append(g)
    return edges, starts


def _run(
    roots: list[Edge], grads: list[Tensor], retain_graph: bool, create_graph: bool, wanted: list[Edge] | None
) -> list[Tensor | None]:
    """Walks the graph.  With ``wanted``, returns those gradients and touches no leaf; without, accumulates leaves."""
    pending: dict[int, tuple[Node, list[Tensor | None]]] = {}
    heap: list[int] = []
    useful = None if wanted is None else _nodes_towards(roots, wanted)
    found: dict[Edge, Tensor | None] = {} if wanted is None else dict.fromkeys(wanted)
    held = [g._array.alias() for g in grads]  # so that no leaf's grad takes over the caller's own memory

    def send(edge: Edge, grad: Tensor) -> None:
        node, index = edge
        entry = pending.get(node.order)
        if entry is None:
            if useful is not None and node not in useful:
                return
            entry = pending[node.order] = (node, [None] * len(node.signatures))
            heappush(heap, node.order)
        if grad._array.signature != node.signatures[index]:
            grad = _fit(grad, node, index)
        gathered = entry[1]
        present = gathered[index]
        gathered[index] = grad if present is None else present + grad

    with set_grad_enabled(create_graph):
        for edge, g in zip(roots, grads):
            send(edge, g)
        while heap:
            node, gathered = pending.pop(heappop(heap))
            if node.hooks is not None:
                _run_hooks(node, gathered)
            if wanted is not None:
                for index, g in enumerate(gathered):
                    if (node, index) in found:
                        found[(node, index)] = g
            if type(node) is AccumulateGrad:
                leaf = node.leaf()
                if wanted is None and leaf is not None and gathered[0] is not None:
                    _accumulate(leaf, gathered[0], create_graph)
                continue
            result = node.rule(node, *gathered)
            if not retain_graph:
                node.release()
            if type(result) is not tuple:
                result = (result,)
            for next_edge, g in zip(node.edges, result):
                if next_edge is not None and g is not None:
                    send(next_edge, g)
    del held
    return [] if wanted is None else [found[edge] for edge in wanted]


def _fit(grad: Tensor, node: Node, index: int) -> Tensor:
    """Brings a gradient to the shape and dtype of the tensor it is for: rules need not undo broadcasting."""
    device, dtype, *shape = node.signatures[index]
    have = grad._array.signature
    if have[0] != device:
        raise RuntimeError(f"[backward] a gradient for {node.name} is on another device than its tensor")
    if list(have[2:]) != shape:
        lead = len(have) - 2 - len(shape)
        if lead < 0 or any(w not in (h, 1) for h, w in zip(have[2 + lead :], shape)):
            raise RuntimeError(
                f"[backward] expected a gradient of shape {tuple(shape)} for {node.name}, got {tuple(have[2:])}"
            )
        grad = grad.sum_to_size(shape)
    if have[1] != dtype:
        grad = grad.to(_dtype(dtype))
    return grad


def _dtype(code: int) -> object:
    from lamina.dtypes import BY_CODE

    return BY_CODE[code]


def _run_hooks(node: Node, gathered: list[Tensor | None]) -> None:
    for index, hook in list(node.hooks or ()):
        g = gathered[index]
        if g is not None:
            replaced = hook(g)
            if replaced is not None:
                gathered[index] = replaced


def _accumulate(leaf: Tensor, grad: Tensor, create_graph: bool) -> None:
    if leaf.grad is None:
        array = grad._array
        if create_graph:
            leaf.grad = grad
        elif array.storage_users == 1 and array.is_dense():  # nobody else sees this memory: take it over
            leaf.grad = Tensor(array.alias())
        else:
            leaf.grad = Tensor(_C.clone(array))
    elif create_graph:
        leaf.grad = leaf.grad + grad
    else:
        _C.add_out(leaf.grad._array, grad._array, leaf.grad._array)


def _nodes_towards(roots: list[Edge], wanted: list[Edge]) -> set[Node]:
    """The nodes from which a wanted edge can be reached, the wanted ones included."""
    targets = {node for node, _ in wanted}
    useful = set(targets)
    state: dict[Node, bool] = {}
    stack: list[tuple[Node, bool]] = [(node, False) for node, _ in roots]
    while stack:
        node, expanded = stack.pop()
        parents = [edge[0] for edge in node.edges if edge is not None]
        if expanded:
            if any(p in useful for p in parents):
                useful.add(node)
        elif node not in state:
            state[node] = True
            stack.append((node, True))
            stack.extend((p, False) for p in parents)
    return useful
