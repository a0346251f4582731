"""Layer-sequential unit variance: weights scaled by what a batch does to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lamina.autograd.grad_mode import no_grad
from lamina.nn.init.orthogonal import orthogonal_
from lamina.random import Generator
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.nn.modules.module import Module

__all__ = ["lsuv_"]


def lsuv_(
    model: Module,
    batch: Any,
    tolerance: float = 0.1,
    max_iterations: int = 10,
    orthonormal: bool = True,
    generator: Generator | None = None,
) -> dict[str, float]:
    """Scales each linear and convolutional layer until its output on ``batch`` has variance 1.

    Layers are taken in the order in which they run; each starts from orthonormal weights, is divided by the standard
    deviation of its output, and the batch runs again (Mishkin and Matas, arXiv:1511.06422).  The model runs as in
    evaluation, without dropout; its buffers and its mode stay as they are.

    Args:
        model: the network.
        batch: its input, or a tuple of inputs.
        tolerance: how far from 1 a variance may end.
        max_iterations: how often one layer is scaled at most.
        orthonormal: start from orthonormal weights; otherwise from the present ones.
        generator: where the draws come from.

    Returns:
        The variance of each layer's output, by name, when it was left.

    Raises:
        ValueError: if a layer's output has no variance, or one that is not finite.

    Example:
        >>> net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
        >>> variances = nn.init.lsuv_(net, lamina.randn(64, 8))
        >>> [name for name, v in variances.items() if abs(v - 1) < 0.1]
        ['0', '2']
    """
    inputs = batch if isinstance(batch, tuple) else (batch,)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with no_grad():
            return {
                name: _scale(model, inputs, name, layer, tolerance, max_iterations, orthonormal, generator)
                for name, layer in _layers_as_they_run(model, inputs)
            }
    finally:
        for module, training in modes.items():
            module.training = training


def _layers_as_they_run(model: Module, inputs: tuple[Any, ...]) -> list[tuple[str, Module]]:
    from lamina.nn.modules.conv import _ConvNd
    from lamina.nn.modules.linear import Linear

    names: dict[Module, str] = {
        layer: name for name, layer in model.named_modules() if isinstance(layer, (Linear, _ConvNd))
    }
    seen: dict[Module, None] = {}  # in order, once each
    hooks = [layer.register_forward_hook(lambda m, args, out: seen.setdefault(m)) for layer in names]
    model(*inputs)
    for hook in hooks:
        hook.remove()
    return [(names[layer], layer) for layer in seen]


def _scale(
    model: Module,
    inputs: tuple[Any, ...],
    name: str,
    layer: Any,
    tolerance: float,
    max_iterations: int,
    orthonormal: bool,
    generator: Generator | None,
) -> float:
    if orthonormal:
        orthogonal_(layer.weight, generator=generator)
    with _outputs_of(layer) as outputs:
        for iteration in range(max_iterations + 1):
            model(*inputs)
            variance = float(outputs.pop().var(correction=0).item())
            outputs.clear()
            if not 0 < variance < float("inf"):
                raise ValueError(
                    f"[lsuv_] expected an output of {name or 'the model'} with a variance, got {variance}"
                )
            if abs(variance - 1) <= tolerance or iteration == max_iterations:
                break
            layer.weight.mul_(variance**-0.5)
    return variance


@contextmanager
def _outputs_of(layer: Module) -> Iterator[list[Tensor]]:
    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda m, args, out: outputs.append(out))
    try:
        yield outputs
    finally:
        hook.remove()
