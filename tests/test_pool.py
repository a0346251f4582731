"""Pooling layers: torch's repr, pooling and its inverse, memory order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
import lamina.nn.functional as F
from lamina import nn


def channels_last(x: lamina.Tensor) -> lamina.Tensor:
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("LPPool1d", (2, 3), {"stride": 2}),
        ("LPPool2d", (1.5, (3, 2)), {"ceil_mode": True}),
        ("MaxUnpool2d", (3, 2, 1), {}),
        ("MaxUnpool3d", ((2, 3, 1),), {}),
        ("Unfold", ((3, 2),), {"padding": 1}),
        ("Fold", ((4, 5), (3, 2)), {"stride": (1, 2)}),
        ("MaxPool3d", (2,), {"return_indices": True}),
        ("AvgPool3d", (3, 2), {"divisor_override": 4}),
    ],
)
def test_reprs_are_torchs(torch: Any, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    assert repr(getattr(nn, name)(*arguments, **options)) == repr(
        getattr(torch.nn, name)(*arguments, **options)
    )


@pytest.mark.parametrize("arrange", [lambda x: x, channels_last], ids=["row-major", "channels-last"])
def test_unpool_inverts_pool(arrange: Any) -> None:
    x = arrange(lamina.rand(2, 20, 7, 9) + 0.1)
    y, indices = nn.MaxPool2d(2, return_indices=True)(x)
    back = nn.MaxUnpool2d(2)(y, indices, output_size=x.shape)
    assert back.shape == x.shape and back.stride() == x.stride()
    kept = back != 0
    assert int(kept.sum()) == y.numel()
    np.testing.assert_array_equal(back.numpy()[kept.numpy()], x.numpy()[kept.numpy()])
    np.testing.assert_array_equal(F.max_pool2d(back, 2).numpy(), y.numpy())


def test_fractional_pool_draws_anew_and_from_the_seed() -> None:
    layer = nn.FractionalMaxPool2d(2, output_ratio=(0.6, 0.5))
    x = lamina.rand(2, 3, 21, 17)
    lamina.manual_seed(5)
    first, second = layer(x), layer(x)
    lamina.manual_seed(5)
    assert first.shape == (2, 3, 12, 8)
    np.testing.assert_array_equal(first.numpy(), layer(x).numpy())
    assert (first != second).any()
    with pytest.raises(ValueError, match=r"\[FractionalMaxPool3d\] expected one of output_size and"):
        nn.FractionalMaxPool3d(2)
