"""A residual network for small images that trains in minutes on a CPU."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import nn
from lamina.tensor import Tensor

from .resnet import BasicBlock


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
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2) if pool_stem else nn.Identity(),
        )
        sizes = zip([widths[0], *widths[:-1]], widths, strict=True)
        blocks = [BasicBlock(i, o, stride=2 if k else 1) for k, (i, o) in enumerate(sizes)]
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images [N, in_channels, H, W] -> class scores [N, num_classes]."""
        features = self.pool(self.blocks(self.stem(x)))  # [N, widths[-1], 1, 1]
        scores: Tensor = self.classifier(features.flatten(1))
        return scores
