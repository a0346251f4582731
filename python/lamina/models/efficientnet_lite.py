"""EfficientNet-Lite0: EfficientNet (Tan & Le, 2019, arXiv:1905.11946) for edge devices.

Google's "EfficientNet-Lite" (2020) leaves out squeeze and excitation and takes ReLU6 for SiLU.  Parameters bear the
names of timm's ``efficientnet_lite0``."""

from __future__ import annotations

import math
from typing import Any

from lamina import nn
from lamina.tensor import Tensor

# (kernel, expansion, channels, blocks, stride of the first) of each stage.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)


def _depthwise(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)


class DepthwiseSeparableConv(nn.Module):
    """Depthwise and pointwise convolution; x [N, in, H, W] -> [N, out, H/stride, W/stride]."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.has_skip = stride == 1 and in_channels == out_channels
        self.conv_dw = _depthwise(in_channels, kernel, stride)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.act1 = nn.ReLU6(inplace=True)
        self.conv_pw = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv_dw(x)))
        y = self.bn2(self.conv_pw(y))
        return y + x if self.has_skip else y


class InvertedResidual(nn.Module):
    """MobileNetV2's block; x [N, in, H, W] -> [N, out, H/stride, W/stride]."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.has_skip = stride == 1 and in_channels == out_channels
        hidden = in_channels * expansion
        self.conv_pw = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.act1 = nn.ReLU6(inplace=True)
        self.conv_dw = _depthwise(hidden, kernel, stride)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.act2 = nn.ReLU6(inplace=True)
        self.conv_pwl = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv_pw(x)))
        y = self.act2(self.bn2(self.conv_dw(y)))
        y = self.bn3(self.conv_pwl(y))
        return y + x if self.has_skip else y


class EfficientNetLite(nn.Module):
    """Stem, seven stages of inverted residuals, mean, linear classifier; x [N, 3, H, W] -> [N, classes].

    Args:
        num_classes: classes to tell apart.
        drop_rate: the probability of a zero before the classifier.

    Example:
        >>> model = lamina.models.efficientnet_lite0(num_classes=10)
        >>> model(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    def __init__(self, num_classes: int = 1000, drop_rate: float = 0.2) -> None:
        super().__init__()
        channels = 32
        self.conv_stem = nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = nn.ReLU6(inplace=True)
        self.blocks = nn.Sequential()
        for kernel, expansion, width, count, first_stride in STAGES:
            stage = nn.Sequential()
            for i in range(count):
                stride = 1 if i else first_stride
                if expansion == 1:
                    stage.append(DepthwiseSeparableConv(channels, width, kernel, stride))
                else:
                    stage.append(InvertedResidual(channels, width, kernel, stride, expansion))
                channels = width
            self.blocks.append(stage)
        self.conv_head = nn.Conv2d(channels, 1280, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(1280)
        self.act2 = nn.ReLU6(inplace=True)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(1280, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        """Normal by the fan out of each group; the classifier uniform by its classes, as in the authors' code."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, 0, math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.Linear):
                bound = 1 / math.sqrt(module.weight.shape[0])
                nn.init.uniform_(module.weight, -bound, bound)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))
        x = self.act2(self.bn2(self.conv_head(x)))
        return self.classifier(self.dropout(self.global_pool(x).flatten(1)))


def efficientnet_lite0(**options: Any) -> EfficientNetLite:
    """EfficientNet-Lite0; options as :class:`EfficientNetLite`."""
    return EfficientNetLite(**options)
