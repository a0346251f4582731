"""Modules that run as one: which they are, and that nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.autograd import gradgradcheck
from lamina.models.resnet import BasicBlock
from lamina.nn.fusion import groups, no_fusion, run


def sizes(*modules: nn.Module) -> list[int]:
    return [len(group) for group in groups(modules)]


class Half(nn.BatchNorm2d):
    def forward(self, input: lamina.Tensor) -> lamina.Tensor:
        return super().forward(input) * 0.5


def test_which_neighbours_fuse() -> None:
    conv, norm, relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
    assert sizes(conv, norm, relu) == [1, 2]
    assert sizes(nn.BatchNorm1d(3), nn.ReLU(), relu, nn.BatchNorm3d(4)) == [2, 1, 1]
    assert sizes(relu, norm, nn.GELU()) == [1, 1, 1]
    assert sizes(norm, norm, relu) == [1, 2]
    assert sizes(Half(4), relu) == [1, 1]
    assert sizes() == []
    row = [conv, norm, relu]
    assert [m for group in groups(row) for m in group] == row


@pytest.mark.parametrize(
    "register",
    [
        lambda m: m.register_forward_hook(lambda *a: None),
        lambda m: m.register_forward_pre_hook(lambda *a: None),
        lambda m: m.register_full_backward_hook(lambda *a: None),
        lambda m: m.register_full_backward_pre_hook(lambda *a: None),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_a_hook_keeps_a_module_by_itself(register: Callable[[Any], Any], which: int) -> None:
    row = [nn.BatchNorm2d(4), nn.ReLU()]
    handle = register(row[which])
    assert sizes(*row) == [1, 1]
    handle.remove()
    assert sizes(*row) == [2]


def test_a_forward_of_its_own_keeps_a_module_by_itself() -> None:
    norm = nn.BatchNorm2d(4)
    norm.forward = lambda x: x  # type: ignore[method-assign]
    assert sizes(norm, nn.ReLU()) == [1, 1]


def test_hooks_see_what_they_would() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), nn.ReLU())
    seen: list[lamina.Tensor] = []
    net[0].register_forward_hook(lambda m, args, y: seen.append(y.detach().clone()))
    net(lamina.tensor([[1.0, 2.0], [3.0, -4.0]]))
    assert (seen[0].numpy() < 0).any()


def step(net: nn.Module, x: np.ndarray) -> dict[str, np.ndarray]:
    """The output, every gradient and every buffer of one training step."""
    data = lamina.from_numpy(x).requires_grad_()
    y = net(data)
    (y * lamina.arange(y.numel(), dtype=y.dtype).reshape(y.shape).cos()).sum().backward()
    result = {"output": y.detach().numpy(), "input": data.grad.numpy()}
    result |= {name: p.grad.numpy() for name, p in net.named_parameters()}
    return result | {name: b.numpy().copy() for name, b in net.named_buffers()}


def build(kind: str) -> nn.Module:
    lamina.manual_seed(3)
    if kind == "sequential":
        return nn.Sequential(
            nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16, momentum=None), nn.ReLU(inplace=True), nn.Conv2d(16, 4, 1)
        )
    if kind == "linear":
        return nn.Sequential(nn.Flatten(), nn.Linear(243, 6), nn.BatchNorm1d(6, affine=False), nn.ReLU())
    return BasicBlock(3, 16 if kind == "projected" else 3, 2 if kind == "projected" else 1)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("kind", ["sequential", "linear", "block", "projected"])
def test_a_step_is_the_same(kind: str, training: bool) -> None:
    """Outputs, gradients and running statistics, in training and in evaluation, with and without fusion."""
    fused, plain = build(kind).double().train(training), build(kind).double().train(training)
    assert repr(fused) == repr(plain) and list(fused.state_dict()) == list(plain.state_dict())
    x = np.random.default_rng(0).standard_normal((4, 3, 9, 9))
    for _ in range(2):
        got = step(fused, x)
        with no_fusion():
            want = step(plain, x)
        assert got.keys() == want.keys()
        for name in want:
            np.testing.assert_allclose(got[name], want[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("with_residual", [False, True])
def test_second_derivatives(with_residual: bool) -> None:
    norm, relu = nn.BatchNorm1d(3).double(), nn.ReLU()
    x = lamina.rand(5, 3, dtype=lamina.float64).requires_grad_()
    r = lamina.rand(5, 3, dtype=lamina.float64).requires_grad_()

    def function(x: lamina.Tensor, r: lamina.Tensor) -> lamina.Tensor:
        return run((norm, relu), x, r if with_residual else None) * r

    assert gradgradcheck(function, (x, r))


def test_residuals_broadcast_and_promote_as_a_sum() -> None:
    norm, relu, x = nn.BatchNorm2d(2).eval(), nn.ReLU(), lamina.rand(3, 2, 4, 4) - 0.5
    for residual in (lamina.rand(3, 2, 1, 1), lamina.rand(3, 2, 4, 4, dtype=lamina.float64)):
        got = run((norm, relu), x, residual)
        want = relu(norm(x) + residual)
        assert got.dtype == want.dtype
        assert lamina.equal(got, want)
    assert lamina.equal(run((norm,), x, x), norm(x + x))


def test_errors_name_the_module() -> None:
    net = nn.Sequential(nn.Identity(), nn.BatchNorm2d(4), nn.ReLU())
    with pytest.raises(ValueError, match=r"\(in 1: BatchNorm2d"):
        net(lamina.rand(2, 3, 4, 4))


def test_replaced_parts_of_a_block_run() -> None:
    block = BasicBlock(3, 3)
    block.relu, block.bn1 = nn.GELU(), nn.Identity()
    x = lamina.rand(2, 3, 5, 5)
    want = block.relu(block.bn2(block.conv2(block.relu(block.conv1(x)))) + x)
    np.testing.assert_allclose(block(x).detach().numpy(), want.detach().numpy(), rtol=1e-5, atol=1e-6)
