"""Fully convolutional networks: Long, Shelhamer & Darrell, "Fully convolutional networks for semantic segmentation",
2014 (arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lamina
from lamina import nn
from lamina.autograd import no_grad
from lamina.nn import functional as F
from lamina.tensor import Tensor

from .vgg import STAGES, WIDTHS, vgg_features


class FCN(nn.Module):
    """VGG-16 with its linear layers as convolutions, and scores brought back to the image's size by transposed ones.

    x [N, 3, H, W] -> scores [N, classes, H, W] of each pixel.  ``features`` bears the names of VGG-16's.

    Args:
        stride: 32: scores from the last pooling alone; 16: and from the fourth; 8: and from the third.
        num_classes: classes of pixels.
        dropout: the probability of a zero in the two hidden 4096-channel layers.
        stages, widths: of VGG; see :func:`lamina.models.vgg.vgg_features`.
        hidden: channels of the hidden layers.

    Example:
        >>> model = lamina.models.fcn8s(num_classes=5, widths=(4, 4, 8, 8, 8), hidden=16)
        >>> model(lamina.zeros(1, 3, 50, 64)).shape
        lamina.Size([1, 5, 50, 64])
    """

    def __init__(
        self,
        stride: int,
        num_classes: int = 21,
        dropout: float = 0.5,
        stages: Sequence[int] = STAGES[16],
        widths: Sequence[int] = WIDTHS,
        hidden: int = 4096,
    ) -> None:
        super().__init__()
        if stride not in (8, 16, 32):
            raise ValueError(f"[FCN] expected a stride of 8, 16 or 32, got {stride}")
        self.stride = stride
        self.features = vgg_features(stages, widths)
        self.classifier = nn.Sequential(
            nn.Conv2d(widths[4], hidden, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.score = nn.Conv2d(hidden, num_classes, 1)
        if stride <= 16:
            self.score_pool4 = nn.Conv2d(widths[3], num_classes, 1)
            self.upscore_last = _upsampling(num_classes, 2)
        if stride == 8:
            self.score_pool3 = nn.Conv2d(widths[2], num_classes, 1)
            self.upscore_pool4 = _upsampling(num_classes, 2)
        self.upscore = _upsampling(num_classes, stride)
        for name, module in self.named_modules():
            if name.startswith("score"):  # every class as likely at first
                nn.init.zeros_(module.get_parameter("weight"))
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % 32, 0, -height % 32))
        pooled: list[Tensor] = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                pooled.append(x)
        scores: Tensor = self.score(self.classifier(x))
        if self.stride <= 16:
            scores = self.upscore_last(scores) + self.score_pool4(pooled[3])
        if self.stride == 8:
            scores = self.upscore_pool4(scores) + self.score_pool3(pooled[2])
        return self.upscore(scores)[:, :, :height, :width]


def _upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A learned enlargement of each map that starts as bilinear interpolation."""
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=factor // 2, bias=False)
    ramp = 1 - (lamina.arange(2 * factor) - (factor - 0.5)).abs() / factor  # a triangle over the kernel
    nn.init.zeros_(layer.weight)
    with no_grad():
        for i in range(channels):
            layer.weight[i, i] = ramp[:, None] * ramp
    return layer


def fcn32s(**options: Any) -> FCN:
    """FCN on the last pooling; options as :class:`FCN`."""
    return FCN(32, **options)


def fcn16s(**options: Any) -> FCN:
    """FCN on the last two poolings; options as :class:`FCN`."""
    return FCN(16, **options)


def fcn8s(**options: Any) -> FCN:
    """FCN on the last three poolings; options as :class:`FCN`."""
    return FCN(8, **options)
