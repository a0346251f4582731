"""Activations: writing in place, random slopes, modules against torch's."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import functional as F

INPLACE = {
    "relu_": (), "leaky_relu_": (0.2,), "elu_": (0.7,), "celu_": (0.5,), "selu_": (), "hardtanh_": (-0.5, 0.5),
    "threshold_": (0.1, 3.0), "rrelu_": (),
}  # fmt: skip
FLAGS = ["relu6", "silu", "mish", "hardsigmoid", "hardswish"]  # torch has these with inplace=True only


@pytest.mark.parametrize("name", [*INPLACE, *FLAGS])
def test_in_place(name, torch):
    values = np.random.default_rng(0).standard_normal((3, 5)) * 3
    results = []
    for library, functional in ((lamina, F), (torch, torch.nn.functional)):
        x = library.from_numpy(values.copy()).requires_grad_()
        y = x * 2
        function, flags = getattr(functional, name), {"inplace": True} if name in FLAGS else {}
        same = function(y, *INPLACE.get(name, ()), **flags)
        assert same is y
        (y * y).sum().backward()
        plain = (x * 2).detach()
        function(plain, *INPLACE.get(name, ()), **flags)
        assert np.array_equal(plain.numpy(), y.detach().numpy())
        results.append((y.detach().numpy(), x.grad.numpy()))
    for got, want in zip(*results):
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9)  # torch rounds some constants


def test_rrelu_draws_slopes_while_training():
    x = lamina.full((2000,), -1.0).requires_grad_()
    y = F.rrelu(x, 0.2, 0.6, training=True)
    slopes = -y.detach().numpy()
    assert slopes.min() >= 0.2 and slopes.max() <= 0.6 and abs(slopes.mean() - 0.4) < 0.02
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slopes, rtol=1e-6)
    positive = lamina.ones(5)
    assert lamina.equal(F.rrelu(positive, training=True), positive)


def test_gumbel_softmax_draws_from_the_distribution():
    logits = lamina.tensor([0.2, 0.3, 0.5]).log().expand(20000, 3).requires_grad_()
    hard = F.gumbel_softmax(logits, hard=True)
    assert set(np.unique(hard.detach().numpy().round(6))) == {0.0, 1.0}
    np.testing.assert_allclose(hard.detach().numpy().mean(0), [0.2, 0.3, 0.5], atol=0.02)
    soft = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(soft.detach().numpy().sum(-1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match=r"\[gumbel_softmax\] expected tau above 0"):
        F.gumbel_softmax(logits, tau=0)


MODULES = [
    ("Sigmoid",), ("Tanh",), ("ReLU", True), ("ReLU6",), ("LeakyReLU", 0.2), ("PReLU", 4, 0.1), ("RReLU", 0.1, 0.2),
    ("ELU", 0.5), ("SELU",), ("CELU", 0.5), ("GELU", "tanh"), ("SiLU",), ("Mish",), ("Softplus", 2.0), ("Softsign",),
    ("Softshrink", 0.3), ("Hardshrink", 0.3), ("Tanhshrink",), ("Hardtanh", -0.5, 0.5), ("Hardsigmoid",),
    ("Hardswish",), ("Threshold", 0.1, 2.0), ("LogSigmoid",), ("GLU", 1), ("Softmax", 1), ("Softmax2d",),
    ("Softmin", 1), ("LogSoftmax", 1),
]  # fmt: skip


@pytest.mark.parametrize("name, arguments", [(m[0], m[1:]) for m in MODULES])
def test_modules_are_torchs(name, arguments, torch):
    values = np.random.default_rng(1).standard_normal((2, 4, 3, 3)).astype(np.float32)
    ours, theirs = getattr(nn, name)(*arguments).eval(), getattr(torch.nn, name)(*arguments).eval()
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    got, want = ours(lamina.from_numpy(values.copy())), theirs(torch.from_numpy(values.copy()))
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_modules_refuse_bad_arguments():
    with pytest.raises(ValueError, match=r"\[Softmax2d\] expected 3 or 4 dimensions"):
        nn.Softmax2d()(lamina.ones(2, 3))
    with pytest.raises(ValueError, match=r"\[Maxout\] expected at least 1 piece"):
        nn.Maxout(0)
    with pytest.raises(ValueError, match=r"\[Hardtanh\] expected min_val below max_val"):
        nn.Hardtanh(1.0, 1.0)
