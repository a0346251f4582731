"""A small residual network for small images, after He et al., "Deep residual learning for image recognition", 2015
(arXiv:1512.03385)."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import nn
from lamina.tensor import Tensor


class ResidualBlock(nn.Module):
    """relu(conv-bn-relu-conv-bn(x) + shortcut(x)), 3×3 convolutions; x [N, in, H, W] -> [N, out, H/stride, W/stride].

    The shortcut is the identity, or a 1×1 convolution where the shape changes.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + self.shortcut(x))


class SmallResNet(nn.Module):
    """Stem, one residual block per width with halved resolution in between, mean over pixels, linear classifier.

    Args:
        in_channels: channels of the images.
        num_classes: classes to tell apart.
        widths: channels of the blocks; the stem has those of the first.
        pool_stem: halve the resolution after the stem: for images of 28 pixels and more.

    Example:
        >>> import lamina
        >>> model = lamina.models.SmallResNet(widths=(16, 32, 64))
        >>> model(lamina.zeros(2, 1, 8, 8)).shape
        lamina.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        widths: Sequence[int] = (32, 64, 128),
        pool_stem: bool = False,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
            nn.MaxPool2d(2) if pool_stem else nn.Identity(),
        )
        inputs = [widths[0], *widths[:-1]]
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(i, o, stride=2 if k else 1)
                for k, (i, o) in enumerate(zip(inputs, widths, strict=True))
            )
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, in_channels, H, W] -> class scores [N, num_classes]."""
        features = self.pool(self.blocks(self.stem(x)))  # [N, widths[-1], 1, 1]
        return self.classifier(features.flatten(1))
