"""AlexNet: Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep convolutional neural networks", 2012.

The one-column form of Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014
(arXiv:1404.5997), which is torchvision's, with its names of parameters."""

from __future__ import annotations

from lamina import nn
from lamina.tensor import Tensor


class AlexNet(nn.Module):
    """Five convolutions, three poolings and three linear layers; x [N, 3, H, W] -> [N, classes], H and W at least 63.

    Args:
        num_classes: classes to tell apart.
        dropout: the probability of a zero before the two hidden linear layers.

    Example:
        >>> model = lamina.models.AlexNet(num_classes=10).eval()
        >>> model(lamina.zeros(1, 3, 64, 64)).shape
        lamina.Size([1, 10])
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def alexnet(num_classes: int = 1000, dropout: float = 0.5) -> AlexNet:
    """AlexNet; arguments as :class:`AlexNet`."""
    return AlexNet(num_classes, dropout)
