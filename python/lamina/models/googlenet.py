"""GoogLeNet: Szegedy et al., "Going deeper with convolutions", 2014 (arXiv:1409.4842).

As in torchvision, with its names of parameters: batch normalisation, and 3×3 kernels where the paper has 5×5."""

from __future__ import annotations

from typing import Any, NamedTuple

import lamina
from lamina import nn
from lamina.nn import functional as F
from lamina.nn import fusion
from lamina.tensor import Tensor


class GoogLeNetOutputs(NamedTuple):
    """Scores [N, classes] of the classifier and, in training, of the two auxiliary ones."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class BasicConv2d(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, bias=False, **options)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return fusion.run((self.conv, self.bn, self.relu), x)


class Inception(nn.Module):
    """Four branches side by side: 1×1, two 3×3 after 1×1 reductions, and pooling with a 1×1 projection.

    Args:
        in_channels: of the input.
        ch1x1: channels of the first branch.
        ch3x3red, ch3x3: of the second, between and at its end.
        ch5x5red, ch5x5: of the third likewise.
        pool_proj: of the fourth.
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
    ) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(in_channels, ch1x1, 1)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, ch3x3red, 1), BasicConv2d(ch3x3red, ch3x3, 3, padding=1)
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, ch5x5red, 1), BasicConv2d(ch5x5red, ch5x5, 3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), BasicConv2d(in_channels, pool_proj, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return lamina.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """A classifier on features half way, whose loss brings gradients to the early layers."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7) -> None:
        super().__init__()
        self.conv = BasicConv2d(in_channels, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class GoogLeNet(nn.Module):
    """Stem, nine inception modules, mean, linear classifier; x [N, 3, H, W] -> [N, classes].

    Args:
        num_classes: classes to tell apart.
        aux_logits: whether to have the auxiliary classifiers; in training the result is then
            :class:`GoogLeNetOutputs`.
        transform_input: take images normalised with ImageNet's statistics to a mean and deviation of 0.5.
        init_weights: draw weights from the truncated normal distribution of deviation 0.01, as torchvision does.
        dropout: the probability of a zero before the classifier.
        dropout_aux: the same in the auxiliary classifiers.

    Example:
        >>> model = lamina.models.googlenet(num_classes=10).eval()
        >>> model(lamina.zeros(1, 3, 64, 64)).shape
        lamina.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool = True,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = BasicConv2d(3, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, 1)
        self.conv3 = BasicConv2d(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = InceptionAux(512, num_classes, dropout_aux) if aux_logits else None
        self.aux2 = InceptionAux(528, num_classes, dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            for module in self.modules():
                if isinstance(module, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(module.weight, mean=0.0, std=0.01, a=-2, b=2)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        if self.transform_input:
            x = to_half_range(x)
        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        early = self.inception4a(x)
        late = self.inception4d(self.inception4c(self.inception4b(early)))
        x = self.maxpool4(self.inception4e(late))
        x = self.inception5b(self.inception5a(x))
        logits: Tensor = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux1 is not None and self.aux2 is not None:
            return GoogLeNetOutputs(logits, self.aux2(late), self.aux1(early))
        return logits


def to_half_range(x: Tensor) -> Tensor:
    """Images [N, 3, H, W] normalised with ImageNet's statistics, normalised with mean and deviation 0.5 instead."""
    channels = [
        x[:, i : i + 1] * (std / 0.5) + (mean - 0.5) / 0.5
        for i, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True))
    ]
    return lamina.cat(channels, 1)


def googlenet(**options: Any) -> GoogLeNet:
    """GoogLeNet; options as :class:`GoogLeNet`."""
    return GoogLeNet(**options)
