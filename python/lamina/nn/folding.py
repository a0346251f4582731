"""Batch normalisation folded into the layer before it, for inference.

In evaluation a batch normalisation is an affine map of each channel, which the layer's own weight and bias can hold:

    norm(W x + b) = (s W) x + (b - mean) s + beta,  s = gamma / sqrt(var + eps)

The folded weight and bias are made once and kept while the parameters and buffers that they come from stay what they
are: the same arrays at the same versions.  Any change in place, ``load_state_dict`` or a new ``data`` makes them anew.
(A write through NumPy to shared memory counts no version, here as for autograd.)
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from lamina.autograd.grad_mode import no_grad
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.nn.modules.module import Module

Marks = tuple[Any, ...]


class Folded(NamedTuple):
    """A layer's weight and bias with the batch normalisation after it."""

    weight: Tensor
    bias: Tensor


_kept: weakref.WeakKeyDictionary[Module, tuple[Marks, Folded]] = weakref.WeakKeyDictionary()


def folded(layer: Any, norm: Any) -> Folded:
    """The weight and bias of a convolution or linear layer with the batch normalisation that follows it.

    Args:
        layer: with a weight of shape (channels, ...) and a bias of (channels,) or None.
        norm: a batch normalisation of those channels with running statistics.
    """
    sources = (layer.weight, layer.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var)
    # Holding the arrays keeps their addresses from being given to others.
    marks = tuple([None if t is None else (t._array, t._array.version) for t in sources])
    kept = _kept.get(norm)
    if kept is not None and kept[0][-1] == norm.eps and _same(kept[0], marks):
        return kept[1]
    made = _fold(*sources, norm.eps)
    _kept[norm] = ((*marks, norm.eps), made)
    return made


def _same(before: Marks, now: Marks) -> bool:
    for a, b in zip(before, now):
        if a is None or b is None:
            if a is not b:
                return False
        elif a[0] is not b[0] or a[1] != b[1]:
            return False
    return True


def _fold(
    weight: Tensor,
    bias: Tensor | None,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
) -> Folded:
    """In double: rounded once, as the weight itself is."""
    with no_grad():
        scale = (var.double() + eps).rsqrt()
        scale = scale if gamma is None else scale * gamma.double()
        columns = (-1,) + (1,) * (weight.ndim - 1)
        new_weight = (weight.double() * scale.reshape(columns)).to(weight.dtype)
        shift = -mean.double() if bias is None else bias.double() - mean.double()
        shift = shift * scale
        shift = shift if beta is None else shift + beta.double()
        return Folded(new_weight, shift.to(weight.dtype))
