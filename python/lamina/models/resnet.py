"""Residual networks: He et al., "Deep residual learning for image recognition", 2015 (arXiv:1512.03385).

Also wide ones (Zagoruyko & Komodakis, arXiv:1605.07146) and ResNeXt, of grouped convolutions (Xie et al.,
arXiv:1611.05431).  Parameters bear torchvision's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from lamina import nn
from lamina.nn import fusion
from lamina.tensor import Tensor

NormLayer = Callable[[int], nn.Module]


def _shortcut(in_channels: int, out_channels: int, stride: int, norm_layer: NormLayer) -> nn.Module | None:
    """The projection where the block changes the shape; None where the input itself is added."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), norm_layer(out_channels)
    )


class BasicBlock(nn.Module):
    """relu(bn(conv(relu(bn(conv(x))))) + shortcut(x)); x [N, in, H, W] -> [N, out, H/stride, W/stride]."""

    expansion: ClassVar[int] = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        width_per_group: int = 64,
        norm_layer: NormLayer = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        if groups != 1 or width_per_group != 64 or dilation != 1:
            raise ValueError(
                "[BasicBlock] expected groups=1, width_per_group=64 and dilation=1, "
                f"got {groups}, {width_per_group} and {dilation}"
            )
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = norm_layer(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = norm_layer(channels)
        self.downsample = _shortcut(in_channels, channels, stride, norm_layer)

    def forward(self, x: Tensor) -> Tensor:
        y = fusion.run((self.conv1, self.bn1, self.relu), x)
        shortcut = x if self.downsample is None else self.downsample(x)
        return fusion.run((self.conv2, self.bn2, self.relu), y, residual=shortcut)


class Bottleneck(nn.Module):
    """A 3×3 convolution between two 1×1 ones, and a shortcut; x [N, in, H, W] -> [N, 4 channels, H/stride, W/stride].

    The stride is the 3×3 convolution's, as torchvision has it ("ResNet v1.5"); the paper's is the first 1×1's.
    """

    expansion: ClassVar[int] = 4

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        width_per_group: int = 64,
        norm_layer: NormLayer = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        width = channels * width_per_group // 64 * groups
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = norm_layer(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride=stride, padding=dilation, dilation=dilation, groups=groups, bias=False
        )
        self.bn2 = norm_layer(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = norm_layer(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride, norm_layer)

    def forward(self, x: Tensor) -> Tensor:
        y = fusion.run((self.conv1, self.bn1, self.relu, self.conv2, self.bn2, self.relu), x)
        shortcut = x if self.downsample is None else self.downsample(x)
        return fusion.run((self.conv3, self.bn3, self.relu), y, residual=shortcut)


class ResNet(nn.Module):
    """Stem, four stages of blocks that halve the resolution and double the channels, mean, linear classifier.

    Args:
        block: :class:`BasicBlock` or :class:`Bottleneck`.
        layers: blocks in each stage.
        num_classes: classes to tell apart.
        zero_init_residual: start every block as its shortcut (Goyal et al., arXiv:1706.02677).
        groups: of the bottlenecks' 3×3 convolutions.
        width_per_group: their channels a group in the first stage.
        replace_stride_with_dilation: for stages 2 to 4, whether dilation stands in for the stride.
        norm_layer: makes the normalisation of so many channels.
        small_images: a 3×3 stem that keeps the resolution, for CIFAR's 32×32 pixels; default: 7×7 with stride 2 and max
            pooling, for ImageNet's 224×224.

    Example:
        >>> model = lamina.models.resnet18(num_classes=10, small_images=True)
        >>> model(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] = (False, False, False),
        norm_layer: NormLayer = nn.BatchNorm2d,
        small_images: bool = False,
    ) -> None:
        super().__init__()
        if len(layers) != 4 or len(replace_stride_with_dilation) != 3:
            raise ValueError(
                "[ResNet] expected 4 numbers of blocks and 3 choices of dilation, "
                f"got {tuple(layers)} and {tuple(replace_stride_with_dilation)}"
            )
        if small_images:
            self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = nn.Identity() if small_images else nn.MaxPool2d(3, stride=2, padding=1)
        in_channels, dilation = 64, 1
        for stage, blocks in enumerate(layers):
            channels, stride = 64 << stage, 2 if stage else 1
            first_dilation = dilation
            if stage and replace_stride_with_dilation[stage - 1]:
                dilation, stride = dilation * stride, 1
            row = nn.Sequential()
            for i in range(blocks):
                steps = (stride, first_dilation) if i == 0 else (1, dilation)
                row.append(block(in_channels, channels, *steps, groups, width_per_group, norm_layer))
                in_channels = channels * block.expansion
            self.add_module(f"layer{stage + 1}", row)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, num_classes)
        self._initialise(zero_init_residual)

    def _initialise(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
                last = module.bn2 if isinstance(module, BasicBlock) else module.bn3
                nn.init.zeros_(last.get_parameter("weight"))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(fusion.run((self.conv1, self.bn1, self.relu), x))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet of 18 layers; options as :class:`ResNet`."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, **options)


def resnet34(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet of 34 layers; options as :class:`ResNet`."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, **options)


def resnet50(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet of 50 layers; options as :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, **options)


def resnet101(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet of 101 layers; options as :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, **options)


def resnet152(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet of 152 layers; options as :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes, **options)


def resnext50_32x4d(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNeXt of 50 layers, 32 groups of 4 channels; options as :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, groups=32, width_per_group=4, **options)


def resnext101_32x8d(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNeXt of 101 layers, 32 groups of 8 channels; options as :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, groups=32, width_per_group=8, **options)


def wide_resnet50_2(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet of 50 layers whose 3×3 convolutions are twice as wide; options as :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, width_per_group=128, **options)


def wide_resnet101_2(num_classes: int = 1000, **options: Any) -> ResNet:
    """ResNet of 101 layers whose 3×3 convolutions are twice as wide; options as :class:`ResNet`."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, width_per_group=128, **options)
