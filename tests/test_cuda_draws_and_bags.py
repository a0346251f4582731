"""What the cases' small shapes do not reach: draws of rejection samplers, bags whose rows repeat often, many tiles of
pairs, and recurrent layers of sequences of several lengths, on a CUDA device against the CPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lamina
from lamina import cuda, nn
from lamina.nn import functional as F
from lamina.ops.variates import standard_gamma

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())

F64 = lamina.float64


def on_both(run: Callable[[str], list[lamina.Tensor]], rtol: float) -> None:
    """Results on the device are the CPU's to rounding, relative to the largest of each."""
    for there, here in zip(run("cuda"), run("cpu"), strict=True):
        a, b = there.detach().cpu().numpy(), here.detach().numpy()
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=rtol * max(np.abs(b).max(initial=0), 1e-30))


def spread(low: float, high: float, n: int = 3000) -> lamina.Tensor:
    return lamina.tensor(np.geomspace(low, high, n))


COUNTS: dict[str, Callable[[str], lamina.Tensor]] = {
    "poisson, inverted": lambda device: lamina.poisson(spread(1e-3, 9.99).to(device)),
    "poisson, rejected": lambda device: lamina.poisson(spread(10, 1e6).to(device)),
    "poisson, float32": lambda device: lamina.poisson(spread(0.1, 1e3).float().to(device)),
    "binomial": lambda device: lamina.binomial(
        spread(1, 1e6).floor().to(device), lamina.linspace(0, 1, 3000, dtype=F64, device=device)
    ),
}


@pytest.mark.parametrize("draw", COUNTS.values(), ids=COUNTS)
def test_counts_are_the_cpus(draw: Callable[[str], lamina.Tensor]) -> None:
    drawn = []
    for device in ("cpu", "cuda"):
        lamina.manual_seed(3)
        drawn.append(draw(device).cpu().numpy())
    np.testing.assert_array_equal(*drawn)
    assert len(np.unique(drawn[0])) > 5


@pytest.mark.parametrize(("dtype", "rtol"), [(F64, 1e-11), (lamina.float32, 1e-6)])
def test_gamma_draws_are_the_cpus_to_rounding(dtype: lamina.dtype, rtol: float) -> None:
    drawn = []
    for device in ("cpu", "cuda"):
        lamina.manual_seed(3)
        drawn.append(standard_gamma(spread(0.02, 1e5).to(dtype).to(device)).cpu().numpy())
    np.testing.assert_allclose(*drawn, rtol=rtol, atol=1e-30)


def test_gamma_gradients() -> None:
    shapes = spread(0.05, 1e5, 400)
    draws = (shapes + lamina.randn(400, dtype=F64) * shapes.sqrt()).abs() + 1e-3
    found = [
        lamina.Tensor(lamina._C.standard_gamma_grad(shapes.to(d)._array, draws.to(d)._array)).cpu().numpy()
        for d in ("cpu", "cuda")
    ]
    np.testing.assert_allclose(*found, rtol=1e-9)
    alpha = shapes.to("cuda").requires_grad_()
    standard_gamma(alpha).sum().backward()
    assert alpha.grad is not None
    assert bool(alpha.grad.isfinite().all())


@pytest.mark.parametrize(
    ("match", "call"),
    [
        (r"\[poisson\] expected rates >= 0", lambda: lamina.poisson(lamina.tensor([1.0, -1.0]).cuda())),
        (r"\[standard_gamma\] expected shapes >= 0", lambda: standard_gamma(lamina.tensor([np.nan]).cuda())),
        (
            r"\[binomial\] expected whole counts",
            lambda: lamina.binomial(lamina.tensor([2.5]).cuda(), lamina.tensor([0.5]).cuda()),
        ),
    ],
)
def test_parameters_that_do_not_fit(match: str, call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=match):
        call()
    assert lamina.poisson(lamina.tensor([0.0]).cuda()).item() == 0  # the device goes on


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("features", [1, 5, 40])
def test_rows_that_many_bags_name(mode: str, features: int) -> None:
    """Runs of one row longer than a part, padding within, and empty bags."""
    rng = np.random.default_rng(0)
    index = np.where(rng.random(700) < 0.6, 3, rng.integers(0, 12, 700))
    offsets = np.sort(rng.choice(700, 60, replace=False))
    offsets[0], offsets[20:23] = 0, offsets[20]
    table, factors = rng.standard_normal((12, features)), rng.standard_normal(700)

    def run(device: str) -> list[lamina.Tensor]:
        w = lamina.tensor(table).to(device).requires_grad_()
        s = lamina.tensor(factors).to(device).requires_grad_() if mode == "sum" else None
        at, bounds = lamina.tensor(index).to(device), lamina.tensor(offsets).to(device)
        y = F.embedding_bag(at, w, bounds, mode=mode, per_sample_weights=s, padding_idx=5)
        y.backward(lamina.arange(y.numel(), dtype=F64).reshape(y.shape).cos().to(device))
        assert w.grad is not None
        return [y, w.grad] + ([] if s is None or s.grad is None else [s.grad])

    on_both(run, 1e-13)


def test_a_bag_that_names_no_row() -> None:
    w = lamina.ones(4, 2, device="cuda")
    F.embedding_bag(lamina.tensor([[0, 9]], device="cuda"), w)
    with pytest.raises(IndexError, match=r"\[embedding_bag\].*9"):
        cuda.synchronize()
    with pytest.raises(ValueError, match=r"\[embedding_bag\] expected offsets that rise from 0 to 2"):
        F.embedding_bag(lamina.tensor([0, 1], device="cuda"), w, lamina.tensor([1], device="cuda"))


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.5, float("inf")])
@pytest.mark.parametrize("rows", [2, 64, 65, 131])
def test_pairs_of_several_tiles(rows: int, p: float) -> None:
    values = np.random.default_rng(rows).standard_normal((rows, 7))
    values[1] = values[0]  # a distance of 0, without a gradient

    def run(device: str) -> list[lamina.Tensor]:
        x = lamina.tensor(values).to(device).requires_grad_()
        y = F.pdist(x, p)
        y.backward(lamina.arange(y.numel(), dtype=F64).cos().to(device))
        assert x.grad is not None
        return [y, x.grad]

    on_both(run, 1e-12)


LAYERS: dict[str, Callable[..., nn.Module]] = {
    "tanh": nn.RNN,
    "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k),
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("lengths", [[6] * 5, [7, 7, 4, 2, 1]])
def test_recurrent_layers(make: Callable[..., nn.Module], bias: bool, lengths: list[int]) -> None:
    """Two layers in both directions over sequences of several lengths, with every gradient."""
    lamina.manual_seed(1)
    layer = make(9, 70, num_layers=2, bidirectional=True, bias=bias).double()
    values = np.random.default_rng(0).standard_normal((max(lengths), len(lengths), 9))

    def run(device: str) -> list[lamina.Tensor]:
        layer.to(device).zero_grad()
        x = lamina.tensor(values).to(device).requires_grad_()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths)
        y, states = layer(packed)
        ends = states if isinstance(states, tuple) else (states,)
        weight = lamina.arange(y.data.numel(), dtype=F64).reshape(y.data.shape).cos().to(device)
        ((y.data * weight).sum() + sum((s * s).sum() for s in ends)).backward()
        grads = [p.grad.detach().cpu() for p in layer.parameters()]
        return [y.data, *ends, x.grad, *grads]

    on_both(run, 1e-12)


def test_a_recurrent_layer_is_one_op_and_runs_the_same_twice() -> None:
    lamina.manual_seed(0)
    layer = nn.LSTM(5, 33).cuda()
    x = lamina.randn(6, 3, 5).cuda()
    first, again = (layer(x)[0] for _ in range(2))
    assert lamina.equal(first, again)
    assert first.grad_fn is not None
    with lamina.no_grad():  # nothing saved
        assert lamina.equal(layer(x)[0], first)


@pytest.mark.parametrize("batch_first", [False, True])
def test_sequences_in_any_order_are_packed_and_padded_again(batch_first: bool) -> None:
    values, lengths = (
        np.random.default_rng(0).standard_normal((3, 4, 2)),
        [2, 4, 1] if batch_first else [2, 3, 1, 3],
    )

    def run(device: str) -> list[lamina.Tensor]:
        x = lamina.tensor(values).to(device)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
        assert (packed.data.device.type, packed.batch_sizes.device.type) == (device, "cpu")
        moved = packed.to("cpu").to(device)
        padded, sizes = nn.utils.rnn.pad_packed_sequence(moved, batch_first)
        assert sizes.tolist() == lengths
        return [packed.data, padded]

    on_both(run, 0)
