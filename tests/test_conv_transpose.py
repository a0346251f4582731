"""Transposed convolution layers: torch's keys, start and output sizes; the algorithm asked for runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
import lamina.nn.functional as F


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "padding": 1}),
        ("ConvTranspose2d", (4, 6, (3, 2)), {"groups": 2, "stride": 3, "output_padding": (1, 2)}),
        ("ConvTranspose3d", (2, 3, 2), {"dilation": 2, "bias": False, "output_padding": 1}),
    ],
)
def test_modules_are_torchs(
    torch: Any, name: str, arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    ours, theirs = (
        getattr(lamina.nn, name)(*arguments, **options),
        getattr(torch.nn, name)(*arguments, **options),
    )
    assert repr(ours) == repr(theirs)
    a, b = ours.state_dict(), theirs.state_dict()
    assert {k: tuple(v.shape) for k, v in a.items()} == {k: tuple(v.shape) for k, v in b.items()}
    bound = 1 / np.sqrt(theirs.weight[0].numel())
    assert all(float(abs(v.numpy()).max()) <= bound for v in a.values())
    theirs.load_state_dict({k: torch.from_numpy(v.numpy()) for k, v in a.items()})
    x = np.random.default_rng(0).standard_normal((2, arguments[0], *[4] * int(name[-2]))).astype("float32")
    want = theirs(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(ours(lamina.tensor(x)).detach().numpy(), want, rtol=1e-5, atol=1e-5)


def test_output_size() -> None:
    layer = lamina.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1)
    x = lamina.ones(2, 3, 5, 6)
    assert layer(x).shape == (2, 4, 9, 11)
    assert layer(x, output_size=(10, 11)).shape == (2, 4, 10, 11)
    assert layer(x, output_size=(2, 4, 9, 12)).shape == (2, 4, 9, 12)
    assert layer(x[0], output_size=(3, 10, 12)).shape == (4, 10, 12)
    with pytest.raises(
        ValueError, match=r"expected an output_size from \(9, 11\) to \(10, 12\), got \(11, 11\)"
    ):
        layer(x, output_size=(11, 11))
    with pytest.raises(ValueError, match=r"expected an output_size of 2 or 4 numbers"):
        layer(x, output_size=(9,))


def test_bad_modules() -> None:
    with pytest.raises(ValueError, match=r"\[ConvTranspose2d\] expected padding_mode to be 'zeros'"):
        lamina.nn.ConvTranspose2d(3, 4, 3, padding_mode="circular")
    with pytest.raises(
        ValueError, match=r"\[ConvTranspose1d\] expected channels of at least 1 that groups=2"
    ):
        lamina.nn.ConvTranspose1d(3, 4, 3, groups=2)


@pytest.mark.parametrize("algorithm", ["implicit", "reference"])
@pytest.mark.parametrize("groups", [1, 4])
def test_algorithms_agree(algorithm: str, groups: int) -> None:
    rng = np.random.default_rng(0)
    x = lamina.tensor(rng.standard_normal((2, 20, 7, 6)).astype("float32"))
    w = lamina.tensor(rng.standard_normal((20, 24 // groups, 4, 4)).astype("float32"))
    bias = lamina.tensor(rng.standard_normal(24).astype("float32"))
    want = F.conv_transpose2d(x.double(), w.double(), bias.double(), 2, 1, 1, groups)
    with F.conv_algorithm(algorithm):
        got = F.conv_transpose2d(x, w, bias, 2, 1, 1, groups)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-4, atol=1e-4)


def test_is_the_convolutions_input_gradient() -> None:
    rng = np.random.default_rng(0)
    x = lamina.tensor(rng.standard_normal((2, 6, 9, 8))).requires_grad_()
    w = lamina.tensor(rng.standard_normal((4, 6, 3, 3)))
    y = F.conv2d(x, w, stride=2, padding=1)
    dy = lamina.tensor(rng.standard_normal(y.shape))
    (dx,) = lamina.autograd.grad(y, x, dy)
    np.testing.assert_allclose(
        F.conv_transpose2d(dy, w, stride=2, padding=1, output_padding=(0, 1)).numpy(), dx.numpy(), atol=1e-12
    )
