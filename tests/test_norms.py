"""Normalisation modules against torch's: state, modes, running statistics, layouts, what the cases can't say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.autograd import gradcheck

F = nn.functional

MODULES = [
    ("BatchNorm1d", (5,), {}, (4, 5)),
    ("BatchNorm2d", (5,), {"momentum": None}, (4, 5, 3, 2)),
    ("BatchNorm2d", (5,), {"track_running_stats": False}, (4, 5, 3, 2)),
    ("BatchNorm3d", (5,), {"affine": False}, (2, 5, 3, 2, 2)),
    ("BatchNorm3d", (5,), {"bias": False}, (2, 5, 3, 2, 2)),
    ("LayerNorm", ((3, 4),), {}, (2, 3, 4)),
    ("LayerNorm", (4,), {"bias": False}, (2, 3, 4)),
    ("LayerNorm", (4,), {"elementwise_affine": False, "eps": 0.1}, (2, 3, 4)),
    ("RMSNorm", (4,), {}, (2, 3, 4)),
    ("RMSNorm", ([3, 4],), {"eps": 0.1, "elementwise_affine": False}, (2, 3, 4)),
    ("GroupNorm", (2, 6), {}, (2, 6, 4)),
    ("GroupNorm", (3, 6), {"affine": False, "eps": 0.1}, (2, 6, 4, 3)),
    ("GroupNorm", (3, 6), {"bias": False}, (2, 6, 4, 3)),
    ("InstanceNorm1d", (5,), {}, (2, 5, 4)),
    ("InstanceNorm1d", (5,), {}, (5, 4)),
    ("InstanceNorm2d", (5,), {"affine": True, "track_running_stats": True}, (2, 5, 4, 3)),
    ("InstanceNorm2d", (5,), {"momentum": None, "track_running_stats": True}, (5, 4, 3)),
    ("InstanceNorm3d", (5,), {"affine": True}, (2, 5, 4, 3, 2)),
    ("LocalResponseNorm", (3,), {"alpha": 0.5, "k": 2.0}, (2, 5, 4)),
]
IDS = [f"{name}-{k}" for k, (name, *_) in enumerate(MODULES)]


def to_torch(torch: Any, state: dict[str, lamina.Tensor]) -> dict[str, Any]:
    return {key: torch.from_numpy(value.numpy().copy()) for key, value in state.items()}


@pytest.mark.parametrize("name, args, options, shape", MODULES, ids=IDS)
def test_modules_are_torchs(name: str, args: Any, options: Any, shape: Any, torch: Any) -> None:
    """Three training steps and an evaluation: outputs, running statistics, state-dict keys and repr."""
    ours = getattr(nn, name)(*args, **options).double()
    theirs = getattr(torch.nn, name)(*args, **options).double()
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    generator = np.random.default_rng(0)
    with lamina.no_grad():
        for p in ours.parameters():
            p.copy_(lamina.from_numpy(generator.standard_normal(p.shape)))
    theirs.load_state_dict(to_torch(torch, ours.state_dict()))
    for training in (True, True, True, False):
        ours.train(training)
        theirs.train(training)
        x = generator.standard_normal(shape) * 2 + 1
        got, want = ours(lamina.from_numpy(x)), theirs(torch.from_numpy(x))
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-9, atol=1e-10)
    for key, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-10, err_msg=key)


@pytest.mark.parametrize(
    "call, kind",
    [
        (lambda: nn.GroupNorm(4, 6), ValueError),
        (lambda: nn.LayerNorm(2.5), TypeError),  # type: ignore[arg-type]
        (lambda: nn.InstanceNorm2d(3)(lamina.ones(2, 3)), ValueError),
        (lambda: nn.InstanceNorm2d(3, affine=True)(lamina.ones(2, 4, 3, 3)), ValueError),
        (lambda: nn.BatchNorm3d(3)(lamina.ones(2, 3, 4, 4)), ValueError),
        (lambda: nn.LayerNorm(3)(lamina.ones(2, 4)), ValueError),
        (lambda: nn.LocalResponseNorm(2)(lamina.ones(2, 4)), ValueError),
    ],
)
def test_modules_refuse(call: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"^\["):
        call()


def test_instance_norm_of_other_channels_warns_without_parameters() -> None:
    with pytest.warns(UserWarning, match="expected 3 channels"):
        nn.InstanceNorm1d(3)(lamina.ones(2, 4, 5))


def test_a_bias_needs_no_weight() -> None:
    """torch's kernels can't do these gradients."""
    x, bias = lamina.rand(3, 4, dtype=lamina.float64), lamina.rand(4, dtype=lamina.float64)
    inputs = (x.requires_grad_(), bias.requires_grad_())
    assert gradcheck(lambda x, b: F.layer_norm(x, 4, None, b), inputs)
    assert gradcheck(lambda x, b: F.group_norm(x, 2, None, b), inputs)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("channels_last", [False, True])
def test_statistics_far_from_zero(offset: float, channels_last: bool) -> None:
    """A mean ten thousand deviations away does not cancel the variance, wherever the first element lies."""
    x = np.random.default_rng(0).standard_normal((2, 32, 9, 11)).astype(np.float32)
    x[:, :, 0, 0] = 50
    x += np.float32(offset)
    memory = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1) if channels_last else x
    exact = x.astype(np.float64)
    for groups, got in (
        (4, F.group_norm(lamina.from_numpy(memory), 4)),
        (32, F.instance_norm(lamina.from_numpy(memory))),
        (1, F.layer_norm(lamina.from_numpy(memory), (32, 9, 11))),
    ):
        rows = exact.reshape(2, groups, -1)
        want = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(
            got.numpy(), want.reshape(x.shape), rtol=1e-4, atol=2e-3 if offset else 1e-5
        )


@pytest.mark.parametrize("op", ["group_norm", "instance_norm", "local_response_norm", "batch_norm"])
def test_memory_order_is_kept(op: str) -> None:
    """Outputs and gradients of channels-last inputs are channels-last."""
    x = lamina.rand(2, 5, 6, 32).permute(0, 3, 1, 2).detach().requires_grad_()
    y = {
        "group_norm": lambda: F.group_norm(x, 4),
        "instance_norm": lambda: F.instance_norm(x),
        "local_response_norm": lambda: F.local_response_norm(x, 5),
        "batch_norm": lambda: F.batch_norm(x, None, None, training=True),
    }[op]()
    y.backward(lamina.ones_like(y))
    assert x.grad is not None
    assert y.stride() == x.stride() == x.grad.stride()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_stays_in_its_row(value: float) -> None:
    x = np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32)
    x[1, 7] = value
    for y in (F.layer_norm(lamina.from_numpy(x), 40), F.group_norm(lamina.from_numpy(x), 1)):
        bad = np.isnan(y.numpy())
        assert bad[1].any() and not bad[[0, 2]].any()


def test_constant_rows_give_zeros() -> None:
    x = lamina.full((2, 33), 1e3 / 3)
    assert not F.layer_norm(x, 33).numpy().any()
    assert not F.group_norm(x, 3).numpy().any()


def test_a_response_window_far_wider_than_the_channels() -> None:
    x = lamina.from_numpy(np.random.default_rng(0).standard_normal((2, 5, 3))).requires_grad_()
    y = F.local_response_norm(x, 2**63 - 1, alpha=1.0)
    np.testing.assert_array_equal(y.detach().numpy(), x.detach().numpy())  # alpha / size is nothing
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.ones((2, 5, 3)))


@pytest.mark.parametrize("shape", [(2, 17, 1, 5), (2, 17, 5, 1), (1, 17, 1, 5), (2, 17, 1, 1), (2, 1, 3, 5)])
@pytest.mark.parametrize("training", [True, False])
def test_channels_last_images_one_pixel_high(shape: tuple[int, ...], training: bool) -> None:
    """A dimension of size 1 between others leaves the order of the others in memory as it is."""
    values = np.random.default_rng(0).standard_normal(shape).astype("float32")
    rows = lamina.tensor(np.ascontiguousarray(values.transpose(0, 2, 3, 1))).permute(0, 3, 1, 2)
    want = nn.BatchNorm2d(shape[1]).train(training)(lamina.tensor(values)).detach().numpy()
    got = nn.BatchNorm2d(shape[1]).train(training)(rows).detach()
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal((rows * 2).numpy(), values * 2)
    assert lamina.empty_like(rows).permute(0, 2, 3, 1).is_contiguous()


def test_a_large_layer_norm_past_the_caches() -> None:
    """Outputs of 16 MB and more are streamed to memory."""
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((8200, 512), dtype=np.float32) for _ in range(2))
    weight, bias = (rng.standard_normal(512, dtype=np.float32) for _ in range(2))
    given = [lamina.tensor(v, requires_grad=True) for v in (x, weight, bias)]
    y = F.layer_norm(given[0], (512,), *given[1:])
    y.backward(lamina.tensor(dy))
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(y.detach().numpy(), normal * weight + bias, rtol=1e-4, atol=1e-5)
    slope = dy * weight
    centred = slope - slope.mean(1, keepdims=True) - normal * (slope * normal).mean(1, keepdims=True)
    want = [centred / np.sqrt(x.var(1, keepdims=True) + 1e-5), (dy * normal).sum(0), dy.sum(0)]
    for tensor, gradient in zip(given, want):
        assert tensor.grad is not None
        np.testing.assert_allclose(tensor.grad.numpy(), gradient, rtol=1e-3, atol=1e-3)
