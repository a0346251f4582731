"""Gradients that no kernel computes, second derivatives above all: the forward pass again, in differentiable ops."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina.autograd.engine import grad as gradients_of
from lamina.autograd.grad_mode import enable_grad, mode
from lamina.autograd.graph import Node, record, tracks
from lamina.tensor import Tensor


def rederive(
    node: Node,
    forward: Callable[..., Tensor | tuple[Tensor, ...]],
    inputs: Sequence[Tensor | None],
    grad: Tensor | Sequence[Tensor | None],
) -> tuple[Tensor | None, ...]:
    """The gradients that ``node`` owes its inputs, those of ``forward(*inputs)``; recorded if backward is.

    Where forward gives several outputs, ``grad`` is that of each, or None.
    """
    create_graph = mode.enabled
    places = [None if t is None else _place(t, create_graph, node.needs(i)) for i, t in enumerate(inputs)]
    with enable_grad():
        made = forward(*places)
    outputs = [made] if isinstance(made, Tensor) else made
    grads = [grad] if isinstance(grad, Tensor) else grad
    pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if g is not None]
    wanted = [i for i in range(len(inputs)) if node.needs(i)]
    tensors = [t for i in wanted if (t := places[i]) is not None]
    found = gradients_of(
        [y for y, _ in pairs], tensors, [g for _, g in pairs], create_graph=create_graph, allow_unused=True
    )
    by_input = dict(zip(wanted, found))
    return tuple(by_input.get(i) for i in range(len(inputs)))


def _place(x: Tensor, recorded: bool, wanted: bool) -> Tensor:
    """``x`` as one argument, with the gradient of that alone: x may be another too, or another may depend on it."""
    if not recorded:  # what a node saved has a place in the graph only while that is recorded
        return x.detach().requires_grad_(wanted)
    y = Tensor(x._array.alias())
    if tracks(x):
        record(y, _place_backward, (x,))
    return y


def _place_backward(node: Node, grad: Tensor) -> Tensor:
    return grad
