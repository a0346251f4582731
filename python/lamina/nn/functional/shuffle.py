"""Channels into pixels and back, and channels among each other: views and one copy."""

from __future__ import annotations

import math

from lamina.ops.convert import contiguous_format
from lamina.tensor import Tensor

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
    r, (batch, c, h, w) = upscale_factor, _sizes(input, upscale_factor, "pixel_shuffle")
    if c % (r * r):
        raise ValueError(
            f"[pixel_shuffle] expected channels that {r}^2 divides, got shape {tuple(input.shape)}"
        )
    blocks = input.reshape(math.prod(batch), c // (r * r), r, r, h, w)  # n c i j h w
    # Memory keeps its order: channels last stay last.
    if _channels_last(input):
        mixed = _copied(blocks.permute(0, 4, 2, 5, 3, 1)).reshape(*batch, h * r, w * r, c // (r * r))
        return mixed.permute(0, 3, 1, 2)
    return _copied(blocks.permute(0, 1, 4, 2, 5, 3)).reshape(*batch, c // (r * r), h * r, w * r)


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
    r, (batch, c, h, w) = downscale_factor, _sizes(input, downscale_factor, "pixel_unshuffle")
    if h % r or w % r:
        raise ValueError(
            f"[pixel_unshuffle] expected height and width that {r} divides, got shape {tuple(input.shape)}"
        )
    blocks = input.reshape(math.prod(batch), c, h // r, r, w // r, r)  # n c h i w j
    if _channels_last(input):
        mixed = _copied(blocks.permute(0, 2, 4, 1, 3, 5)).reshape(*batch, h // r, w // r, c * r * r)
        return mixed.permute(0, 3, 1, 2)
    return _copied(blocks.permute(0, 1, 3, 5, 2, 4)).reshape(*batch, c * r * r, h // r, w // r)


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
    if input.ndim < 3:
        raise ValueError(f"[channel_shuffle] expected at least 3 dimensions, got shape {tuple(input.shape)}")
    n, c, *spatial = input.shape
    if groups < 1 or c % groups:
        raise ValueError(f"[channel_shuffle] expected channels that {groups} groups divide, got {c}")
    if _channels_last(input):
        rows = input.permute(0, 2, 3, 1).reshape(n * math.prod(spatial), groups, c // groups)
        return _copied(rows.transpose(1, 2)).reshape(n, *spatial, c).permute(0, 3, 1, 2)
    return _copied(input.reshape(n, groups, c // groups, *spatial).transpose(1, 2)).reshape(input.shape)


native_channel_shuffle = channel_shuffle


def _sizes(x: Tensor, factor: int, op: str) -> tuple[tuple[int, ...], int, int, int]:
    if x.ndim < 3:
        raise ValueError(f"[{op}] expected at least 3 dimensions, got shape {tuple(x.shape)}")
    if factor < 1:
        raise ValueError(f"[{op}] expected a factor of at least 1, got {factor}")
    c, h, w = x.shape[-3:]
    return tuple(x.shape[:-3]), c, h, w


def _channels_last(x: Tensor) -> bool:
    return x.ndim == 4 and not x._array.is_contiguous() and x._array.is_channels_last()


def _copied(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=contiguous_format)
