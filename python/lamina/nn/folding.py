"""What inference makes of a layer's parameters once and for all: a batch normalisation folded in, the packed weight.

In evaluation a batch normalisation is an affine map of each channel, which the layer's own weight and bias can hold:

    norm(W x + b) = (s W) x + (b - mean) s + beta,  s = gamma / sqrt(var + eps)

The folded weight and bias, and the order in which kernels read the weight, are made once and kept while the parameters
and buffers that they come from stay what they are: the same arrays at the same versions.  Any change in place,
``load_state_dict`` or a new ``data`` makes them anew.
(A write through NumPy to shared memory counts no version, here as for autograd.)
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina import _C
from lamina.autograd.grad_mode import no_grad
from lamina.autograd.watch import now
from lamina.nn.functional.conv import chosen_algorithm, split_padding
from lamina.nn.functional.pad import pad
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.nn.modules.module import Module

Marks = tuple[Any, ...]
Source = tuple[Tensor, _C.Array, int]  # a tensor, its memory and the version of that


class Folded(NamedTuple):
    """A layer's weight and bias with the batch normalisation after it, and what kernels keep of that weight."""

    weight: Tensor
    bias: Tensor | None
    kept: _C.Kept


_kept: weakref.WeakKeyDictionary[Module, tuple[Marks, Folded]] = weakref.WeakKeyDictionary()


def folded(layer: Any, norm: Any = None) -> Folded:
    """The weight and bias of a convolution or linear layer with the batch normalisation that follows it.

    Args:
        layer: with a weight of shape (channels, ...) and a bias of (channels,) or None.
        norm: a batch normalisation of those channels with running statistics; None for the layer alone.
    """
    eps = None if norm is None else norm.eps
    sources = _tensors_of(layer, norm)
    # Holding the arrays keeps their addresses from being given to others.
    marks = tuple([None if t is None else (t._array, t._array.version) for t in sources])
    kept = _kept.get(layer)
    if kept is not None and kept[0][-1] == eps and _same(kept[0][:-1], marks):
        made = kept[1]
    else:
        weight, bias = (layer.weight, layer.bias) if norm is None else _fold(layer, norm)
        made = Folded(weight, bias, _C.Kept())
        _kept[layer] = ((*marks, eps), made)
    if now.watch is not None:
        now.watch.kept.append(made)
        now.watch.sources += _states_of(sources)
    return made


def unchanged(sources: list[Source]) -> bool:
    """Whether tensors have the memory that they had, and nothing has been written there."""
    return all([t._array is array and array.version == version for t, array, version in sources])


def _tensors_of(layer: Any, norm: Any) -> list[Tensor | None]:
    tensors = [layer.weight, layer.bias]
    if norm is not None:
        tensors += (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return tensors


def _states_of(tensors: list[Tensor | None]) -> list[Source]:
    return [(t, t._array, t._array.version) for t in tensors if t is not None]


def _same(before: Marks, now: Marks) -> bool:
    if len(before) != len(now):
        return False
    for a, b in zip(before, now):
        if a is None or b is None:
            if a is not b:
                return False
        elif a[0] is not b[0] or a[1] != b[1]:
            return False
    return True


def _fold(layer: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """In double: rounded once, as the weight itself is."""
    with no_grad():
        scale = (norm.running_var.double() + norm.eps).rsqrt()
        scale = scale if norm.weight is None else scale * norm.weight.double()
        columns = (-1,) + (1,) * (layer.weight.ndim - 1)
        weight = (layer.weight.double() * scale.reshape(columns)).to(layer.weight.dtype)
        mean = norm.running_mean.double()
        shift = (-mean if layer.bias is None else layer.bias.double() - mean) * scale
        shift = shift if norm.bias is None else shift + norm.bias.double()
        return weight, shift.to(layer.weight.dtype)


class FoldedConv:
    """A convolution with the batch normalisation, the sum and the activation after it, as one call of the bindings.

    Its arguments are put together once, and hold while :meth:`fresh` and the modules keep their attributes.

    Args:
        layer: a convolution.
        norm: the batch normalisation after it, or None.
        bounds: between which an activation holds the results; None where there is none.
    """

    def __init__(self, layer: Any, norm: Any, bounds: tuple[float, float] | None) -> None:
        self._sources = _states_of(_tensors_of(layer, norm))
        weight, bias, kept = folded(layer, norm)
        low, high = bounds or (-math.inf, math.inf)
        self._weight, self._bias = weight._array, None if bias is None else bias._array
        self._ndim, self._bounded = weight.ndim, bounds is not None
        self._pad, padding = None, layer.padding
        if layer.padding_mode != "zeros":
            self._pad, padding = (layer._pad, layer.padding_mode), (0,) * len(layer.stride)
        before, after = split_padding(
            "conv", padding, weight.shape[2:], layer.stride, layer.dilation, len(layer.stride)
        )
        self._arguments = (low, high, kept, layer.stride, before, after, layer.dilation, layer.groups)

    def fresh(self) -> bool:
        """Whether parameters and statistics are what they were."""
        return unchanged(self._sources)

    def takes(self, input: Tensor, residual: Tensor | None) -> bool:
        """Whether the input has a batch, so that the channels after it are the layer's, and a sum an activation."""
        return input._array.ndim == self._ndim and (residual is None or self._bounded)

    def __call__(self, input: Tensor, residual: Tensor | None) -> Tensor:
        if self._pad is not None:
            input = pad(input, self._pad[0], mode=self._pad[1])
        added = None if residual is None else residual._array
        low, high, kept, stride, before, after, dilation, groups = self._arguments
        y = _C.conv_fused(
            input._array, self._weight, self._bias, added,
            low, high, kept, stride, before, after, dilation, groups, chosen_algorithm(),
        )  # fmt: skip
        return Tensor(y)
