"""Networks ready to train."""

from .lenet import LeNet5
from .resnet import BasicBlock, ResNet, resnet18, resnet34
from .small_resnet import SmallResNet

__all__ = ["BasicBlock", "LeNet5", "ResNet", "SmallResNet", "resnet18", "resnet34"]
