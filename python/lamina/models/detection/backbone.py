"""Feature pyramids: Lin et al., "Feature pyramid networks for object detection", 2016 (arXiv:1612.03144)."""

from __future__ import annotations

from collections.abc import Sequence

import lamina
from lamina import nn
from lamina.nn import functional as F
from lamina.nn import fusion
from lamina.tensor import Tensor

from ..resnet import ResNet


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation by fixed numbers: detectors train on too few images at once for statistics of their own.

    Args:
        num_features: channels.
        eps: added to the variance.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", lamina.ones(num_features))
        self.register_buffer("bias", lamina.zeros(num_features))
        self.register_buffer("running_mean", lamina.zeros(num_features))
        self.register_buffer("running_var", lamina.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


class ResNetBody(nn.Module):
    """The stages of a residual network; x [N, 3, H, W] -> maps at strides 4, 8, 16 and 32."""

    def __init__(self, resnet: ResNet) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu, self.maxpool = resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool
        self.layer1, self.layer2 = resnet.layer1, resnet.layer2
        self.layer3, self.layer4 = resnet.layer3, resnet.layer4

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.maxpool(fusion.run((self.conv1, self.bn1, self.relu), x))
        maps: list[Tensor] = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


class FeaturePyramid(nn.Module):
    """Maps of every resolution with the meaning of the coarsest: from the top down, each added to the one below.

    Args:
        in_channels: channels of the maps, the finest first.
        out_channels: channels of all results.

    Example:
        >>> pyramid = lamina.models.detection.FeaturePyramid((4, 8), 6)
        >>> maps = pyramid([lamina.zeros(1, 4, 16, 16), lamina.zeros(1, 8, 8, 8)])
        >>> [tuple(maps[name].shape) for name in maps]
        [(1, 6, 16, 16), (1, 6, 8, 8), (1, 6, 4, 4)]
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(c, out_channels, 1)) for c in in_channels)
        self.layer_blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(out_channels, out_channels, 3, padding=1)) for _ in in_channels
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, maps: Sequence[Tensor]) -> dict[str, Tensor]:
        """The maps by name: "0" (the finest), "1", ..., and "pool", half the coarsest."""
        top: Tensor | None = None
        results: list[Tensor] = []
        for x, inner, layer in list(zip(maps, self.inner_blocks, self.layer_blocks, strict=True))[::-1]:
            lateral = inner(x)
            if top is not None:
                lateral = lateral + F.interpolate(top, size=lateral.shape[-2:], mode="nearest")
            top = lateral
            results.append(layer(top))
        named = {str(i): result for i, result in enumerate(reversed(results))}
        return named | {"pool": results[0][:, :, ::2, ::2]}


class ResNetFPN(nn.Module):
    """A residual network and a feature pyramid on its stages.

    Args:
        resnet: of any depth.
        out_channels: channels of each level.
        trainable_layers: how many of stem and stages are trained, counted from the top; 5 for all.
    """

    def __init__(self, resnet: ResNet, out_channels: int = 256, trainable_layers: int = 5) -> None:
        super().__init__()
        if not 0 <= trainable_layers <= 5:
            raise ValueError(f"[ResNetFPN] expected 0 to 5 trainable layers, got {trainable_layers}")
        self.out_channels = out_channels
        top = resnet.fc.in_features
        self.body = ResNetBody(resnet)
        self.fpn = FeaturePyramid([top // 8, top // 4, top // 2, top], out_channels)
        trained = ("layer4", "layer3", "layer2", "layer1", "conv1")[:trainable_layers]
        for name, parameter in self.body.named_parameters():
            if trainable_layers < 5 and not name.startswith(trained):
                parameter.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return self.fpn(self.body(x))
