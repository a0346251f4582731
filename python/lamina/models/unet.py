"""U-Net: Ronneberger, Fischer & Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015
(arXiv:1505.04597)."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina import nn
from lamina.tensor import Tensor


def _double_conv(in_channels: int, out_channels: int, padding: int, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers.append(nn.Conv2d(channels, out_channels, 3, padding=padding, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """A path down by max pooling, a path up by transposed convolution, and the maps of each level joined across.

    x [N, in, H, W] -> scores [N, classes, H, W] of each pixel.

    Args:
        in_channels: channels of the images.
        num_classes: classes of pixels.
        widths: channels of each level, from the top down.
        padding: 1 keeps the size; 0 is the paper's, which loses a border: 572×572 -> 388×388.
        batch_norm: whether each 3×3 convolution has a batch normalisation.

    Raises:
        ValueError: where a size is odd before a pooling.

    Example:
        >>> lamina.models.UNet(widths=(8, 16, 32))(lamina.zeros(1, 1, 32, 48)).shape
        lamina.Size([1, 2, 32, 48])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        padding: int = 1,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.down, self.up, self.join = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for before, width in zip((in_channels, *widths[:-1]), widths, strict=True):
            self.down.append(_double_conv(before, width, padding, batch_norm))
        for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True):
            self.up.append(nn.ConvTranspose2d(below, width, 2, stride=2))
            self.join.append(_double_conv(2 * width, width, padding, batch_norm))
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Conv2d(widths[0], num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        levels: list[Tensor] = []
        for i, level in enumerate(self.down):
            x = level(self._pooled(x) if i else x)
            levels.append(x)
        for up, join, across in zip(self.up, self.join, levels[-2::-1], strict=True):
            x = up(x)
            x = join(lamina.cat([_centre(across, x), x], 1))
        return self.classifier(x)

    def _pooled(self, x: Tensor) -> Tensor:
        if x.shape[-2] % 2 or x.shape[-1] % 2:  # a pooling would drop a row that no way up brings back
            raise ValueError(
                f"[UNet] expected an even height and width before each pooling, got {tuple(x.shape[-2:])}"
            )
        return self.pool(x)


def _centre(x: Tensor, like: Tensor) -> Tensor:
    """The middle of x, as large as ``like``: without padding the path down has lost less than the path up."""
    height, width = like.shape[-2:]
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[:, :, top : top + height, left : left + width]
