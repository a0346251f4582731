"""Modules that run as one: which they are, and that nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.autograd import gradgradcheck
from lamina.models.resnet import BasicBlock
from lamina.nn import functional as F
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


def test_which_relus_and_poolings_change_places() -> None:
    relu, pool = nn.ReLU(), nn.MaxPool2d(2)
    assert sizes(nn.Conv2d(1, 2, 3), relu, pool) == [1, 2]
    assert sizes(relu, nn.MaxPool1d(3, stride=1), nn.ReLU(), nn.MaxPool3d(2, padding=(0, 0, 0))) == [2, 2]
    assert sizes(relu, pool, pool) == [2, 1]
    assert sizes(nn.BatchNorm2d(4), relu, pool) == [2, 1]
    for other in (nn.MaxPool2d(2, padding=1), nn.MaxPool2d(2, return_indices=True), nn.AvgPool2d(2)):
        assert sizes(relu, other) == [1, 1]
    assert sizes(nn.ReLU(inplace=True), pool) == [1, 1]
    assert [len(g) for g in groups([nn.Conv2d(1, 2, 3), relu, pool], inference=True)] == [2, 1]


@pytest.mark.parametrize("channels", [3, 16])  # row-major and channels-last
@pytest.mark.parametrize("options", [{}, {"stride": 1}, {"stride": 3, "ceil_mode": True}, {"dilation": 2}])
def test_a_relu_and_a_max_pooling_that_change_places(channels: int, options: dict[str, Any]) -> None:
    row = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, **options))
    values = np.random.default_rng(0).integers(-3, 3, (2, channels, 9, 11)).astype("float32")  # with ties
    values[1, 2, 3:5, 4] = np.nan
    values[0, 1, 2, 5] = np.inf
    results = []
    for fused in (True, False):
        x = lamina.tensor(values, requires_grad=True)
        with no_fusion() if not fused else nullcontext():
            y = row(x)
        seed = lamina.arange(y.numel(), dtype=lamina.float32).reshape(y.shape)
        results.append([y.detach().numpy(), lamina.autograd.grad(y, x, seed)[0].numpy()])
        with lamina.inference_mode():
            np.testing.assert_array_equal(row(x).numpy(), results[-1][0])
    for got, want in zip(*results, strict=True):
        np.testing.assert_array_equal(got, want)
    with pytest.raises(ValueError, match=r"in 1: MaxPool2d"):
        row(lamina.ones(3))
    shortcut = lamina.ones(2, channels, 9, 11)
    np.testing.assert_array_equal(
        run(list(row), lamina.tensor(values), shortcut).numpy(),
        row[1](lamina.relu(lamina.tensor(values)) + shortcut).numpy(),
    )


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


def randomise(net: nn.Module) -> nn.Module:
    """Parameters and running statistics that a folding must take into account."""
    generator = np.random.default_rng(1)
    with lamina.no_grad():
        for name, t in net.state_dict().items():
            if t.dtype.is_floating_point:
                draw = generator.standard_normal(t.shape)
                t.copy_(lamina.from_numpy(np.abs(draw) + 0.5 if name.endswith("var") else draw))
    return net.eval()


def infer(net: nn.Module, x: lamina.Tensor) -> np.ndarray:
    with lamina.inference_mode():
        return net(x).numpy()


def plainly(net: nn.Module, x: lamina.Tensor) -> np.ndarray:
    with lamina.no_grad():
        return net(x).numpy()


CONVOLUTIONS: list[tuple[int, int, dict[str, Any]]] = [
    (3, 24, {}),
    (3, 5, {"stride": 2, "padding": 1}),
    (32, 48, {"padding": "same"}),  # Winograd in float32
    (16, 16, {"groups": 16, "padding": 1}),  # depthwise
    (16, 32, {"groups": 4, "bias": False}),
    (300, 40, {}),  # several slices of channels
    (4, 20, {"padding": 1, "padding_mode": "reflect", "dilation": 2}),
]


@pytest.mark.parametrize("dtype", [lamina.float32, lamina.float64])
@pytest.mark.parametrize("layers", ["conv relu", "conv norm", "conv norm relu"])
@pytest.mark.parametrize("inputs, outputs, options", CONVOLUTIONS)
def test_convolutions_fold(inputs: int, outputs: int, options: Any, layers: str, dtype: Any) -> None:
    row = [nn.Conv2d(inputs, outputs, 3, **options), nn.BatchNorm2d(outputs), nn.ReLU()]
    net = nn.Sequential(*[m for m, name in zip(row, ("conv", "norm", "relu")) if name in layers])
    net = randomise(net).to(dtype)
    assert [len(group) for group in groups(net, inference=True)] == [len(net)]
    x = lamina.randn(2, inputs, 13, 12, dtype=dtype)
    want = plainly(net, x)
    scale = np.abs(want).max()
    bound = 1e-12 if dtype is lamina.float64 else 2e-5
    np.testing.assert_allclose(infer(net, x) / scale, want / scale, atol=bound)


@pytest.mark.parametrize("activation", [nn.ReLU6(), nn.Hardtanh(-0.5, 2.0)])
@pytest.mark.parametrize("algorithm", ["reference", "implicit", "winograd", "fft"])
def test_bounds_join_the_convolution(algorithm: str, activation: nn.Module) -> None:
    net = randomise(nn.Sequential(nn.Conv2d(8, 20, 3, padding=1), nn.BatchNorm2d(20), activation))
    x = lamina.randn(2, 8, 10, 10)
    x[0, 0, 0, 0] = lamina.nan
    assert [len(group) for group in groups(net, inference=True)] == [3]
    assert [len(group) for group in groups(net)] == [1, 1, 1]
    with F.conv_algorithm(algorithm):
        got, want = infer(net, x), plainly(net, x)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    assert np.isnan(got).any() and (got == np.nanmin(got)).sum() > 1 and (got == np.nanmax(got)).sum() > 1
    norm = randomise(nn.Sequential(nn.BatchNorm2d(8), activation))
    assert [len(group) for group in groups(norm, inference=True)] == [1, 1]
    np.testing.assert_array_equal(infer(norm, x), plainly(norm, x))


@pytest.mark.parametrize("algorithm", ["reference", "implicit", "winograd", "fft"])
@pytest.mark.parametrize("channels", [5, 32])
@pytest.mark.parametrize("layout", ["planes", "channels last"])
def test_a_residual_joins_the_convolution(algorithm: str, channels: int, layout: str) -> None:
    row = randomise(nn.Sequential(nn.Conv2d(8, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()))
    x, residual = lamina.randn(2, 8, 10, 10), lamina.randn(2, channels, 10, 10) * 10
    if layout == "channels last":
        residual = residual.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    with lamina.inference_mode(), F.conv_algorithm(algorithm):
        got = run(list(row), x, residual)
    want = row[2](row[1](row[0](x)) + residual)
    np.testing.assert_allclose(got.numpy(), want.detach().numpy(), rtol=1e-4, atol=1e-3)
    assert (got.numpy() == 0).any()


@pytest.mark.parametrize("rank", [1, 3])
def test_convolutions_of_other_ranks_fold(rank: int) -> None:
    conv, norm = getattr(nn, f"Conv{rank}d"), getattr(nn, f"BatchNorm{rank}d")
    net = randomise(nn.Sequential(conv(4, 20, 3, padding=1), norm(20), nn.ReLU())).double()
    assert [len(group) for group in groups(net, inference=True)] == [3]
    x, residual = (lamina.randn(2, c, *[6] * rank, dtype=lamina.float64) for c in (4, 20))
    np.testing.assert_allclose(infer(net, x), plainly(net, x), rtol=1e-10, atol=1e-11)
    with lamina.inference_mode():
        got = run(list(net), x, residual)
    want = net[2](net[1](net[0](x)) + residual).detach()
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-10, atol=1e-11)


def test_linear_layers_fold() -> None:
    net = randomise(nn.Sequential(nn.Linear(7, 5), nn.BatchNorm1d(5), nn.ReLU())).double()
    x = lamina.randn(4, 7, dtype=lamina.float64)
    assert [len(group) for group in groups(net, inference=True)] == [3]
    np.testing.assert_allclose(infer(net, x), plainly(net, x), rtol=1e-12, atol=1e-13)
    deep = lamina.randn(4, 5, 7, dtype=lamina.float64)  # the norm's channels are not the layer's
    np.testing.assert_array_equal(infer(net, deep), plainly(net, deep))


def small_net() -> nn.Sequential:
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU())
    randomise(net)
    return net


CHANGES: dict[str, Callable[[nn.Sequential], Any]] = {
    "weight": lambda net: net[0].weight.mul_(2),
    "bias": lambda net: net[0].bias.add_(1),
    "gamma": lambda net: net[1].weight[2:5].fill_(3),
    "beta": lambda net: net[1].bias.zero_(),
    "mean": lambda net: net[1].running_mean.add_(1),
    "var": lambda net: net[1].running_var.mul_(4),
    "reset": lambda net: net[1].reset_running_stats(),
    "eps": lambda net: setattr(net[1], "eps", 0.5),
    "data": lambda net: setattr(net[0].weight, "data", net[0].weight.data * 3),
    "parameter": lambda net: setattr(net[0], "weight", nn.Parameter(net[0].weight * 3)),
    "no bias": lambda net: setattr(net[0], "bias", None),
    "state": lambda net: net.load_state_dict({k: v * 0.5 for k, v in net.state_dict().items()}),
    "assigned": lambda net: net.load_state_dict(
        {k: v * 0.5 for k, v in net.state_dict().items()}, assign=True
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_folds_anew(change: str) -> None:
    net, x = small_net(), lamina.randn(2, 3, 6, 6)
    before = infer(net, x)
    np.testing.assert_array_equal(infer(net, x), before)
    with lamina.no_grad():
        CHANGES[change](net)
    after = infer(net, x)
    np.testing.assert_allclose(after, plainly(net, x), rtol=1e-4, atol=1e-4)
    assert np.abs(after - before).max() > 1e-2


def test_a_step_of_training_folds_anew() -> None:
    net, x = small_net(), lamina.randn(4, 3, 6, 6)
    optimizer = lamina.optim.SGD(net.parameters(), lr=0.1)
    before = infer(net, x)
    net.train()(x).sum().backward()
    optimizer.step()
    net.eval()
    after = infer(net, x)
    np.testing.assert_allclose(after, plainly(net, x), rtol=1e-4, atol=1e-4)
    assert np.abs(after - before).max() > 1e-3


def test_folding_is_kept_and_goes_with_its_module() -> None:
    import gc

    from lamina.nn import folding

    gc.collect()
    kept = len(folding._kept)
    net, x = small_net(), lamina.randn(2, 3, 6, 6)
    infer(net, x)
    first = folding.folded(net[0], net[1])
    assert folding.folded(net[0], net[1]) is first
    assert len(folding._kept) == kept + 1
    del net, first
    gc.collect()
    assert len(folding._kept) == kept


def test_training_mode_is_unaffected_by_inference_mode() -> None:
    """In training mode the batch's statistics count and the running ones move, whatever is recorded."""
    net, twin, x = small_net().train(), small_net().train(), lamina.randn(2, 3, 6, 6)
    assert [len(group) for group in groups(net, inference=True)] == [1, 2]
    np.testing.assert_array_equal(infer(net, x), plainly(twin, x))
    for key, value in twin.state_dict().items():
        np.testing.assert_array_equal(net.state_dict()[key].numpy(), value.numpy())


@pytest.mark.parametrize(
    "row",
    [
        (nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)),
        (nn.Conv2d(3, 4, 1), nn.BatchNorm2d(5)),
        (nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4).double()),
        (nn.Conv2d(3, 4, 1), nn.BatchNorm1d(4)),
        (nn.Conv2d(3, 4, 1), Half(4)),
        (nn.ReLU(), nn.BatchNorm2d(4)),
    ],
)
def test_what_does_not_fold(row: tuple[nn.Module, ...]) -> None:
    for module in row:
        module.eval()
    assert [len(group) for group in groups(row, inference=True)] == [1, 1]


def test_networks_infer_the_same() -> None:
    lamina.manual_seed(0)
    net = lamina.models.resnet18(num_classes=10, small_images=True)
    net.train()(lamina.randn(4, 3, 16, 16))  # running statistics of their own
    net.eval()
    x = lamina.randn(2, 3, 16, 16)
    want = plainly(net, x)
    np.testing.assert_allclose(infer(net, x), want, rtol=1e-3, atol=1e-4 * np.abs(want).max())


def test_unbatched_images_raise_as_ever() -> None:
    with pytest.raises(ValueError, match="expected a 4-d input"):
        infer(small_net(), lamina.randn(3, 6, 6))
    with lamina.inference_mode():
        assert lamina.is_inference_mode_enabled()
    assert not lamina.is_inference_mode_enabled()


@pytest.mark.parametrize(
    "algorithm, channels, outputs, kernel, groups",
    [
        ("implicit", 8, 20, 1, 1),
        ("implicit", 8, 20, 3, 1),
        ("implicit", 8, 20, 3, 2),
        ("winograd", 72, 20, 3, 1),
        ("winograd", 264, 260, 3, 1),  # panel by panel
        ("depthwise", 24, 24, 3, 24),
        ("automatic", 24, 40, 3, 1),
    ],
)
def test_packed_weights_are_kept(
    algorithm: str, channels: int, outputs: int, kernel: int, groups: int
) -> None:
    """Every call gives the same bits, for inputs of any size and layout, until the weight changes."""
    conv = nn.Conv2d(channels, outputs, kernel, padding=kernel // 2, groups=groups)
    net = nn.Sequential(conv, nn.ReLU()).eval()
    inputs = [lamina.randn(2, channels, 9, 9), lamina.randn(1, channels, 30, 5)]
    inputs.append(inputs[0].permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2))
    for _ in range(2):
        with F.conv_algorithm(algorithm):
            first = [infer(net, x) for x in inputs]
            again = [infer(net, x) for x in inputs]
        want = [plainly(net, x) for x in inputs]
        for a, b, c in zip(first, again, want):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_allclose(a, c, rtol=1e-4, atol=1e-5 * np.abs(c).max())
        with lamina.no_grad():
            net[0].weight.mul_(-1.5)


def test_threads_may_infer_at_once() -> None:
    net, x = small_net(), lamina.randn(2, 3, 12, 12)
    want = plainly(net, x)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: infer(net, x), range(64)))
    for got in results:
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


REPLANS: dict[str, Callable[[nn.Sequential], Any]] = {
    "train": lambda net: net.train(),
    "norm trains": lambda net: net[1].train(),
    "forward": lambda net: setattr(net[2], "forward", lambda x: x + 1),
    "hook": lambda net: net[0].register_forward_hook(lambda m, args, y: y * 2),
    "pre-hook": lambda net: net[2].register_forward_pre_hook(lambda m, args: (args[0] - 1,)),
    "stride": lambda net: setattr(net[0], "stride", (2, 2)),
    "activation": lambda net: setattr(net, "2", nn.GELU()),
    "bounds": lambda net: setattr(net, "2", nn.Hardtanh(-3.0, 0.1)),
    "statistics": lambda net: net[1].register_buffer("running_mean", lamina.ones(16)),
    "deleted": lambda net: net.__delitem__(1),
    "appended": lambda net: net.append(nn.Hardtanh(0.0, 0.1)),
    "dtype": lambda net: net.double(),
    "class": lambda net: setattr(net[1], "__class__", Twice),
}


class Twice(nn.BatchNorm2d):
    def forward(self, input: lamina.Tensor) -> lamina.Tensor:
        return super().forward(input) * 2


@pytest.mark.parametrize("change", REPLANS)
def test_a_change_of_modules_is_seen(change: str) -> None:
    """What a row's plan was made of is looked at again after any change, and again when it is undone."""
    net, x = small_net(), lamina.randn(2, 3, 6, 6)
    before = infer(net, x)
    REPLANS[change](net)
    if change == "dtype":
        x = x.double()
    with lamina.inference_mode(), no_fusion():
        want = net(x).numpy()
    for _ in range(2):
        got = infer(net, x)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    assert got.shape != before.shape or got.dtype != before.dtype or np.abs(got - before).max() > 1e-3


def test_a_removed_hook_lets_modules_join_again() -> None:
    net, x, calls = small_net(), lamina.randn(2, 3, 6, 6), []
    before = infer(net, x)
    with net[1].register_forward_hook(lambda m, args, y: calls.append(m)):
        infer(net, x)
    np.testing.assert_array_equal(infer(net, x), before)
    assert calls == [net[1]]


def test_planned_rows_go_with_their_modules() -> None:
    import gc
    import weakref

    net = small_net()
    infer(net, lamina.randn(2, 3, 6, 6))
    alive = [weakref.ref(m) for m in net.modules()]
    del net
    gc.collect()
    assert [r() for r in alive] == [None] * 4


def test_rows_of_the_same_first_module_have_their_own_plans() -> None:
    conv, norm, x = nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), lamina.randn(2, 3, 6, 6)
    randomise(nn.Sequential(conv, norm))
    rows = [(conv, norm, nn.ReLU()), (conv, nn.ReLU6()), (conv, norm)]
    with lamina.inference_mode():
        want = [row[-1](norm(conv(x)) if row[1] is norm else conv(x)) for row in rows[:2]] + [norm(conv(x))]
        for _ in range(2):
            for row, y in zip(rows, want):
                np.testing.assert_allclose(run(row, x).numpy(), y.numpy(), rtol=1e-4, atol=1e-4)


def test_a_chosen_algorithm_counts_in_planned_rows() -> None:
    net = nn.Sequential(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()).eval()
    x = lamina.randn(1, 32, 16, 16)
    infer(net, x)
    with F.conv_algorithm("implicit"):
        direct = infer(net, x)
    with F.conv_algorithm("depthwise"), pytest.raises(ValueError, match="algorithm asked for"):
        infer(net, x)
    assert not np.array_equal(direct, infer(net, x))


@pytest.fixture
def threads() -> Iterator[tuple[int, ...]]:
    """Numbers of threads to set; the one before comes back."""
    before = lamina.get_num_threads()
    yield 1, 2, 7
    lamina.set_num_threads(before)


@pytest.mark.parametrize("dtype", [lamina.float32, lamina.float64])
@pytest.mark.parametrize("size", [(1, 5), (7, 7), (9, 14)])
@pytest.mark.parametrize("channels", [3, 17, 24, 29, 40, 47])
@pytest.mark.parametrize("kernel", [1, 3])
def test_last_channels_and_pixels(kernel: int, channels: int, size: Any, dtype: Any, threads: Any) -> None:
    """Tiles that are not full: images of odd sizes, channels that end within a vector, with all of the epilogue."""
    conv = nn.Conv2d(20, channels, kernel, padding=kernel // 2)
    row = randomise(nn.Sequential(conv, nn.BatchNorm2d(channels), nn.Hardtanh(-1.0, 2.0))).to(dtype)
    x, residual = lamina.randn(2, 20, *size, dtype=dtype), 10 * lamina.randn(2, channels, *size, dtype=dtype)
    x[1, 2, 0, 3] = lamina.nan
    with lamina.inference_mode():
        want = row[2](row[1](row[0](x)) + residual).numpy()
        got = []
        for count in threads:
            lamina.set_num_threads(count)
            with F.conv_algorithm("implicit"):
                got.append(run(list(row), x, residual).numpy())
    np.testing.assert_allclose(got[0], want, rtol=1e-4, atol=1e-3 if dtype is lamina.float32 else 1e-11)
    for other in got[1:]:
        np.testing.assert_array_equal(other, got[0])
    assert np.isnan(got[0]).any() and (got[0] == -1).any() and (got[0] == 2).any()


def test_few_rows_and_many_channels_give_the_same_bits(threads: Any) -> None:
    """Panels of outputs and rows are dealt out as tasks: 160 -> 960 and 960 -> 160 channels at 7x7."""
    for inputs, outputs in ((160, 960), (960, 160), (96, 24)):
        net = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.ReLU6()).eval()
        x, results = lamina.randn(1, inputs, 7, 7), []
        for count in threads:
            lamina.set_num_threads(count)
            results.append(infer(net, x))
        np.testing.assert_allclose(results[0], plainly(net, x), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(results[1], results[0])
        np.testing.assert_array_equal(results[2], results[0])
