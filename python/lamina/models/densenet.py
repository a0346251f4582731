"""Densely connected networks: Huang et al., "Densely connected convolutional networks", 2016 (arXiv:1608.06993).

Parameters bear torchvision's names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import lamina
from lamina import nn
from lamina.nn import functional as F
from lamina.nn import fusion
from lamina.tensor import Tensor


class DenseLayer(nn.Module):
    """``growth_rate`` new maps from all maps so far: norm, ReLU, 1×1, norm, ReLU, 3×3."""

    def __init__(self, in_channels: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        hidden = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(in_channels, hidden, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(hidden)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(hidden, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = drop_rate

    def forward(self, x: Tensor) -> Tensor:
        y = fusion.run((self.norm1, self.relu1, self.conv1, self.norm2, self.relu2, self.conv2), x)
        return F.dropout(y, self.drop_rate, self.training) if self.drop_rate else y


class DenseBlock(nn.Module):
    """Layers that each see the maps of all before; x [N, in, H, W] -> [N, in + layers * growth_rate, H, W]."""

    def __init__(
        self, layers: int, in_channels: int, bn_size: int, growth_rate: int, drop_rate: float
    ) -> None:
        super().__init__()
        for i in range(layers):
            layer = DenseLayer(in_channels + i * growth_rate, growth_rate, bn_size, drop_rate)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = lamina.cat([x, layer(x)], 1)
        return x


def _transition(in_channels: int, out_channels: int) -> nn.Sequential:
    """Half the maps, half the resolution."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(in_channels, out_channels, 1, bias=False),
            pool=nn.AvgPool2d(2, stride=2),
        )
    )


class DenseNet(nn.Module):
    """Stem, four dense blocks with transitions between them, mean, linear classifier; x [N, 3, H, W] -> [N, classes].

    Args:
        growth_rate: maps that each layer adds, the paper's k.
        block_config: layers in each block.
        num_init_features: channels of the stem.
        bn_size: channels between a layer's two convolutions, in growth rates.
        drop_rate: the probability of a zero behind each layer.
        num_classes: classes to tell apart.

    Example:
        >>> model = lamina.models.DenseNet(8, (2, 2, 2, 2), 16, num_classes=10)
        >>> model(lamina.zeros(2, 3, 32, 32)).shape
        lamina.Size([2, 10])
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        channels = num_init_features
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(channels),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        for i, count in enumerate(block_config, 1):
            layers[f"denseblock{i}"] = DenseBlock(count, channels, bn_size, growth_rate, drop_rate)
            channels += count * growth_rate
            if i < len(block_config):
                layers[f"transition{i}"] = _transition(channels, channels // 2)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.get_parameter("bias"))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x), inplace=True)
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def densenet121(**options: Any) -> DenseNet:
    """DenseNet of 121 layers; options as :class:`DenseNet`."""
    return DenseNet(32, (6, 12, 24, 16), 64, **options)


def densenet161(**options: Any) -> DenseNet:
    """DenseNet of 161 layers; options as :class:`DenseNet`."""
    return DenseNet(48, (6, 12, 36, 24), 96, **options)


def densenet169(**options: Any) -> DenseNet:
    """DenseNet of 169 layers; options as :class:`DenseNet`."""
    return DenseNet(32, (6, 12, 32, 32), 64, **options)


def densenet201(**options: Any) -> DenseNet:
    """DenseNet of 201 layers; options as :class:`DenseNet`."""
    return DenseNet(32, (6, 12, 48, 32), 64, **options)
