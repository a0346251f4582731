"""SqueezeNet: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters", 2016 (arXiv:1602.07360).

Parameters bear torchvision's names."""

from __future__ import annotations

from typing import Any

import lamina
from lamina import nn
from lamina.nn import fusion
from lamina.tensor import Tensor


class Fire(nn.Module):
    """A 1×1 convolution to few channels, then 1×1 and 3×3 ones side by side."""

    def __init__(self, in_channels: int, squeeze: int, expand1x1: int, expand3x3: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze, expand1x1, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze, expand3x3, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = fusion.run((self.squeeze, self.squeeze_activation), x)
        ones = fusion.run((self.expand1x1, self.expand1x1_activation), x)
        threes = fusion.run((self.expand3x3, self.expand3x3_activation), x)
        return lamina.cat([ones, threes], 1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


class SqueezeNet(nn.Module):
    """Stem, eight fire modules, a 1×1 convolution to one map a class, mean; x [N, 3, H, W] -> [N, classes].

    Args:
        version: ``"1_0"``, the paper's, or ``"1_1"``, with 2.4 times less work: smaller stem, earlier poolings.
        num_classes: classes to tell apart.
        dropout: the probability of a zero before the last convolution.

    Example:
        >>> lamina.models.squeezenet1_1(num_classes=10)(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version == "1_0":
            self.features = nn.Sequential(
                nn.Conv2d(3, 96, 7, stride=2),
                nn.ReLU(inplace=True),
                _pool(),
                Fire(96, 16, 64, 64),
                Fire(128, 16, 64, 64),
                Fire(128, 32, 128, 128),
                _pool(),
                Fire(256, 32, 128, 128),
                Fire(256, 48, 192, 192),
                Fire(384, 48, 192, 192),
                Fire(384, 64, 256, 256),
                _pool(),
                Fire(512, 64, 256, 256),
            )
        elif version == "1_1":
            self.features = nn.Sequential(
                nn.Conv2d(3, 64, 3, stride=2),
                nn.ReLU(inplace=True),
                _pool(),
                Fire(64, 16, 64, 64),
                Fire(128, 16, 64, 64),
                _pool(),
                Fire(128, 32, 128, 128),
                Fire(256, 32, 128, 128),
                _pool(),
                Fire(256, 48, 192, 192),
                Fire(384, 48, 192, 192),
                Fire(384, 64, 256, 256),
                Fire(512, 64, 256, 256),
            )
        else:
            raise ValueError(f"[SqueezeNet] expected version '1_0' or '1_1', got {version!r}")
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


def squeezenet1_0(**options: Any) -> SqueezeNet:
    """SqueezeNet of the paper; options as :class:`SqueezeNet`."""
    return SqueezeNet("1_0", **options)


def squeezenet1_1(**options: Any) -> SqueezeNet:
    """SqueezeNet 1.1; options as :class:`SqueezeNet`."""
    return SqueezeNet("1_1", **options)
