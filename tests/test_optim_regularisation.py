"""Penalties, the max-norm constraint and bounds on gradients."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.nn import utils

RNG = np.random.default_rng(0)
ARRAYS = [RNG.standard_normal((3, 4)), RNG.standard_normal(5)]


def parameters(lib=lamina):
    return [lib.nn.Parameter(lib.tensor(a)) for a in ARRAYS]


def test_penalties_and_their_gradients():
    flat = np.concatenate([a.ravel() for a in ARRAYS])
    params = parameters()
    assert utils.l1_penalty(params).item() == pytest.approx(np.abs(flat).sum())
    assert utils.l2_penalty(params).item() == pytest.approx((flat**2).sum() / 2)
    utils.elastic_net_penalty(iter(params), l1=0.3, l2=0.2).backward()
    for p, a in zip(params, ARRAYS):
        np.testing.assert_allclose(p.grad.numpy(), 0.3 * np.sign(a) + 0.2 * a)


def test_penalties_of_nothing():
    with pytest.raises(ValueError, match=r"\[l1_penalty\] expected at least one parameter"):
        utils.l1_penalty([])


@pytest.mark.parametrize("norm_type, dim", [(2.0, 0), (1.0, 1), (float("inf"), -1)])
def test_max_norm(norm_type, dim, torch):
    values = RNG.standard_normal((4, 3, 2))
    values[1] = 0
    w = lamina.tensor(values)
    utils.max_norm_(w, 1.1, norm_type, dim)
    expected = torch.renorm(torch.tensor(values), norm_type, dim % 3, 1.1).numpy()
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-6)


def test_max_norm_keeps_the_graph_out():
    layer = nn.Linear(3, 2)
    utils.max_norm_([layer.weight], 0.1)
    assert layer.weight.is_leaf
    assert layer.weight.detach().norm(dim=1).max().item() <= 0.1 + 1e-6


def test_max_norm_of_bad_arguments():
    with pytest.raises(ValueError, match="max_norm of at least 0"):
        utils.max_norm_(lamina.ones(2, 2), -1.0)
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        utils.max_norm_(lamina.ones(2), 1.0)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize("bound", [0.5, 100.0])
def test_clipping_by_norm(norm_type, bound, torch):
    results = []
    for lib in (lamina, torch):
        params = parameters(lib)
        for p, g in zip(params, ARRAYS):
            p.grad = lib.tensor(g * 2)
        total = lib.nn.utils.get_total_norm([p.grad for p in params], norm_type)
        returned = lib.nn.utils.clip_grad_norm_(params, bound, norm_type)
        assert total.item() == pytest.approx(returned.item())
        lib.nn.utils.clip_grad_value_(params, 0.3)
        results.append([returned.item(), *(p.grad.numpy() for p in params)])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_clipping_with_a_given_norm(torch):
    results = []
    for lib in (lamina, torch):
        params = parameters(lib)
        for p, g in zip(params, ARRAYS):
            p.grad = lib.tensor(g)
        lib.nn.utils.clip_grads_with_norm_(params, 1.0, lib.tensor(4.0, dtype=lib.float64))
        results.append([p.grad.numpy() for p in params])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_clipping_of_what_is_not_finite():
    p = nn.Parameter(lamina.ones(2))
    p.grad = lamina.tensor([1.0, float("nan")])
    with pytest.raises(RuntimeError, match="nan"):
        utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)


def test_clipping_without_gradients():
    assert utils.clip_grad_norm_(parameters(), 1.0).item() == 0
