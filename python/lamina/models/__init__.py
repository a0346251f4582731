"""Networks ready to train."""

from .small_resnet import ResidualBlock, SmallResNet

__all__ = ["ResidualBlock", "SmallResNet"]
