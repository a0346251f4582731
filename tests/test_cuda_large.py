"""What the cases' small shapes do not reach in CUDA kernels: rows of many tiles, pieces of lines, crowded places."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import cuda
from lamina.nn import functional as F

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())


def drawn(*shape: int, dtype: str = "float32", seed: int = 0) -> lamina.Tensor:
    rng = np.random.default_rng(seed)
    if dtype.startswith("int"):
        return lamina.tensor(rng.integers(-50, 50, shape), dtype=getattr(lamina, dtype))
    return lamina.tensor(rng.standard_normal(shape), dtype=getattr(lamina, dtype))


def assert_equal(there: lamina.Tensor, here: lamina.Tensor) -> None:
    assert there.is_cuda
    assert there.dtype is here.dtype
    np.testing.assert_array_equal(there.cpu().float().numpy(), here.float().numpy())


@pytest.mark.parametrize("shape", [(1024,), (1025,), (3, 2048), (2, 5000)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bfloat16", "int32"])
@pytest.mark.parametrize("descending", [False, True])
def test_sort(shape: tuple[int, ...], dtype: str, descending: bool) -> None:
    x = drawn(*shape, dtype=dtype)
    for there, here in zip(x.cuda().sort(-1, descending), x.sort(-1, descending), strict=True):
        assert_equal(there, here)


@pytest.mark.parametrize("k", [1, 17, 512, 513, 1500])
def test_topk(k: int) -> None:
    x = drawn(2, 4100)
    x[0, 7] = float("nan")
    for there, here in zip(x.cuda().topk(k), x.topk(k), strict=True):
        assert_equal(there, here)


@pytest.mark.parametrize("shape", [(1, 9000), (3, 9001), (2, 1030), (40, 4200)])
@pytest.mark.parametrize("dim", [0, 1])
def test_scans(shape: tuple[int, int], dim: int) -> None:
    x = drawn(*shape, dtype="int64")
    assert_equal(x.cuda().cumsum(dim), x.cumsum(dim))
    y = drawn(*shape)
    y[0, 5] = float("nan")
    for there, here in zip(y.cuda().cummax(dim), y.cummax(dim), strict=True):
        assert_equal(there, here)
    z = drawn(*shape, seed=1)
    np.testing.assert_allclose(z.cuda().cumsum(dim).cpu().numpy(), z.cumsum(dim).numpy(), atol=1e-4)


@pytest.mark.parametrize("rows, features", [(50, 33), (300, 8), (40, 1)])
def test_an_embeddings_gradient_has_the_cpus_bits(rows: int, features: int) -> None:
    weight, index = drawn(rows, features), drawn(700, dtype="int64") % rows
    grad = drawn(700, features, seed=2)
    tables = [weight.clone().requires_grad_(), weight.cuda().requires_grad_()]
    for table in tables:
        F.embedding(index.to(table.device), table).backward(grad.to(table.device))
    assert tables[0].grad is not None
    assert tables[1].grad is not None
    assert_equal(tables[1].grad, tables[0].grad)


def test_a_crowded_rows_gradient() -> None:
    index, grad = drawn(700, dtype="int64").clamp(0, 1), drawn(700, 9)
    sums = [
        lamina.zeros(3, 9, device=place).index_add_(0, index.to(place), grad.to(place))
        for place in ("cpu", "cuda", "cuda")
    ]
    np.testing.assert_allclose(sums[1].cpu().numpy(), sums[0].numpy(), rtol=1e-5, atol=1e-4)
    assert_equal(sums[2], sums[1].cpu())


@pytest.mark.parametrize("reduce", [None, "add", "multiply"])
@pytest.mark.parametrize("dtype", ["int64", "float16"])
def test_crowded_places(reduce: str | None, dtype: str) -> None:
    x, index = drawn(900, dtype="int64") % 3, drawn(900, dtype="int64", seed=1) % 7
    x = x.to(getattr(lamina, dtype))
    here = lamina.ones(7, dtype=x.dtype)
    there = here.cuda().scatter(0, index.cuda(), x.cuda(), reduce=reduce)
    assert_equal(there, here.scatter(0, index, x, reduce=reduce))


def test_rows_are_moved_at_every_alignment() -> None:
    x, index = drawn(9, 64), lamina.tensor([8, 0, 3, 3])
    for view in (x, x[:, 1:], x[:, :62], x[:, 3:32], x[::2, :48]):
        rows = index % view.shape[0]
        assert_equal(view.cuda().index_select(0, rows.cuda()), view.index_select(0, rows))
        moved = x.cuda()[:, 64 - view.shape[1] :] if view.shape[0] == 9 else view.cuda()
        assert_equal(moved.index_select(0, rows.cuda()), moved.cpu().index_select(0, rows))


def test_masks_of_many_chunks() -> None:
    x = drawn(3, 40_000) > 1.5
    assert_equal(x.cuda().nonzero(), x.nonzero())
    shifted = x.reshape(-1)[1:]
    assert_equal(x.cuda().reshape(-1)[1:].nonzero(), shifted.nonzero())
    values = drawn(3, 40_000)
    assert_equal(values.cuda()[x.cuda()], values[x])


def test_keys_that_are_no_tensors() -> None:
    here = lamina.arange(12.0).reshape(3, 4)
    there = here.cuda()
    for key in ([0, 2], np.array([1, 0]), [True, False, True], (slice(None), [3, 1]), True, np.int64(1)):
        assert_equal(there[key], here[key])
    there[[0, 2], 1:3] = 7
    here[[0, 2], 1:3] = 7
    assert_equal(there, here)


def test_unique_of_many() -> None:
    x = drawn(9000, dtype="int64")
    for there, here in zip(
        x.cuda().unique(return_inverse=True, return_counts=True),
        x.unique(return_inverse=True, return_counts=True),
        strict=True,
    ):
        assert_equal(there, here)


@pytest.mark.parametrize(
    "call",
    [
        lambda x, i: x.index_select(0, i),
        lambda x, i: x[i],
        lambda x, i: x[i, i],
        lambda x, i: x.gather(0, i[:, None]),
        lambda x, i: x.index_add_(0, i, lamina.ones(3, 4, device="cuda")),
        lambda x, i: x.scatter_(0, i[:, None], 1.0),
        lambda x, i: F.embedding(i, x),
    ],
)
@pytest.mark.parametrize("bad", [7, -8])
def test_a_bad_position_is_raised_when_synchronized(call, bad) -> None:  # type: ignore[no-untyped-def]
    x = lamina.zeros(5, 4, device="cuda")
    call(x, lamina.tensor([1, bad, 0], device="cuda"))
    with pytest.raises(IndexError, match=rf"\[\w+\] expected values from -?\d to \d, got {bad}"):
        cuda.synchronize()
    cuda.synchronize()  # once
    assert x.index_select(0, lamina.tensor([4], device="cuda")).sum().item() == 0


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("categories, samples", [(7, 3), (1500, 700), (3000, 40)])
def test_samples_are_the_cpus(replacement: bool, dtype: str, categories: int, samples: int) -> None:
    weights = drawn(3, categories).abs().to(getattr(lamina, dtype))
    weights[1, 5] = 0
    lamina.manual_seed(3)
    here = lamina.multinomial(weights, samples, replacement)
    lamina.manual_seed(3)
    assert_equal(lamina.multinomial(weights.cuda(), samples, replacement), here)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_bernoulli_draws_are_the_cpus(dtype: str) -> None:
    p = drawn(1003).abs().clamp(max=1).to(getattr(lamina, dtype))
    lamina.manual_seed(3)
    here = lamina.bernoulli(p)
    lamina.manual_seed(3)
    assert_equal(lamina.bernoulli(p.cuda()), here)


def test_weights_that_nothing_can_be_drawn_from() -> None:
    for weights, match in (
        ([1.0, -1.0], "negative, infinite or NaN"),
        ([1.0, float("nan")], "negative, infinite or NaN"),
        ([1.0, float("inf")], "negative, infinite or NaN"),
        ([0.0, 0.0], "only zeros"),
        ([0.0, 1.0], "at least num_samples=2"),
    ):
        with pytest.raises(ValueError, match=rf"\[multinomial\].*{match}"):
            lamina.multinomial(lamina.tensor([[0.5, 0.5], weights], device="cuda"), 2)
    with pytest.raises(ValueError, match=r"\[bernoulli\] expected 0 <= p <= 1"):
        lamina.bernoulli(lamina.tensor([0.5, 1.5], device="cuda"))


@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 16, 20), (2, 15, 6), (1, 256, 4), (9, 4, 250)])
@pytest.mark.parametrize("dtype, atol", [("float32", 2e-4), ("float64", 1e-12)])
def test_real_transforms(shape: tuple[int, ...], dtype: str, atol: float) -> None:
    x = drawn(*shape, dtype=dtype)
    y = lamina.Tensor(lamina._C.rfft2(x.cuda()._array)).cpu().numpy()
    np.testing.assert_allclose(y[..., 0] + 1j * y[..., 1], np.fft.rfft2(x.double().numpy()), atol=atol)


def test_a_ctc_label_that_comes_often() -> None:
    scores, labels = drawn(40, 2, 5, dtype="float64"), lamina.tensor([[1, 2, 1, 1, 3, 1], [4, 4, 2, 4, 0, 0]])
    found = []
    for device in ("cpu", "cuda"):
        x = scores.clone().to(device).requires_grad_()
        lengths = (lamina.tensor([40, 31]), lamina.tensor([6, 4]))
        loss = F.ctc_loss(x.log_softmax(-1), labels.to(device), *lengths, reduction="sum")
        loss.backward()
        assert x.grad is not None
        found.append((loss.item(), x.grad.cpu().numpy()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-12)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-12)


def test_bad_labels_are_raised_when_synchronized() -> None:
    x = drawn(5, 2, 4).log_softmax(-1).cuda()
    lengths = (lamina.tensor([5, 5]), lamina.tensor([2, 2]))
    F.ctc_loss(x, lamina.tensor([[1, 2], [3, 9]], device="cuda"), *lengths)
    with pytest.raises(IndexError, match=r"\[ctc_loss\] expected values from 0 to 3, got 9"):
        cuda.synchronize()
    F.multi_margin_loss(drawn(2, 4).cuda(), lamina.tensor([3, 4], device="cuda"))
    with pytest.raises(IndexError, match=r"\[multi_margin_loss\] expected values from 0 to 3, got 4"):
        cuda.synchronize()
    wrong = lamina.tensor([[0, -1, 2, 1], [3, 5, -1, 0]], device="cuda")
    F.multilabel_margin_loss(drawn(2, 4).cuda(), wrong)
    with pytest.raises(IndexError, match=r"\[multilabel_margin_loss\] expected values from -1 to 3, got 5"):
        cuda.synchronize()
