"""Network in network: Lin, Chen & Yan, 2013 (arXiv:1312.4400); the authors' model for CIFAR-10."""

from __future__ import annotations

from lamina import nn
from lamina.tensor import Tensor


def _mlpconv(in_channels: int, widths: tuple[int, int, int], kernel: int) -> list[nn.Module]:
    """A convolution and two 1×1 ones: a small perceptron that slides over the image."""
    first, second, third = widths
    return [
        nn.Conv2d(in_channels, first, kernel, padding=kernel // 2),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, second, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(second, third, 1),
        nn.ReLU(inplace=True),
    ]


class NiN(nn.Module):
    """Three perceptron convolutions; the mean of the last one's maps is the score: x [N, 3, H, W] -> [N, classes].

    Args:
        in_channels: channels of the images.
        num_classes: classes to tell apart, one map each.
        dropout: the probability of a zero after the two poolings.

    Example:
        >>> lamina.models.NiN()(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 10, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_mlpconv(in_channels, (192, 160, 96), 5),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.Dropout(dropout),
            *_mlpconv(96, (192, 192, 192), 5),
            nn.AvgPool2d(3, stride=2, ceil_mode=True),
            nn.Dropout(dropout),
            *_mlpconv(192, (192, 192, num_classes), 3),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.05)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        return self.avgpool(self.features(x)).flatten(1)


def nin(in_channels: int = 3, num_classes: int = 10, dropout: float = 0.5) -> NiN:
    """Network in network for CIFAR-10; arguments as :class:`NiN`."""
    return NiN(in_channels, num_classes, dropout)
