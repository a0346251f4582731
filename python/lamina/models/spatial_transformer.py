"""Spatial transformers: Jaderberg et al., "Spatial transformer networks", 2015 (arXiv:1506.02025)."""

from __future__ import annotations

import lamina
from lamina import nn
from lamina.autograd import no_grad
from lamina.nn import functional as F
from lamina.tensor import Tensor


class SpatialTransformer(nn.Module):
    """Looks at an image, chooses an affine map and samples the image through it; x [N, C, H, W] -> the same shape.

    Args:
        localization: what turns an image into features, flattened before use.
        features: how many those are.
        hidden: units between them and the six numbers of the map.

    Example:
        >>> model = lamina.models.SpatialTransformer(nn.AvgPool2d(4), features=4)
        >>> x = lamina.rand(1, 1, 8, 8)
        >>> lamina.allclose(model(x), x, atol=1e-5)  # the identity at first
        True
    """

    def __init__(self, localization: nn.Module, features: int, hidden: int = 32) -> None:
        super().__init__()
        self.localization = localization
        self.fc_loc = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 6))
        last = self.fc_loc[2]
        nn.init.zeros_(last.weight)
        with no_grad():
            last.bias.copy_(lamina.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]))

    def theta(self, x: Tensor) -> Tensor:
        """The affine map of each image, [N, 2, 3]: from places in the output to places in the input."""
        return self.fc_loc(self.localization(x).flatten(1)).reshape(-1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        grid = F.affine_grid(self.theta(x), x.shape, align_corners=False)
        return F.grid_sample(x, grid, align_corners=False)


class SpatialTransformerNet(nn.Module):
    """A small convolutional classifier behind a spatial transformer; x [N, in, 28, 28] -> [N, classes].

    Args:
        in_channels: channels of the images.
        num_classes: classes to tell apart.
        dropout: the probability of a zero in the classifier.

    Example:
        >>> lamina.models.SpatialTransformerNet()(lamina.zeros(2, 1, 28, 28)).shape
        lamina.Size([2, 10])
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10, dropout: float = 0.5) -> None:
        super().__init__()
        localization = nn.Sequential(
            nn.Conv2d(in_channels, 8, 7),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 10, 5),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
        )
        self.transformer = SpatialTransformer(localization, 10 * 3 * 3)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 10, 5),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(10, 20, 5),
            nn.Dropout2d(dropout),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Sequential(
            nn.Linear(20 * 4 * 4, 50), nn.ReLU(inplace=True), nn.Dropout(dropout), nn.Linear(50, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(self.transformer(x)).flatten(1))
