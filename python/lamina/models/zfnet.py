"""ZFNet, after Zeiler & Fergus, "Visualizing and understanding convolutional networks", 2013 (arXiv:1311.2901)."""

from __future__ import annotations

from lamina import nn
from lamina.tensor import Tensor


class ZFNet(nn.Module):
    """AlexNet with a smaller first kernel and stride; x [N, 3, H, W] -> [N, classes].

    Args:
        num_classes: classes to tell apart.
        dropout: the probability of a zero before the two hidden linear layers.

    Example:
        >>> model = lamina.models.ZFNet(num_classes=10).eval()
        >>> model(lamina.zeros(1, 3, 64, 64)).shape
        lamina.Size([1, 10])
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 7, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.Conv2d(96, 256, 5, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.Conv2d(256, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))  # the identity for images of 224 pixels
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


def zfnet(num_classes: int = 1000, dropout: float = 0.5) -> ZFNet:
    """ZFNet; arguments as :class:`ZFNet`."""
    return ZFNet(num_classes, dropout)
