"""Initialisation beyond test_nn: truncated normals, patterns, LSUV; alpha dropout."""

from __future__ import annotations

import math

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F


@pytest.mark.parametrize(
    "mean, std, a, b",
    [(0.0, 1.0, -2.0, 2.0), (1.0, 2.0, 0.5, 9.0), (0.0, 1.0, 5.0, 6.0), (0.0, 1.0, -math.inf, -4.0)],
)
def test_trunc_normal_has_the_cut_distribution(mean, std, a, b):
    lamina.manual_seed(0)
    values = nn.init.trunc_normal_(lamina.empty(20000, dtype=lamina.float64), mean, std, a, b).numpy()
    assert values.min() >= a and values.max() <= b
    grid = np.linspace(max(a, mean - 10 * std), min(b, mean + 10 * std), 200001)
    density = np.exp(-(((grid - mean) / std) ** 2) / 2)
    density /= density.sum()
    want = (grid * density).sum()
    spread = math.sqrt(((grid - want) ** 2 * density).sum())
    assert abs(values.mean() - want) < 5 * spread / math.sqrt(values.size)
    assert values.std() == pytest.approx(spread, rel=0.03)


def test_refusals():
    w = lamina.empty(4, 4)
    with pytest.raises(ValueError, match=r"\[trunc_normal_\] expected a < b"):
        nn.init.trunc_normal_(w, a=1.0, b=1.0)
    with pytest.raises(ValueError, match=r"\[trunc_normal_\] expected std above 0"):
        nn.init.trunc_normal_(w, std=0.0)
    with pytest.raises(ValueError, match=r"\[dirac_\] expected 3 to 5 dimensions"):
        nn.init.dirac_(w)
    with pytest.raises(ValueError, match=r"\[eye_\] expected a matrix"):
        nn.init.eye_(lamina.empty(3))
    with pytest.raises(TypeError, match=r"\[constant_\] expected a tensor"):
        nn.init.constant_([1.0], 2.0)


def test_patterns_are_torchs(torch):
    for shape, groups in [((4, 2, 3), 2), ((6, 3, 3, 2), 1), ((4, 4, 1, 3, 3), 1)]:
        got, want = lamina.empty(*shape), torch.empty(*shape)
        nn.init.dirac_(got, groups), torch.nn.init.dirac_(want, groups)
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    assert (nn.init.constant_(lamina.empty(3), 2.5) == 2.5).all()
    assert nn.init.small_random_(lamina.empty(1000)).std().item() == pytest.approx(0.01, rel=0.1)
    for name in ("linear", "conv2d", "tanh", "relu", "selu", "leaky_relu", "sigmoid"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


class Deep(nn.Module):
    """Layers out of the order in which they run, one of them never used."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(32 * 16, 10)
        self.unused = nn.Linear(3, 3)
        self.convs = nn.ModuleList(
            [nn.Conv2d(3, 32, 3, padding=1)] + [nn.Conv2d(32, 32, 3, padding=1) for _ in range(5)]
        )
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        for conv in self.convs:
            x = self.drop(F.relu(conv(x)))
        return self.last(x.flatten(1))


def test_lsuv_gives_every_layer_unit_variance():
    lamina.manual_seed(0)
    model, x = Deep(), lamina.randn(16, 3, 4, 4) * 5
    model.drop.eval()  # a mode of its own
    kept = model.unused.weight.detach().clone()
    variances = nn.init.lsuv_(model, x, tolerance=0.05)
    assert list(variances) == [f"convs.{i}" for i in range(6)] + ["last"]
    assert all(abs(v - 1) <= 0.05 for v in variances.values())
    assert model.training and not model.drop.training
    assert lamina.equal(model.unused.weight, kept)
    outputs = []
    for conv in model.convs:
        conv.register_forward_hook(lambda m, args, out: outputs.append(out.var(correction=0).item()))
    model.eval()(x)
    np.testing.assert_allclose(outputs, list(variances.values())[:6], rtol=1e-5)


def test_lsuv_can_keep_the_weights_direction():
    layer = nn.Linear(8, 8, bias=False)
    before = layer.weight.detach().clone()
    nn.init.lsuv_(layer, lamina.randn(100, 8), orthonormal=False)
    ratio = (layer.weight.detach() / before).numpy()
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)
    with pytest.raises(
        ValueError, match=r"\[lsuv_\] expected an output of the model with a variance, got 0.0"
    ):
        nn.init.lsuv_(layer, lamina.zeros(100, 8))


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(p, torch):
    lamina.manual_seed(1)
    x = lamina.randn(300, 400).requires_grad_()
    y = F.alpha_dropout(x, p, training=True)
    assert y.mean().item() == pytest.approx(0, abs=0.02) and y.std().item() == pytest.approx(1, abs=0.02)
    # Where x is 0, the two values that torch gives.
    ours = F.alpha_dropout(lamina.zeros(1000, dtype=lamina.float64), p, True).numpy()
    theirs = torch.nn.functional.alpha_dropout(torch.zeros(1000, dtype=torch.float64), p, True).numpy()
    np.testing.assert_allclose(np.unique(ours.round(9)), np.unique(theirs.round(9)), rtol=1e-8)
    y.sum().backward()
    assert set(np.unique(x.grad.numpy() != 0)) == {False, True}
    assert nn.AlphaDropout(p).eval()(x) is x and (F.alpha_dropout(x, 1.0, True) == 0).all()


def test_feature_alpha_dropout_drops_whole_channels():
    lamina.manual_seed(1)
    y = nn.FeatureAlphaDropout(0.5)(lamina.zeros(20, 30, 2, 3)).numpy()
    assert (y == y[:, :, :1, :1]).all() and len(np.unique(y)) == 2
    with pytest.raises(ValueError, match=r"\[feature_alpha_dropout\] expected at least 2 dimensions"):
        F.feature_alpha_dropout(lamina.zeros(3), 0.5, True)
    with pytest.raises(ValueError, match=r"\[AlphaDropout\] expected a probability"):
        nn.AlphaDropout(-0.1)
