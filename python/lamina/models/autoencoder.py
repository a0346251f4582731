"""Autoencoders as they are trained today: whole, with ReLU.

Dense: Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006; convolutional: Masci et
al., "Stacked convolutional auto-encoders for hierarchical feature extraction", 2011."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from lamina import nn
from lamina.tensor import Tensor


class DenseAutoencoder(nn.Module):
    """Linear layers down to a code and back; x [N, ...] with values in [0, 1] -> the same shape.

    Args:
        sizes: features of the input, of the hidden layers and, last, of the code.

    Example:
        >>> model = lamina.models.DenseAutoencoder((64, 32, 8))
        >>> x = lamina.zeros(2, 1, 8, 8)
        >>> model(x).shape, model.encode(x).shape
        (lamina.Size([2, 1, 8, 8]), lamina.Size([2, 8]))
    """

    def __init__(self, sizes: Sequence[int] = (784, 1000, 500, 250, 30)) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_linears(sizes))
        self.decoder = nn.Sequential(*_linears(sizes[::-1]), nn.Sigmoid())

    def encode(self, x: Tensor) -> Tensor:
        """The code, [N, sizes[-1]]."""
        return self.encoder(x.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encode(x)).reshape(x.shape)


def _linears(sizes: Sequence[int]) -> list[nn.Module]:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for i, o in itertools.pairwise(sizes):
        layers += [nn.Linear(i, o), nn.ReLU(inplace=True)]
    return layers[:-1]


class ConvAutoencoder(nn.Module):
    """Strided convolutions down to a code and transposed ones back; x [N, in, H, W] in [0, 1] -> the same shape.

    Args:
        in_channels: channels of the images.
        widths: channels after each halving of the resolution; H and W are multiples of ``2 ** len(widths)``.

    Example:
        >>> model = lamina.models.ConvAutoencoder(widths=(8, 4))
        >>> x = lamina.zeros(2, 1, 28, 28)
        >>> model(x).shape, model.encode(x).shape
        (lamina.Size([2, 1, 28, 28]), lamina.Size([2, 4, 7, 7]))
    """

    def __init__(self, in_channels: int = 1, widths: Sequence[int] = (16, 32)) -> None:
        super().__init__()
        channels = (in_channels, *widths)
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for i, o in itertools.pairwise(channels):
            down += [nn.Conv2d(i, o, 3, stride=2, padding=1), nn.ReLU(inplace=True)]
            up = [nn.ConvTranspose2d(o, i, 4, stride=2, padding=1), nn.ReLU(inplace=True), *up]
        self.encoder = nn.Sequential(*down)
        self.decoder = nn.Sequential(*up[:-1], nn.Sigmoid())

    def encode(self, x: Tensor) -> Tensor:
        """The code, [N, widths[-1], H / 2 ** len(widths), W / 2 ** len(widths)]."""
        return self.encoder(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encode(x))
