"""Channels into pixels and back, and channels among each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.autograd.graph import Rule

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C r^2, H, W) to (..., C, H r, W r): each r^2 channels become a square of pixels (Shi et al., 1609.05158).

    Args:
        input: at least 3 dimensions.
        upscale_factor: r.

    Raises:
        ValueError: if r^2 does not divide the channels.

    Example:
        >>> lamina.nn.functional.pixel_shuffle(lamina.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1, 1), 2)
        tensor([[[1., 2.],
                 [3., 4.]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("pixel_shuffle", input=input)
    return _each_image(input, upscale_factor, "pixel_shuffle", _C.pixel_shuffle, _pixel_shuffle_backward)


def _pixel_shuffle_backward(node: Node, grad: Tensor) -> Tensor:
    return pixel_unshuffle(grad, *node.saved)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H r, W r) to (..., C r^2, H, W): the inverse of :func:`pixel_shuffle`.

    Args:
        input: at least 3 dimensions.
        downscale_factor: r.

    Raises:
        ValueError: if r does not divide the height and the width.

    Example:
        >>> lamina.nn.functional.pixel_unshuffle(lamina.ones(1, 4, 6), 2).shape
        lamina.Size([4, 2, 3])
    """
    if not isinstance(input, Tensor):
        expect_tensors("pixel_unshuffle", input=input)
    op = "pixel_unshuffle"
    return _each_image(input, downscale_factor, op, _C.pixel_unshuffle, _pixel_unshuffle_backward)


def _pixel_unshuffle_backward(node: Node, grad: Tensor) -> Tensor:
    return pixel_shuffle(grad, *node.saved)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of (N, C, ...) dealt out so that neighbours come from different groups (Zhang et al., 1707.01083).

    Args:
        input: at least 3 dimensions.
        groups: how many groups the channels form.

    Raises:
        ValueError: if the groups don't divide the channels.

    Example:
        >>> lamina.nn.functional.channel_shuffle(lamina.arange(4).reshape(1, 4, 1), 2).flatten()
        tensor([0, 2, 1, 3])
    """
    if not isinstance(input, Tensor):
        expect_tensors("channel_shuffle", input=input)
    y = Tensor(_C.channel_shuffle(input._array, groups))
    if tracks(input):
        record(y, _channel_shuffle_backward, (input,), (input.shape[1] // groups,))
    return y


def _channel_shuffle_backward(node: Node, grad: Tensor) -> Tensor:
    return channel_shuffle(grad, *node.saved)


native_channel_shuffle = channel_shuffle


def _each_image(
    x: Tensor, factor: int, op: str, kernel: Callable[[_C.Array, int], _C.Array], rule: Rule
) -> Tensor:
    """The kernel over (N, C, H, W), for any number of leading dimensions."""
    if x.ndim < 3:
        raise ValueError(f"[{op}] expected at least 3 dimensions, got shape {tuple(x.shape)}")
    leading, sizes = tuple(x.shape[:-3]), tuple(x.shape[-3:])
    images = x if x.ndim == 4 else x.reshape(math.prod(leading), *sizes)
    y = Tensor(kernel(images._array, factor))
    if tracks(images):
        record(y, rule, (images,), (factor,))
    return y if x.ndim == 4 else y.reshape(*leading, *y.shape[1:])
