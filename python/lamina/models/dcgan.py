"""DCGAN: Radford, Metz & Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
networks", 2015 (arXiv:1511.06434)."""

from __future__ import annotations

from lamina import nn
from lamina.tensor import Tensor


def _halvings(image_size: int, owner: str) -> int:
    """How often an image is halved to become 4×4."""
    halvings = image_size.bit_length() - 3
    if image_size < 8 or image_size != 4 << halvings:
        raise ValueError(f"[{owner}] expected an image size of 8, 16, 32, ..., got {image_size}")
    return halvings


def _initialise(model: nn.Module) -> None:
    """Normal weights of deviation 0.02, as the paper has it; those of normalisations around one."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.get_parameter("weight"), 1.0, 0.02)


class Generator(nn.Module):
    """Transposed convolutions from noise [N, latent] or [N, latent, 1, 1] to images [N, out, size, size] in [-1, 1].

    Args:
        latent: dimensions of the noise.
        out_channels: channels of the images.
        width: channels of the last hidden layer; each one before has twice as many.
        image_size: pixels of a side: a power of two of at least 8.

    Example:
        >>> lamina.models.Generator(width=8, image_size=32)(lamina.randn(2, 100)).shape
        lamina.Size([2, 3, 32, 32])
    """

    def __init__(
        self, latent: int = 100, out_channels: int = 3, width: int = 64, image_size: int = 64
    ) -> None:
        super().__init__()
        channels = width << (_halvings(image_size, "Generator") - 1)
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, channels, 4, bias=False)]
        while channels >= width:
            layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
            after = channels // 2 if channels > width else out_channels
            layers.append(nn.ConvTranspose2d(channels, after, 4, stride=2, padding=1, bias=False))
            channels //= 2
        self.main = nn.Sequential(*layers, nn.Tanh())
        _initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z.reshape(z.shape[0], -1, 1, 1))


class Discriminator(nn.Module):
    """Strided convolutions from an image to one score; x [N, in, size, size] -> [N], the logit of "real".

    Args:
        in_channels: channels of the images.
        width: channels of the first layer; each one after has twice as many.
        image_size: pixels of a side: a power of two of at least 8.

    Example:
        >>> lamina.models.Discriminator(width=8, image_size=32)(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2])
    """

    def __init__(self, in_channels: int = 3, width: int = 64, image_size: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for _ in range(_halvings(image_size, "Discriminator") - 1):
            layers += [
                nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(2 * width),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            width *= 2
        self.main = nn.Sequential(*layers, nn.Conv2d(width, 1, 4, bias=False))
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x).flatten()
