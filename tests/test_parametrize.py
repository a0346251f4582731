"""Weight norm, spectral norm and other parametrizations against torch's."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn.utils import parametrizations, parametrize

LAYERS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "linear": (lambda nn: nn.Linear(3, 4), (5, 3)),
    "conv": (lambda nn: nn.Conv2d(3, 4, 2), (5, 3, 4, 4)),
    "transposed": (lambda nn: nn.ConvTranspose1d(3, 4, 2), (5, 3, 4)),
}


def norms(torch_or_lamina: Any) -> dict[str, Callable[[Any], Any]]:
    utils = torch_or_lamina.nn.utils
    return {
        "weight": utils.parametrizations.weight_norm,
        "weight of all": lambda m: utils.parametrizations.weight_norm(m, dim=None),
        "weight of inputs": lambda m: utils.parametrizations.weight_norm(m, dim=1),
        "bias": lambda m: utils.parametrizations.weight_norm(m, "bias"),
        "spectral": utils.parametrizations.spectral_norm,
        "spectral of inputs": lambda m: utils.parametrizations.spectral_norm(m, n_power_iterations=3, dim=1),
        "spectral bias": lambda m: utils.parametrizations.spectral_norm(m, "bias", dim=0),
        "hooked weight": utils.weight_norm,
        "hooked weight of all": lambda m: utils.weight_norm(m, dim=None),
        "hooked spectral": utils.spectral_norm,
        "hooked spectral of inputs": lambda m: utils.spectral_norm(m, n_power_iterations=3, dim=1),
    }


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", norms(lamina))
def test_norms_are_torchs(kind: str, layer: str, torch: Any) -> None:
    """Keys, repr, outputs, gradients and the power method's state, in training and in evaluation."""
    make, shape = LAYERS[layer]
    ours, theirs = norms(lamina)[kind](make(nn).double()), norms(torch)[kind](make(torch.nn).double())
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in ours.state_dict().items()})
    x = np.random.default_rng(0).standard_normal(shape)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        got, want = ours(lamina.from_numpy(x)), theirs(torch.from_numpy(x))
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-10, atol=1e-12)
        (got * got).sum().backward()
        (want * want).sum().backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind", ["weight", "spectral"])
def test_removal_leaves_the_weight(kind: str) -> None:
    layer, hooked = nn.Linear(3, 4), nn.Linear(3, 4)
    getattr(parametrizations, f"{kind}_norm")(layer)
    getattr(nn.utils, f"{kind}_norm")(hooked)
    x = lamina.randn(2, 3)
    layer.eval(), hooked.eval()
    want, hooked_want = layer(x).detach().numpy(), hooked(x).detach().numpy()
    parametrize.remove_parametrizations(layer, "weight")
    getattr(nn.utils, f"remove_{kind}_norm")(hooked)
    for module, y in ((layer, want), (hooked, hooked_want)):
        assert type(module) is nn.Linear and sorted(module.state_dict()) == ["bias", "weight"]
        assert isinstance(module.weight, nn.Parameter) and module.weight.requires_grad
        np.testing.assert_allclose(module(x).detach().numpy(), y, rtol=1e-6)
    with pytest.raises(ValueError, match="no such norm"):
        getattr(nn.utils, f"remove_{kind}_norm")(hooked)


class Symmetric(nn.Module):
    def forward(self, w: lamina.Tensor) -> lamina.Tensor:
        return w.triu() + w.triu(1).t()

    def right_inverse(self, w: lamina.Tensor) -> lamina.Tensor:
        return w.triu()


class Double(nn.Module):
    def forward(self, w: lamina.Tensor) -> lamina.Tensor:
        return w * 2


def test_parametrizations_stack_and_come_off() -> None:
    layer = nn.Linear(3, 3)
    weight = layer.weight
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert layer.parametrizations.weight.original is weight  # an optimizer goes on with it
    parametrize.register_parametrization(layer, "weight", Double())
    assert parametrize.is_parametrized(layer, "weight") and not parametrize.is_parametrized(layer, "bias")
    got = layer.weight.detach().numpy()
    np.testing.assert_allclose(got, got.T)
    layer(lamina.ones(1, 3)).sum().backward()
    assert weight.grad is not None
    with pytest.raises(RuntimeError, match="Double has no right_inverse"):
        layer.weight = lamina.ones(3, 3)
    twin = copy.deepcopy(layer)
    np.testing.assert_array_equal(twin.weight.detach().numpy(), got)
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    assert type(layer) is nn.Linear and layer.weight is weight
    assert parametrize.is_parametrized(twin, "weight")


def test_assignment_goes_through_the_inverse() -> None:
    layer = parametrizations.weight_norm(nn.Linear(2, 2))
    value = lamina.tensor([[3.0, 4.0], [0.0, 2.0]])
    layer.weight = value
    np.testing.assert_allclose(layer.weight.detach().numpy(), value.numpy(), rtol=1e-6)
    np.testing.assert_allclose(layer.parametrizations.weight.original0.detach().numpy(), [[5.0], [2.0]])


def test_cached_computes_once() -> None:
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    with parametrize.cached():
        first = layer.weight
        assert layer.weight is first
    assert layer.weight is not first


def test_refusals() -> None:
    layer = nn.Linear(2, 3)
    with pytest.raises(ValueError, match="name of a parameter"):
        parametrize.register_parametrization(layer, "weights", Double())
    with pytest.raises(ValueError, match="to keep shape"):
        parametrize.register_parametrization(nn.Linear(2, 3), "weight", nn.Flatten(0))
    with pytest.raises(ValueError, match="is not parametrized"):
        parametrize.remove_parametrizations(layer, "weight")
    with pytest.raises(ValueError, match="leave_parametrized=True"):
        parametrize.remove_parametrizations(parametrizations.weight_norm(nn.Linear(2, 3)), "weight", False)
    with pytest.raises(ValueError, match="n_power_iterations above 0"):
        parametrizations.spectral_norm(layer, n_power_iterations=0)
    with pytest.raises(IndexError, match="dimension 2 is out of range"):
        parametrizations.spectral_norm(layer, dim=2)
    with pytest.raises(ValueError, match="no parameter"):
        nn.utils.weight_norm(layer, "nothing")
    with pytest.raises(RuntimeError, match="has this norm already"):
        nn.utils.weight_norm(nn.utils.weight_norm(nn.Linear(2, 3)))


def test_a_normed_layer_is_not_folded() -> None:
    from lamina.nn.fusion import groups

    norm = nn.BatchNorm2d(4).eval()
    for wrap in (parametrizations.weight_norm, nn.utils.weight_norm):
        assert [len(g) for g in groups([wrap(nn.Conv2d(3, 4, 1)), norm], inference=True)] == [1, 1]
