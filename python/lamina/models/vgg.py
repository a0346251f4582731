"""VGG: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014
(arXiv:1409.1556).

Parameters bear torchvision's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import nn
from lamina.tensor import Tensor

# 3×3 convolutions in each of the five stages; a 2×2 max pooling follows each stage.
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)


def vgg_features(
    stages: Sequence[int], widths: Sequence[int] = WIDTHS, batch_norm: bool = False
) -> nn.Sequential:
    """Stages of 3×3 convolutions, each ended by a pooling; x [N, 3, H, W] -> [N, widths[-1], H/32, W/32].

    Args:
        stages: convolutions in each stage.
        widths: channels of each stage.
        batch_norm: whether each convolution has a batch normalisation.
    """
    layers: list[nn.Module] = []
    channels = 3
    for convolutions, width in zip(stages, widths, strict=True):
        for _ in range(convolutions):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """Stages of 3×3 convolutions and three linear layers; x [N, 3, H, W] -> [N, classes], H and W at least 32.

    Args:
        features: what turns images into [N, 512, H/32, W/32]; see :func:`vgg_features`.
        num_classes: classes to tell apart.
        init_weights: draw the parameters as torchvision does, not as the layers do.
        dropout: the probability of a zero after the two hidden linear layers.

    Example:
        >>> model = lamina.models.vgg11(num_classes=10).eval()
        >>> model(lamina.zeros(1, 3, 32, 32)).shape
        lamina.Size([1, 10])
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if not init_weights:
            return
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.get_parameter("bias"))
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _vgg(layers: int, batch_norm: bool, options: Any) -> VGG:
    return VGG(vgg_features(STAGES[layers], batch_norm=batch_norm), **options)


def vgg11(**options: Any) -> VGG:
    """VGG of 11 layers (configuration A); options as :class:`VGG`."""
    return _vgg(11, False, options)


def vgg11_bn(**options: Any) -> VGG:
    """VGG of 11 layers with batch normalisation; options as :class:`VGG`."""
    return _vgg(11, True, options)


def vgg13(**options: Any) -> VGG:
    """VGG of 13 layers (configuration B); options as :class:`VGG`."""
    return _vgg(13, False, options)


def vgg13_bn(**options: Any) -> VGG:
    """VGG of 13 layers with batch normalisation; options as :class:`VGG`."""
    return _vgg(13, True, options)


def vgg16(**options: Any) -> VGG:
    """VGG of 16 layers (configuration D); options as :class:`VGG`."""
    return _vgg(16, False, options)


def vgg16_bn(**options: Any) -> VGG:
    """VGG of 16 layers with batch normalisation; options as :class:`VGG`."""
    return _vgg(16, True, options)


def vgg19(**options: Any) -> VGG:
    """VGG of 19 layers (configuration E); options as :class:`VGG`."""
    return _vgg(19, False, options)


def vgg19_bn(**options: Any) -> VGG:
    """VGG of 19 layers with batch normalisation; options as :class:`VGG`."""
    return _vgg(19, True, options)
