"""Inception-v3: Szegedy et al., "Rethinking the inception architecture for computer vision", 2015 (arXiv:1512.00567).

Parameters bear torchvision's names."""

from __future__ import annotations

from typing import Any, NamedTuple

import lamina
from lamina import nn
from lamina.nn import functional as F
from lamina.tensor import Tensor

from .googlenet import BasicConv2d, to_half_range


class InceptionOutputs(NamedTuple):
    """Scores [N, classes] of the classifier and, in training, of the auxiliary one."""

    logits: Tensor
    aux_logits: Tensor | None


def _row(in_channels: int, c7: int) -> dict[str, Any]:
    """A 1×7 convolution."""
    return {"in_channels": in_channels, "out_channels": c7, "kernel_size": (1, 7), "padding": (0, 3)}


def _column(in_channels: int, c7: int) -> dict[str, Any]:
    """A 7×1 convolution."""
    return {"in_channels": in_channels, "out_channels": c7, "kernel_size": (7, 1), "padding": (3, 0)}


class InceptionA(nn.Module):
    """1×1, 5×5, two 3×3 and pooling side by side, on 35×35 maps."""

    def __init__(self, in_channels: int, pool_features: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(in_channels, 64, 1)
        self.branch5x5_1 = BasicConv2d(in_channels, 48, 1)
        self.branch5x5_2 = BasicConv2d(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, padding=1)
        self.branch_pool = BasicConv2d(in_channels, pool_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        branches = [
            self.branch1x1(x),
            self.branch5x5_2(self.branch5x5_1(x)),
            self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x))),
            self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1)),
        ]
        return lamina.cat(branches, 1)


class InceptionB(nn.Module):
    """From 35×35 to 17×17 maps: strided convolutions beside a pooling."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(in_channels, 384, 3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        branches = [self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)]
        return lamina.cat(branches, 1)


class InceptionC(nn.Module):
    """7×7 convolutions in rows and columns, on 17×17 maps; the inner channels are ``channels_7x7``."""

    def __init__(self, in_channels: int, channels_7x7: int) -> None:
        super().__init__()
        c7 = channels_7x7
        self.branch1x1 = BasicConv2d(in_channels, 192, 1)
        self.branch7x7_1 = BasicConv2d(in_channels, c7, 1)
        self.branch7x7_2 = BasicConv2d(**_row(c7, c7))
        self.branch7x7_3 = BasicConv2d(**_column(c7, 192))
        self.branch7x7dbl_1 = BasicConv2d(in_channels, c7, 1)
        self.branch7x7dbl_2 = BasicConv2d(**_column(c7, c7))
        self.branch7x7dbl_3 = BasicConv2d(**_row(c7, c7))
        self.branch7x7dbl_4 = BasicConv2d(**_column(c7, c7))
        self.branch7x7dbl_5 = BasicConv2d(**_row(c7, 192))
        self.branch_pool = BasicConv2d(in_channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pooled = self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1))
        return lamina.cat([self.branch1x1(x), single, double, pooled], 1)


class InceptionD(nn.Module):
    """From 17×17 to 8×8 maps."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch3x3_1 = BasicConv2d(in_channels, 192, 1)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(in_channels, 192, 1)
        self.branch7x7x3_2 = BasicConv2d(**_row(192, 192))
        self.branch7x7x3_3 = BasicConv2d(**_column(192, 192))
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        long = self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x)))
        branches = [
            self.branch3x3_2(self.branch3x3_1(x)),
            self.branch7x7x3_4(long),
            F.max_pool2d(x, 3, stride=2),
        ]
        return lamina.cat(branches, 1)


class InceptionE(nn.Module):
    """3×3 convolutions whose rows and columns lie side by side, on 8×8 maps."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(in_channels, 320, 1)
        self.branch3x3_1 = BasicConv2d(in_channels, 384, 1)
        self.branch3x3_2a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = BasicConv2d(in_channels, 448, 1)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = BasicConv2d(in_channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        single = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1)),
        ]
        return lamina.cat(branches, 1)


class AuxiliaryClassifier(nn.Module):
    """A classifier on the 17×17 maps, whose loss brings gradients to the early layers."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv0 = BasicConv2d(in_channels, 128, 1)
        self.conv1 = BasicConv2d(128, 768, 5)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, stride=3)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class Inception3(nn.Module):
    """Inception-v3; x [N, 3, H, W] -> [N, classes], made for 299×299 pixels; at least 75, and in
    training with ``aux_logits`` 299.

    Args:
        num_classes: classes to tell apart.
        aux_logits: whether to have the auxiliary classifier; in training the result is then
            :class:`InceptionOutputs`.
        transform_input: take images normalised with ImageNet's statistics to a mean and deviation of 0.5.
        init_weights: draw weights from truncated normal distributions, as torchvision does.
        dropout: the probability of a zero before the classifier.

    Example:
        >>> model = lamina.models.inception_v3(num_classes=10).eval()
        >>> model(lamina.zeros(1, 3, 75, 75)).shape
        lamina.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = InceptionA(192, pool_features=32)
        self.Mixed_5c = InceptionA(256, pool_features=64)
        self.Mixed_5d = InceptionA(288, pool_features=64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, channels_7x7=128)
        self.Mixed_6c = InceptionC(768, channels_7x7=160)
        self.Mixed_6d = InceptionC(768, channels_7x7=160)
        self.Mixed_6e = InceptionC(768, channels_7x7=192)
        self.AuxLogits = AuxiliaryClassifier(768, num_classes) if aux_logits else None
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280)
        self.Mixed_7c = InceptionE(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights:
            self._initialise()

    def _initialise(self) -> None:
        narrow = {"AuxLogits.conv1.conv": 0.01, "AuxLogits.fc": 0.001}
        for name, module in self.named_modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, mean=0.0, std=narrow.get(name, 0.1), a=-2, b=2)

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        if self.transform_input:
            x = to_half_range(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        middle = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(middle)))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.AuxLogits is not None:
            return InceptionOutputs(logits, self.AuxLogits(middle))
        return logits


def inception_v3(**options: Any) -> Inception3:
    """Inception-v3; options as :class:`Inception3`."""
    return Inception3(**options)
