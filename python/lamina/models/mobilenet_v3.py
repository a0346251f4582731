"""MobileNetV3: Howard et al., "Searching for MobileNetV3", 2019 (arXiv:1905.02244).

Parameters bear torchvision's names."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from lamina import nn
from lamina.tensor import Tensor

from .conv_norm import ConvNormActivation, init_mobile, make_divisible

_norm = functools.partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


class Block(NamedTuple):
    """A row of the paper's tables 1 and 2."""

    kernel: int
    expanded: int
    channels: int
    squeeze_excite: bool
    activation: type[nn.ReLU] | type[nn.Hardswish]
    stride: int


_R, _H = nn.ReLU, nn.Hardswish
LARGE = (
    Block(3, 16, 16, False, _R, 1),
    Block(3, 64, 24, False, _R, 2),
    Block(3, 72, 24, False, _R, 1),
    Block(5, 72, 40, True, _R, 2),
    Block(5, 120, 40, True, _R, 1),
    Block(5, 120, 40, True, _R, 1),
    Block(3, 240, 80, False, _H, 2),
    Block(3, 200, 80, False, _H, 1),
    Block(3, 184, 80, False, _H, 1),
    Block(3, 184, 80, False, _H, 1),
    Block(3, 480, 112, True, _H, 1),
    Block(3, 672, 112, True, _H, 1),
    Block(5, 672, 160, True, _H, 2),
    Block(5, 960, 160, True, _H, 1),
    Block(5, 960, 160, True, _H, 1),
)
SMALL = (
    Block(3, 16, 16, True, _R, 2),
    Block(3, 72, 24, False, _R, 2),
    Block(3, 88, 24, False, _R, 1),
    Block(5, 96, 40, True, _H, 2),
    Block(5, 240, 40, True, _H, 1),
    Block(5, 240, 40, True, _H, 1),
    Block(5, 120, 48, True, _H, 1),
    Block(5, 144, 48, True, _H, 1),
    Block(5, 288, 96, True, _H, 2),
    Block(5, 576, 96, True, _H, 1),
    Block(5, 576, 96, True, _H, 1),
)


class SqueezeExcitation(nn.Module):
    """Scales each channel by what a small perceptron makes of all channels' means (Hu et al., arXiv:1709.01507)."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeeze, 1)
        self.fc2 = nn.Conv2d(squeeze, channels, 1)
        self.activation = nn.ReLU()
        self.scale_activation = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = self.scale_activation(self.fc2(self.activation(self.fc1(self.avgpool(x)))))
        return scale * x


class InvertedResidual(nn.Module):
    """MobileNetV2's block with squeeze and excitation behind the depthwise convolution."""

    def __init__(self, in_channels: int, row: Block, width_mult: float) -> None:
        super().__init__()
        expanded = make_divisible(row.expanded * width_mult)
        self.out_channels = make_divisible(row.channels * width_mult)
        self.use_res_connect = row.stride == 1 and in_channels == self.out_channels
        wide: dict[str, Any] = {"norm_layer": _norm, "activation_layer": row.activation}
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(ConvNormActivation(in_channels, expanded, 1, **wide))
        layers.append(ConvNormActivation(expanded, expanded, row.kernel, row.stride, groups=expanded, **wide))
        if row.squeeze_excite:
            layers.append(SqueezeExcitation(expanded, make_divisible(expanded // 4)))
        layers.append(
            ConvNormActivation(expanded, self.out_channels, 1, norm_layer=_norm, activation_layer=None)
        )
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return y + x if self.use_res_connect else y


class MobileNetV3(nn.Module):
    """Stem, inverted residuals, mean, two linear layers; x [N, 3, H, W] -> [N, classes].

    Args:
        blocks: :data:`LARGE` or :data:`SMALL`.
        last_channel: features of the hidden linear layer.
        num_classes: classes to tell apart.
        dropout: the probability of a zero before the last layer.
        width_mult: a factor of all channels.

    Example:
        >>> model = lamina.models.mobilenet_v3_small(num_classes=10, width_mult=0.5)
        >>> model(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        last_channel: int,
        num_classes: int = 1000,
        dropout: float = 0.2,
        width_mult: float = 1.0,
    ) -> None:
        super().__init__()
        channels, last = make_divisible(16 * width_mult), make_divisible(last_channel * width_mult)
        ends: dict[str, Any] = {"norm_layer": _norm, "activation_layer": nn.Hardswish}
        self.features = nn.Sequential(ConvNormActivation(3, channels, stride=2, **ends))
        for row in blocks:
            block = InvertedResidual(channels, row, width_mult)
            self.features.append(block)
            channels = block.out_channels
        self.features.append(ConvNormActivation(channels, 6 * channels, 1, **ends))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, last),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(last, num_classes),
        )
        init_mobile(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def mobilenet_v3_large(**options: Any) -> MobileNetV3:
    """MobileNetV3 for phones with more resources; options as :class:`MobileNetV3`."""
    return MobileNetV3(LARGE, 1280, **options)


def mobilenet_v3_small(**options: Any) -> MobileNetV3:
    """MobileNetV3 for phones with fewer resources; options as :class:`MobileNetV3`."""
    return MobileNetV3(SMALL, 1024, **options)
