"""What the cases' small shapes do not reach in CUDA kernels of layers: columns and rows split among blocks, packs of
four, windows that a warp shares, more boxes than a word has bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lamina
from lamina import _C, cuda
from lamina.nn import functional as F

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())

Layer = Callable[..., lamina.Tensor]


def run(
    layer: Layer, values: list[np.ndarray], device: str, channels_last: bool, seed: int
) -> list[np.ndarray]:
    """The layer's output and the gradients of all inputs."""
    lamina.manual_seed(seed)
    inputs = [lamina.tensor(v).to(device) for v in values]
    if channels_last:
        inputs[0] = inputs[0].contiguous(memory_format=lamina.channels_last)
    inputs = [x.requires_grad_() for x in inputs]
    y = layer(*inputs)
    y.backward(lamina.arange(y.numel(), dtype=y.dtype).reshape(y.shape).cos().to(device))
    results = [y, *(x.grad for x in inputs)]
    assert all(t is not None and t.device.type == device for t in results)
    return [t.detach().cpu().numpy() for t in results if t is not None]


def check(layer: Layer, *values: np.ndarray, channels_last: bool = False, rtol: float = 2e-5) -> None:
    """As on the CPU, to rounding relative to the largest element."""
    here = run(layer, list(values), "cpu", channels_last, 3)
    there = run(layer, list(values), "cuda", channels_last, 3)
    for a, b in zip(there, here, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * max(np.abs(b).max(), 1e-30))


def drawn(*shape: int, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) + mean).astype(np.float32)


def affine(channels: int) -> tuple[np.ndarray, np.ndarray]:
    return 1 + drawn(channels, seed=1) / 4, drawn(channels, seed=2)


IMAGES = [(2, 4, 128, 128), (8, 3, 33, 31), (8, 24, 13, 13), (40, 6, 13, 13), (100, 8, 3, 3), (9, 8, 1, 1)]


@pytest.mark.parametrize(
    "shape, channels_last",
    [(s, last) for s in IMAGES for last in (False, True)]
    + [((4000, 36), False), ((4000, 35), False), ((9000, 1), False)],
)
def test_batch_norm(shape: tuple[int, ...], channels_last: bool) -> None:
    check(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        drawn(*shape, mean=0.5),
        *affine(shape[1]),
        channels_last=channels_last,
    )


def test_a_large_mean_does_not_cancel() -> None:
    x = drawn(2, 4, 65, 65, mean=1e4)
    y = F.batch_norm(lamina.tensor(x).cuda(), None, None, training=True).cpu().numpy()
    axes = (0, 2, 3)
    exact = x.astype(np.float64)
    want = (exact - exact.mean(axes, keepdims=True)) / exact.std(axes, keepdims=True)
    np.testing.assert_allclose(
        y, want, atol=2e-3
    )  # the mean itself is rounded to float32: half an ulp is 5e-4


@pytest.mark.parametrize("shape", IMAGES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_group_norm(shape: tuple[int, ...], channels_last: bool) -> None:
    groups = 1 if shape[1] % 2 else 2
    if shape[2] == 1:
        groups = 4  # of two values each: their gradients cancel but for rounding
        check(lambda x: F.group_norm(x, groups), drawn(*shape), channels_last=channels_last, rtol=1e-3)
        return
    check(
        lambda x, w, b: F.group_norm(x, groups, w, b),
        drawn(*shape, mean=0.5),
        *affine(shape[1]),
        channels_last=channels_last,
    )


@pytest.mark.parametrize("shape", [(3000, 37), (300, 40), (7, 1031), (7, 5000), (7, 4)])
def test_layer_norm(shape: tuple[int, int]) -> None:
    check(lambda x, w, b: F.layer_norm(x, (shape[1],), w, b), drawn(*shape), *affine(shape[1]))


POOLS: dict[str, Layer] = {
    "max 3x3": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max dilated": lambda x: F.max_pool2d(x, 3, 2, 1, 2),
    "max adaptive": lambda x: F.adaptive_max_pool2d(x, (3, 5)),
    "max global": lambda x: F.adaptive_max_pool2d(x, 1),
    "mean 3x3": lambda x: F.avg_pool2d(x, 3, 1, 1),
    "mean adaptive": lambda x: F.adaptive_avg_pool2d(x, (7, 5)),
    "mean global": lambda x: F.adaptive_avg_pool2d(x, 1),
    "max of rows": lambda x: F.max_pool2d(x, (2, 40), (2, 40)),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
@pytest.mark.parametrize("shape", [(2, 8, 16, 44), (2, 5, 17, 83)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_pool(pool: Layer, shape: tuple[int, ...], channels_last: bool) -> None:
    check(pool, drawn(*shape), channels_last=channels_last)


def test_a_warp_keeps_the_order_of_maxima() -> None:
    """NaN wins, the last one; among equals the first: whichever lanes they meet in."""
    x = drawn(6, 4096)
    x[0, [70, 2000, 3999]] = 9
    x[1, [5, 100]] = np.nan
    x[2, [100, 133]] = np.nan
    x[3] = -np.inf
    x[4, :] = 1
    x[5, 4095] = 50
    got = [F.max_pool1d(t, 4096, return_indices=True) for t in (lamina.tensor(x).cuda(), lamina.tensor(x))]
    for there, here in zip(*got, strict=True):
        np.testing.assert_array_equal(there.cpu().numpy(), here.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("shape", [(1031,), (2, 5, 4, 6), (3, 7, 5, 5)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_dropout_draws_the_cpus_mask(shape: tuple[int, ...], channels_last: bool, dtype: str) -> None:
    def masked(device: str) -> list[np.ndarray]:
        lamina.manual_seed(3)
        x = lamina.tensor(np.linspace(-2, 2, int(np.prod(shape)))).reshape(shape).to(getattr(lamina, dtype))
        if channels_last and x.ndim == 4:
            x = x.contiguous(memory_format=lamina.channels_last)
        x = x.to(device).requires_grad_()
        y = F.dropout(x, 0.3)
        y.backward(lamina.ones_like(y))
        assert x.grad is not None
        return [t.detach().cpu().float().numpy() for t in (y, x.grad)]

    for here, there in zip(masked("cpu"), masked("cuda"), strict=True):
        np.testing.assert_array_equal(here, there)
        assert 0.5 < (there != 0).mean() < 0.9


@pytest.mark.parametrize("n", [1, 63, 64, 65, 700])
def test_suppression(n: int) -> None:
    rng = np.random.default_rng(n)
    corner = rng.uniform(0, 60, (n, 2))
    boxes = lamina.tensor(np.concatenate([corner, corner + rng.uniform(1, 30, (n, 2))], 1))
    order = lamina.tensor(rng.permutation(n))
    kept = [_C.nms(boxes.to(device)._array, order.to(device)._array, 0.4) for device in ("cpu", "cuda")]
    here, there = (lamina.Tensor(k).cpu().tolist() for k in kept)
    assert there == here
    assert n < 65 or len(here) < n
