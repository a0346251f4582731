"""Statistics of batch normalisation that a convolution's kernels leave on their way out.

Runs on a device, real or emulated: tiles and their tails, every kind of kernel, values far from zero, gradients.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lamina
import lamina.nn.functional as F
from lamina import _C, cuda, nn
from lamina.nn import fusion
from lamina.nn.functional.batch_norm import batch_norm_of_moments
from lamina.nn.functional.conv import taking_moments

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())
CONVOLUTIONS = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}
HALVES = [lamina.bfloat16, lamina.float16]


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def on_cuda(values: np.ndarray, dtype: lamina.dtype, channels_last: bool = True) -> lamina.Tensor:
    if channels_last:
        values = np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)
    return lamina.from_numpy(values).to("cuda").to(dtype)


@pytest.fixture(params=range(cuda.device_count() if cuda.is_emulated() else 1), ids="cuda:{}".format)
def architecture(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each emulated device has another compute capability; the one in use is the current device."""
    with cuda.device(request.param):
        yield


@pytest.fixture
def tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lamina.backends.cudnn, "allow_tf32", True)


GEOMETRIES = {  # none of whose sums is split among blocks
    "tails": ((3, 16, 13, 11), (40, 16, 3, 3), {"padding": 1}),
    "whole tiles": ((2, 8, 8, 16), (64, 8, 1, 1), {}),
    "less than a tile": ((2, 8, 3, 3), (16, 8, 1, 1), {}),
    "odd channels": ((2, 7, 9, 8), (5, 7, 3, 3), {"padding": 1}),
    "groups": ((2, 24, 7, 6), (42, 8, 3, 3), {"groups": 3, "padding": 1}),
    "strided 1d": ((3, 8, 77), (24, 8, 5), {"padding": 2, "stride": 2}),
    "3d": ((2, 4, 5, 6, 7), (8, 4, 3, 2, 3), {"padding": 1}),
}


def check(
    shapes: tuple[Any, ...], dtype: lamina.dtype, channels_last: bool = True, centre: float = 0.0
) -> None:
    """What normalisation gets from moments against the definition, in double, on what the convolution gave."""
    x_shape, w_shape, options = shapes
    bias = on_cuda(draw(w_shape[0]) + np.float32(centre), dtype, False)
    with taking_moments() as taken, F.conv_algorithm("implicit"):
        y = CONVOLUTIONS[len(x_shape)](
            on_cuda(draw(*x_shape), dtype, channels_last),
            on_cuda(draw(*w_shape), dtype, False),
            bias,
            **options,
        )
    moments = taken.of(y)
    assert moments is not None
    computed = lamina.float64 if dtype == lamina.float64 else lamina.float32
    mean, var = (lamina.zeros(w_shape[0], device="cuda", dtype=computed) for _ in range(2))
    z = batch_norm_of_moments(y.to(computed), mean, var, None, None, True, 1.0, 1e-5, moments)

    exact = y.to(computed).cpu().numpy().astype(np.float64)
    others = tuple(d for d in range(exact.ndim) if d != 1)
    columns = (-1,) + (1,) * (exact.ndim - 2)
    want_mean, want_var = exact.mean(others), exact.var(others, ddof=1)
    bound = 1e-12 if dtype == lamina.float64 else 1e-5
    np.testing.assert_allclose(mean.cpu().numpy(), want_mean, atol=bound * (1 + abs(centre) / 30))
    np.testing.assert_allclose(var.cpu().numpy(), want_var, rtol=bound)
    want = (exact - want_mean.reshape(columns)) / np.sqrt(exact.var(others) + 1e-5).reshape(columns)
    np.testing.assert_allclose(z.cpu().numpy(), want, atol=bound * (4 + abs(centre)))


@pytest.mark.parametrize("channels_last", [True, False], ids=["channels last", "channels first"])
@pytest.mark.parametrize("dtype", [lamina.float32, lamina.float64], ids=str)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_statistics(name: str, dtype: lamina.dtype, channels_last: bool) -> None:
    check(GEOMETRIES[name], dtype, channels_last)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_statistics_of_half_precision(architecture: None, name: str, dtype: lamina.dtype) -> None:
    check(GEOMETRIES[name], dtype)


@pytest.mark.parametrize("name", ["tails", "groups"])
def test_statistics_by_tf32(tf32: None, name: str) -> None:
    check(GEOMETRIES[name], lamina.float32)


@pytest.mark.parametrize("dtype", [lamina.float32, lamina.bfloat16], ids=str)
def test_statistics_of_large_tiles(dtype: lamina.dtype) -> None:
    """More of the largest tiles than an H200 has multiprocessors; rows and columns do not fill the last ones."""
    check(((1, 8, 130, 131), (200, 8, 1, 1), {}), dtype)


@pytest.mark.parametrize("dtype", [lamina.float32, lamina.float64], ids=str)
def test_far_from_zero_nothing_cancels(dtype: lamina.dtype) -> None:
    check(GEOMETRIES["tails"], dtype, centre=3000.0)


def test_not_a_number_stays_in_its_channel() -> None:
    x, w = draw(2, 16, 6, 6), draw(24, 16, 1, 1)
    w[5] = np.nan
    with taking_moments() as taken:
        y = F.conv2d(on_cuda(x, lamina.float32), on_cuda(w, lamina.float32, False))
    z = batch_norm_of_moments(y, None, None, None, None, True, 0.1, 1e-5, taken.of(y)).cpu().numpy()
    assert np.isnan(z[:, 5]).all()
    assert np.isfinite(np.delete(z, 5, axis=1)).all()


def gradients(row: nn.Sequential, x: lamina.Tensor, residual: bool, dy: lamina.Tensor) -> list[np.ndarray]:
    """Output, running statistics and gradients."""
    x = x.detach().requires_grad_()
    y = fusion.run(list(row), x, residual=x if residual else None)
    found = lamina.autograd.grad(y, [x, *row.parameters()], dy.to(y.dtype))
    return [t.detach().float().cpu().numpy() for t in (y, *found, row[1].running_mean, row[1].running_var)]


@pytest.mark.parametrize("kind", ["alone", "relu", "residual"])
def test_a_row_that_trains(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With moments, without, and on the CPU."""
    lamina.manual_seed(1)
    modules = [nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()]
    row = nn.Sequential(*modules[: 2 if kind == "alone" else 3])
    state = {k: v.clone() for k, v in row.state_dict().items()}
    x, dy = lamina.randn(3, 16, 9, 7), lamina.randn(3, 16, 9, 7)
    want = gradients(row, x, kind == "residual", dy)

    given: list[object] = []
    kernel = _C.batch_norm
    monkeypatch.setattr(_C, "batch_norm", lambda *args: (given.append(args[-1]), kernel(*args))[1])
    row = row.cuda()
    results = []
    for fused in (True, True, False):
        row.load_state_dict(state)
        if fused:
            results.append(gradients(row, x.cuda(), kind == "residual", dy.cuda()))
        else:
            with fusion.no_fusion():
                results.append(gradients(row, x.cuda(), kind == "residual", dy.cuda()))
    assert [moments is not None for moments in given] == [True, True, False]
    for first, second, plain, cpu in zip(*results, want, strict=True):
        np.testing.assert_array_equal(first, second)  # the same bits on every run
        np.testing.assert_allclose(first, plain, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(first, cpu, rtol=1e-3, atol=2e-4)


def test_under_autocast(architecture: None) -> None:
    row = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()).cuda()
    x = lamina.randn(2, 16, 9, 7, device="cuda")
    with lamina.autocast("cuda", lamina.bfloat16):
        y = row(x)
        mean = row[1].running_mean.clone()
        row[1].reset_running_stats()
        with fusion.no_fusion():
            plain = row(x)
    assert y.dtype == plain.dtype == lamina.bfloat16
    np.testing.assert_allclose(mean.cpu().numpy(), row[1].running_mean.cpu().numpy(), atol=1e-6)
    np.testing.assert_allclose(
        y.float().detach().cpu().numpy(), plain.float().detach().cpu().numpy(), atol=0.02
    )


def test_only_of_what_the_convolution_gave() -> None:
    x, w = lamina.randn(2, 16, 6, 6, device="cuda"), lamina.randn(16, 16, 3, 3, device="cuda")
    with taking_moments() as taken:
        y = F.conv2d(x, w)
        assert taken.of(y) is not None
        assert taken.of(y.clone()) is None
        y.add_(1)
        assert taken.of(y) is None
        assert taken.of(F.conv2d(x, w[:, :1], groups=16)) is None  # depthwise kernels leave none
        deep = lamina.randn(1, 96, 4, 4, device="cuda")
        assert (
            taken.of(F.conv2d(deep, lamina.randn(8, 96, 3, 3, device="cuda"))) is None
        )  # split among blocks
        assert taken.of(F.conv2d(x.cpu(), w.cpu())) is None
        assert F.conv2d(x[:0], w).shape == (0, 16, 4, 4)
    assert F.conv2d(x, w).shape == (2, 16, 4, 4)


def test_moments_of_something_else_are_refused() -> None:
    with taking_moments() as taken:
        y = F.conv2d(lamina.ones(2, 16, 9, 9, device="cuda"), lamina.ones(16, 16, 1, 1, device="cuda"))
    moments = taken.of(y)
    for other in (y[:1], y[:, :8], y.cpu()):
        with pytest.raises(ValueError, match=r"\[batch_norm\] expected moments of the input"):
            batch_norm_of_moments(other, None, None, None, None, True, 0.1, 1e-5, moments)


@pytest.mark.parametrize("dtype", [lamina.float32, *HALVES], ids=str)
def test_a_row_in_inference_is_one_kernel(
    architecture: None, dtype: lamina.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The affine map of a normalisation in evaluation lies in the weights; residual and ReLU in the epilogue."""
    lamina.manual_seed(2)
    row = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()).eval()
    row[1].running_mean.normal_()
    row[1].running_var.uniform_(0.5, 2)
    row[1].weight.data.normal_()
    row = row.to(dtype)
    x = lamina.randn(2, 16, 7, 5).to(dtype)
    wide = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()).eval()
    wide.load_state_dict(row.state_dict())
    with lamina.no_grad(), fusion.no_fusion():
        want = F.relu(wide[:2](x.float()) + x.float())
    row = row.cuda()
    monkeypatch.delattr(_C, "batch_norm")  # nothing normalises
    with lamina.inference_mode():
        got = fusion.run(list(row), x.cuda(), residual=x.cuda())
    bound = {lamina.float32: 2e-5, lamina.float16: 0.02, lamina.bfloat16: 0.12}[dtype]
    assert got.dtype == dtype
    np.testing.assert_allclose(got.float().cpu().numpy(), want.numpy(), atol=bound)
