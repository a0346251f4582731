"""MobileNetV2: Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018 (arXiv:1801.04381).

Parameters bear torchvision's names."""

from __future__ import annotations

from typing import Any

from lamina import nn
from lamina.tensor import Tensor

from .conv_norm import ConvNormActivation, init_mobile, make_divisible

# (expansion, channels, blocks, stride of the first) of each stage: table 2 of the paper.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """Wide depthwise convolution between narrow ends, the last of which has no activation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and in_channels == out_channels
        hidden = in_channels * expand_ratio
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(ConvNormActivation(in_channels, hidden, 1, activation_layer=nn.ReLU6))
        layers += [
            ConvNormActivation(hidden, hidden, 3, stride, groups=hidden, activation_layer=nn.ReLU6),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.use_res_connect else y


class MobileNetV2(nn.Module):
    """Stem, seven stages of inverted residuals, mean, linear classifier; x [N, 3, H, W] -> [N, classes].

    Args:
        num_classes: classes to tell apart.
        width_mult: a factor of all channels; the last layer's stays at least 1.
        round_nearest: channels are multiples of this.
        dropout: the probability of a zero before the classifier.

    Example:
        >>> model = lamina.models.mobilenet_v2(num_classes=10, width_mult=0.25)
        >>> model(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0, round_nearest: int = 8, dropout: float = 0.2
    ) -> None:
        super().__init__()
        channels = make_divisible(32 * width_mult, round_nearest)
        last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        layers: list[nn.Module] = [ConvNormActivation(3, channels, stride=2, activation_layer=nn.ReLU6)]
        for expansion, width, blocks, first_stride in STAGES:
            out_channels = make_divisible(width * width_mult, round_nearest)
            for i in range(blocks):
                layers.append(InvertedResidual(channels, out_channels, 1 if i else first_stride, expansion))
                channels = out_channels
        layers.append(ConvNormActivation(channels, last_channel, 1, activation_layer=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last_channel, num_classes))
        init_mobile(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def mobilenet_v2(**options: Any) -> MobileNetV2:
    """MobileNetV2; options as :class:`MobileNetV2`."""
    return MobileNetV2(**options)
