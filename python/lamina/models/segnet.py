"""SegNet: Badrinarayanan, Kendall & Cipolla, "SegNet: a deep convolutional encoder-decoder architecture for image
segmentation", 2015 (arXiv:1511.00561)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from lamina import nn
from lamina.tensor import Tensor

from .vgg import STAGES, WIDTHS


def _convs(channels: Sequence[int]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise(channels):
        layers += [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]
    return layers


class SegNet(nn.Module):
    """VGG-16's convolutions and their mirror image; maxima go back to where each pooling took them from.

    x [N, in, H, W] -> scores [N, classes, H, W] of each pixel; H and W at least 32.

    Args:
        in_channels: channels of the images.
        num_classes: classes of pixels.
        stages: convolutions before each pooling.
        widths: channels of each stage.

    Example:
        >>> model = lamina.models.SegNet(num_classes=5, stages=(1, 1), widths=(8, 16))
        >>> model(lamina.zeros(2, 3, 13, 16)).shape
        lamina.Size([2, 5, 13, 16])
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 12,
        stages: Sequence[int] = STAGES[16],
        widths: Sequence[int] = WIDTHS,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        before = (in_channels, *widths[:-1])
        for channels, width, count in zip(before, widths, stages, strict=True):
            self.encoder.append(nn.Sequential(*_convs([channels] + [width] * count)))
        for channels, width, count in list(zip(before, widths, stages, strict=True))[:0:-1]:
            self.decoder.append(nn.Sequential(*_convs([width] * count + [channels])))
        scores = nn.Conv2d(widths[0], num_classes, 3, padding=1)
        self.decoder.append(nn.Sequential(*_convs([widths[0]] * stages[0]), scores))
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        places: list[tuple[Tensor, Any]] = []
        for stage in self.encoder:
            full = stage(x)
            x, indices = self.pool(full)
            places.append((indices, full.shape[-2:]))
        for stage, (indices, size) in zip(self.decoder, reversed(places), strict=True):
            x = stage(self.unpool(x, indices, output_size=size))
        return x
