"""What mobile networks are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lamina import nn


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, batch normalisation, activation; "same" padding where the stride is 1.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: one odd number.
        stride: of the convolution.
        groups: of the convolution.
        dilation: of the convolution.
        norm_layer: makes the normalisation of so many channels.
        activation_layer: makes the activation (called with ``inplace=True``); None for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        norm_layer: Callable[[int], nn.Module] = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
    ) -> None:
        padding = (kernel_size - 1) // 2 * dilation
        layers: list[Any] = [
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride, padding, dilation, groups=groups, bias=False
            ),
            norm_layer(out_channels),
        ]
        if activation_layer is not None:
            layers.append(activation_layer(inplace=True))
        super().__init__(*layers)


def make_divisible(channels: float, divisor: int = 8, smallest: int | None = None) -> int:
    """The multiple of ``divisor`` nearest to ``channels`` that loses no more than a tenth of them.

    Example:
        >>> from lamina.models.conv_norm import make_divisible
        >>> make_divisible(24 * 0.75), make_divisible(3)
        (24, 8)
    """
    smallest = divisor if smallest is None else smallest
    rounded = max(smallest, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def init_mobile(model: nn.Module) -> None:
    """Draws weights as torchvision does for mobile networks: normal, by fan out for convolutions; biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.get_parameter("bias"))
