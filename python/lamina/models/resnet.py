"""Residual networks of basic blocks, after He et al., "Deep residual learning for image recognition", 2015
(arXiv:1512.03385), with the names of torchvision's parameters, so that its state dicts load."""

from __future__ import annotations

from collections.abc import Sequence

from lamina import nn
from lamina.nn import fusion
from lamina.tensor import Tensor


class BasicBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)); x [N, in, H, W] -> [N, out, H/stride, W/stride]."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = fusion.run((self.conv1, self.bn1, self.relu), x)
        shortcut = x if self.downsample is None else self.downsample(x)
        return fusion.run((self.conv2, self.bn2, self.relu), y, residual=shortcut)


class ResNet(nn.Module):
    """Stem, four stages of basic blocks that halve the resolution and double the channels, mean, linear classifier.

    Args:
        blocks: basic blocks in each stage.
        num_classes: classes to tell apart.
        small_images: a 3×3 stem that keeps the resolution, for CIFAR's 32×32 pixels; default: 7×7 with stride 2 and max
            pooling, for ImageNet's 224×224.

    Example:
        >>> import lamina
        >>> model = lamina.models.resnet18(num_classes=10, small_images=True)
        >>> model(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    def __init__(self, blocks: Sequence[int], num_classes: int = 1000, small_images: bool = False) -> None:
        super().__init__()
        if small_images:
            self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = nn.Identity() if small_images else nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, blocks[0], stride=1)
        self.layer2 = _stage(64, 128, blocks[1], stride=2)
        self.layer3 = _stage(128, 256, blocks[2], stride=2)
        self.layer4 = _stage(256, 512, blocks[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(fusion.run((self.conv1, self.bn1, self.relu), x))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(in_channels, out_channels, stride)
    return nn.Sequential(first, *(BasicBlock(out_channels, out_channels) for _ in range(blocks - 1)))


def resnet18(num_classes: int = 1000, small_images: bool = False) -> ResNet:
    """ResNet of 18 layers; arguments as :class:`ResNet`."""
    return ResNet((2, 2, 2, 2), num_classes, small_images)


def resnet34(num_classes: int = 1000, small_images: bool = False) -> ResNet:
    """ResNet of 34 layers; arguments as :class:`ResNet`."""
    return ResNet((3, 4, 6, 3), num_classes, small_images)
