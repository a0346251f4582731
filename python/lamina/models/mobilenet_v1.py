"""MobileNet: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017
(arXiv:1704.04861)."""

from __future__ import annotations

from typing import Any

from lamina import nn
from lamina.tensor import Tensor

from .conv_norm import ConvNormActivation, init_mobile

# (channels, stride) of each depthwise separable convolution.
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),
)  # fmt: skip


class MobileNetV1(nn.Module):
    """Depthwise separable convolutions, mean, linear classifier; x [N, 3, H, W] -> [N, classes].

    Args:
        num_classes: classes to tell apart.
        width_mult: a factor of all channels, the paper's alpha.
        dropout: the probability of a zero before the classifier.

    Example:
        >>> model = lamina.models.mobilenet_v1(num_classes=10, width_mult=0.25)
        >>> model(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    def __init__(self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.001) -> None:
        super().__init__()
        channels = int(32 * width_mult)
        self.features = nn.Sequential(ConvNormActivation(3, channels, stride=2))
        for width, stride in BLOCKS:
            out_channels = int(width * width_mult)
            self.features.append(
                nn.Sequential(
                    ConvNormActivation(channels, channels, stride=stride, groups=channels),  # depthwise
                    ConvNormActivation(channels, out_channels, kernel_size=1),  # pointwise
                )
            )
            channels = out_channels
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, num_classes))
        init_mobile(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def mobilenet_v1(**options: Any) -> MobileNetV1:
    """MobileNet; options as :class:`MobileNetV1`."""
    return MobileNetV1(**options)
