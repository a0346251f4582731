"""A table of a network's layers with the shapes, parameters, work and memory of each, as course notes tabulate VGG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from lamina import nn
from lamina.autograd.grad_mode import no_grad
from lamina.ops.creation import zeros
from lamina.tensor import Tensor

__all__ = ["Layer", "Summary", "summary"]


class Layer(NamedTuple):
    """One call of a layer.

    Attributes:
        name: its path in the network.
        kind: its class.
        outputs: the shape of each tensor it returned.
        parameters: how many it holds; 0 when called again.
        multiply_adds: of its matrix products and convolutions, in the forward pass.
        memory: bytes of its outputs; 0 where they lie in its input's memory.
    """

    name: str
    kind: str
    outputs: tuple[tuple[int, ...], ...]
    parameters: int
    multiply_adds: int
    memory: int


class Summary:
    """The layers in the order they ran, and the totals; prints as a table.

    Attributes:
        layers: one :class:`Layer` a call.
        parameters: of the whole network, each once.
        multiply_adds: of one forward pass.
        memory: bytes of all activations, as a backward pass keeps them.
    """

    def __init__(self, layers: Sequence[Layer], parameters: int) -> None:
        self.layers, self.parameters = list(layers), parameters
        self.multiply_adds = sum(layer.multiply_adds for layer in layers)
        self.memory = sum(layer.memory for layer in layers)

    def __repr__(self) -> str:
        rows = [
            (
                f"{layer.name}: {layer.kind}" if layer.name else layer.kind,
                ", ".join("×".join(map(str, shape)) or "1" for shape in layer.outputs),
                f"{layer.parameters:,}",
                f"{layer.multiply_adds:,}",
                _bytes(layer.memory),
            )
            for layer in self.layers
        ]
        head = ("layer", "output", "parameters", "multiply-adds", "memory")
        total = ("total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", _bytes(self.memory))
        widths = [max(map(len, column)) for column in zip(head, *rows, total, strict=True)]

        def line(row: Sequence[str]) -> str:
            texts = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
            numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
            return "  ".join(texts + numbers)

        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([line(head), rule, *map(line, rows), rule, line(total)])


def summary(model: nn.Module, *inputs: Tensor | Sequence[int] | Sequence[Tensor]) -> Summary:
    """Runs a network once, in evaluation mode, and tells what each layer gave and cost.

    Layers are modules without submodules, and those that hold parameters themselves.  The work and memory of what a
    network computes outside of them (a sum, a functional call) is not seen.

    Args:
        model: any module; hooks and modes are afterwards as before.
        inputs: what it takes: tensors, lists of tensors, or shapes (batch included) for zeros of the parameters' dtype.

    Returns:
        A table that prints itself and whose numbers are attributes.

    Raises:
        TypeError: if ``model`` is no module, or an input neither a tensor nor a shape.

    Example:
        >>> lamina.summary(lamina.models.NiN(), (1, 3, 32, 32)).parameters
        966986
        >>> print(lamina.summary(lamina.nn.Linear(4, 2), (3, 4)))
        layer   output  parameters  multiply-adds  memory
        -------------------------------------------------
        Linear  3×2             10             24    24 B
        -------------------------------------------------
        total                   10             24    24 B
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"[summary] expected a module, got {type(model).__name__}")
    like = next(model.parameters(), None)
    arguments = [_argument(value, like) for value in inputs]
    layers: list[Layer] = []
    counted: set[int] = set()

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            fresh = [p for p in module.parameters(recurse=False) if id(p) not in counted]
            counted.update(map(id, fresh))
            results, places = list(_tensors(output)), {t.data_ptr() for t in _tensors(given)}
            layers.append(
                Layer(
                    name,
                    type(module).__name__,
                    tuple(tuple(t.shape) for t in results),
                    sum(p.numel() for p in fresh),
                    _multiply_adds(module, list(_tensors(given)), results),
                    sum(t.numel() * t.element_size() for t in results if t.data_ptr() not in places),
                )
            )

        return hook

    modes = [(module, module.training) for module in model.modules()]
    watched = [(n, m) for n, m in model.named_modules() if not any(m.children()) or m._parameters]
    handles = [module.register_forward_hook(note(name)) for name, module in watched]
    try:
        with no_grad():
            model.eval()(*arguments)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    return Summary(layers, sum(p.numel() for p in model.parameters()))


def _argument(value: Any, like: Tensor | None) -> Any:
    members = value if isinstance(value, (list, tuple)) and value else [value]
    if all(isinstance(member, Tensor) for member in members):
        return value
    if not isinstance(value, Sequence) or not all(isinstance(size, int) for size in value):
        raise TypeError(f"[summary] expected tensors or shapes as inputs, got {value!r}")
    if like is None:
        return zeros(*value)
    return zeros(*value, dtype=like.dtype, device=like.device)


def _tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for member in value:
            yield from _tensors(member)


def _multiply_adds(module: nn.Module, given: list[Tensor], results: list[Tensor]) -> int:
    """By the shape of its weights: each is used once for every position and sample that it is applied to."""
    weights = [p for name, p in module._parameters.items() if name.startswith("weight") and p.ndim > 1]
    if not weights or not given or isinstance(module, nn.Embedding):
        return 0
    kind = type(module).__name__
    if kind.startswith("ConvTranspose"):  # (in, out / groups, kernel...): every input element meets a row
        return given[0].numel() * math.prod(weights[0].shape[1:])
    if kind.startswith("Conv"):  # (out, in / groups, kernel...): every output element takes a row
        return results[0].numel() * math.prod(weights[0].shape[1:])
    samples = (
        given[0].numel() // given[0].shape[-1]
    )  # rows of features: linear layers, recurrent layers and cells
    return samples * sum(w.numel() for w in weights)


def _bytes(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        if size < 999.95:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
