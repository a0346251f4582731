"""LeNet-5, after LeCun et al., "Gradient-based learning applied to document recognition", 1998, as it is trained today:
ReLU, max pooling and a plain linear classifier."""

from __future__ import annotations

from lamina import nn
from lamina.tensor import Tensor


class LeNet5(nn.Module):
    """Two 5×5 convolutions with pooling and three linear layers; x [N, in, 28, 28] -> [N, classes].

    Args:
        in_channels: channels of the images.
        num_classes: classes to tell apart.

    Example:
        >>> import lamina
        >>> lamina.models.LeNet5()(lamina.zeros(2, 1, 28, 28)).shape
        lamina.Size([2, 10])
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * 5 * 5, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))
