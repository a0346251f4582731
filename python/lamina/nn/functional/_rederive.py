"""Second derivatives of ops whose first ones are kernels: the forward pass again, in differentiable ops."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.autograd.engine import grad as gradients_of
from lamina.autograd.graph import Node
from lamina.tensor import Tensor


def rederive(
    node: Node, output: Tensor, inputs: Sequence[Tensor | None], grad: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradients that ``node`` owes its inputs, recorded: those of ``output``, made from ``inputs`` again."""
    wanted = [i for i in range(len(inputs)) if node.needs(i)]
    tensors = [t for i in wanted if (t := inputs[i]) is not None]
    found = dict(zip(wanted, gradients_of(output, tensors, grad, create_graph=True, allow_unused=True)))
    return tuple(found.get(i) for i in range(len(inputs)))
