"""An activation and the dropout after it in one pass: the bits, the gradients and the effects of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import _C, nn
from lamina.autograd import gradcheck, gradgradcheck
from lamina.nn import functional as F
from lamina.nn.fusion import groups, no_fusion, observed, run

ACTIVATIONS = [
    nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.2), nn.LeakyReLU(-0.3), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(),
    nn.Hardswish(),
]  # fmt: skip
SHAPES = [(7,), (37, 129), (0, 3), (2, 17, 5, 6), (2, 16, 4, 5), (3, 300, 3, 3)]
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS, ids=repr)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = lamina.get_num_threads()
    yield
    lamina.set_num_threads(before)


def drawn(shape: tuple[int, ...], dtype: Any, channels_last: bool) -> lamina.Tensor:
    values = np.random.default_rng(0).standard_normal(shape) * 3
    values.reshape(-1)[:3] = np.nan, np.inf, 0.0
    x = lamina.tensor(values).to(dtype)
    return x.contiguous(memory_format=lamina.channels_last) if channels_last else x


def step(activation: nn.Module, x: lamina.Tensor, seed: lamina.Tensor) -> list[np.ndarray]:
    lamina.manual_seed(5)
    x = x.clone().requires_grad_()
    y = run((activation, nn.Dropout(0.3)), x)
    y.backward(seed)
    assert x.grad is not None
    return [t.detach().to(lamina.float64).numpy() for t in (y, x.grad)]


@each_activation
@pytest.mark.parametrize("dtype", [lamina.float32, lamina.float64, lamina.bfloat16])
def test_bits_are_those_of_two_passes(activation: nn.Module, dtype: Any) -> None:
    for shape in SHAPES:
        for channels_last in (False, True) if len(shape) == 4 else (False,):
            x = drawn(shape, dtype, channels_last) if shape[0] else lamina.zeros(*shape, dtype=dtype)
            for seed in (lamina.randn(*shape, dtype=dtype), lamina.ones(1, dtype=dtype).expand(shape)):
                one = step(activation, x, seed)
                with no_fusion():
                    two = step(activation, x, seed)
                for got, want in zip(one, two, strict=True):
                    np.testing.assert_array_equal(got, want, err_msg=f"{shape} {channels_last}")


def test_bits_are_the_same_on_any_number_of_threads() -> None:
    x = lamina.randn(300, 1001)
    results = []
    for count in (1, 2, 7):
        lamina.set_num_threads(count)
        results.append(step(nn.GELU(), x, lamina.cos(x)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@each_activation
def test_it_is_torchs_activation_times_the_mask(activation: nn.Module) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, type(activation).__name__)(
        **({"approximate": activation.approximate} if isinstance(activation, nn.GELU) else {}),
        **({"negative_slope": activation.negative_slope} if isinstance(activation, nn.LeakyReLU) else {}),
    )
    x = np.random.default_rng(1).standard_normal((40, 50)).astype("float32")
    lamina.manual_seed(5)
    mask = F.dropout(lamina.ones(40, 50), 0.3).numpy()
    got = step(activation, lamina.tensor(x), lamina.ones(40, 50))
    there = torch.tensor(x, requires_grad=True)
    y = theirs(there) * torch.tensor(mask)
    y.sum().backward()
    np.testing.assert_allclose(got[0], y.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[1], there.grad.numpy(), rtol=1e-5, atol=1e-6)


@each_activation
def test_gradients_of_any_order(activation: nn.Module) -> None:
    x = (lamina.rand(5, 3, dtype=lamina.float64) * 4 - 2.05).requires_grad_()

    def function(x: lamina.Tensor) -> lamina.Tensor:
        lamina.manual_seed(2)
        return run((activation, nn.Dropout(0.4)), x) * x.cos()

    assert gradcheck(function, (x,))
    assert gradgradcheck(function, (x,))


def sizes(*modules: nn.Module, inference: bool = False) -> list[int]:
    return [len(group) for group in groups(modules, inference)]


def test_which_neighbours_fuse() -> None:
    linear, relu, drop, over = nn.Linear(3, 3), nn.ReLU(), nn.Dropout(0.5), nn.ReLU(inplace=True)
    assert sizes(linear, relu, drop) == [1, 2]
    assert sizes(linear, relu, drop, inference=True) == [1, 1, 1]
    assert sizes(linear, relu, nn.Dropout(0.5).eval()) == [1, 1, 1]
    assert sizes(linear, relu, nn.Dropout(0.0), relu, nn.Dropout(1.0)) == [1] * 5
    assert sizes(linear, nn.Tanh(), drop, relu, nn.Dropout1d(0.5)) == [1] * 5
    assert sizes(nn.BatchNorm1d(3), relu, drop) == [2, 1]
    assert sizes(linear, over, drop) == [1, 2]
    assert (
        sizes(over, drop) == sizes(nn.Identity(), over, drop)[1:] == [1, 1]
    )  # the caller sees what it writes over
    handle = linear.register_forward_hook(lambda *a: None)
    assert sizes(linear, over, drop) == [1, 1, 1]  # as does a hook
    handle.remove()
    for module in (relu, drop):
        handle = module.register_forward_hook(lambda *a: None)
        assert sizes(linear, relu, drop) == [1, 1, 1]
        handle.remove()


def test_the_callers_tensor_is_written_over_as_without_fusion() -> None:
    x = lamina.tensor([-1.0, 2.0])
    nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.5))(x)
    assert x.tolist() == [0.0, 2.0]


def test_a_change_in_place_before_backward_is_an_error() -> None:
    x = lamina.ones(3).requires_grad_()
    hidden = x * 2
    y = run((nn.GELU(), nn.Dropout(0.5)), hidden)
    hidden.zero_()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def test_residuals_join_before_the_dropout() -> None:
    x, r = lamina.ones(100), lamina.ones(100)
    lamina.manual_seed(1)
    y = run((nn.ReLU(), nn.Dropout(0.5)), x, r)
    assert set(y.tolist()) == {0.0, 4.0}


def test_observers_and_captured_steps() -> None:
    net = nn.Sequential(nn.Linear(6, 40), nn.GELU(), nn.Dropout(0.5), nn.Linear(40, 1))
    seen: list[int] = []
    with observed(lambda group: seen.append(len(group))):
        net(lamina.ones(2, 6))
    assert seen == [1, 2, 1]
    assert [call[3] for call in lamina.explain(net, lamina.ones(2, 6)).calls] == ["", "", "one with 1", ""]
    x = lamina.randn(4, 6)

    def losses(step: Any) -> list[float]:
        lamina.manual_seed(9)
        net.train()
        result = [step(x).item() for _ in range(4)]
        net.eval()
        return [*result, step(x).item()]

    def forward(x: lamina.Tensor) -> lamina.Tensor:
        for p in net.parameters():
            p.grad = None
        loss = (net(x) ** 2).sum()
        loss.backward()
        return loss.detach()

    eager = losses(forward)
    assert losses(lamina.capture(forward)) == eager and len(set(eager)) == 5


def test_transformers_use_it_and_stay_what_they_were() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, activation="gelu")
    x = lamina.randn(5, 2, 8)
    seen: list[int] = []

    def forward() -> lamina.Tensor:
        lamina.manual_seed(4)
        return layer(x).detach()

    with observed(lambda group: seen.append(len(group))):
        fused = forward()
    assert seen == [2]
    with no_fusion():
        assert lamina.equal(fused, forward())
    layer.activation = lamina.tanh
    layer(x)


def test_bad_input() -> None:
    x, half = lamina.ones(3)._array, lamina.ones(3, dtype=lamina.float16)._array
    with pytest.raises(TypeError, match=r"\[activated_dropout\] expected float32 or float64, got float16"):
        _C.relu_dropout(half, 0.0, 0.0, 0.5, (1, 2))
    with pytest.raises(ValueError, match=r"\[dropout\] expected 0 <= p <= 1, got 2"):
        _C.relu_dropout(x, 0.0, 0.0, 2.0, (1, 2))
    with pytest.raises(ValueError, match=r"\[activated_dropout\] expected a gradient like the input"):
        _C.relu_dropout_backward(lamina.ones(4)._array, x, 0.0, 0.0, 0.5, (1, 2))
