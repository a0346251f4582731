"""Captured steps on a CUDA device, real or emulated: eager's bits from graphs, and the CPU's messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from case import Case, Sample
from harness.discover import all_cases
from test_capture import OPTIMIZERS, REFUSED, Tagger, Work, bits, held, inner, run_both, run_case_both
from test_cuda_cases import or_skip

import lamina
from lamina import cuda, nn
from lamina.nn import functional as F

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())
needs_two = pytest.mark.skipif(cuda.device_count() < 2, reason="needs two CUDA devices")

Batch = tuple[lamina.Tensor, lamina.Tensor]


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 4))


def lenet() -> nn.Module:
    """LeNet's layers in its order, narrow enough for the emulator."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 4),
    )


MODELS: dict[str, Callable[[], nn.Module]] = {"mlp": mlp, "lenet": lenet, "tagger": Tagger}


def batches(model: str, count: int, device: str = "cuda") -> list[Batch]:
    rng = np.random.default_rng(5)

    def draw() -> np.ndarray:
        if model == "tagger":
            return rng.integers(0, 20, (3, 4))
        return rng.standard_normal((4, 1, 8, 8) if model == "lenet" else (4, 12)).astype(np.float32)

    drawn = [(draw(), rng.integers(0, 4, 4)) for _ in range(count)]
    return [(lamina.tensor(x, device=device), lamina.tensor(y, device=device)) for x, y in drawn]


def pair(model: str, optimizer: str, device: str = "cuda") -> tuple[Work, Work]:
    """The same work twice."""
    works = []
    for _ in range(2):
        lamina.manual_seed(3)
        works.append(Work(MODELS[model]().to(device), OPTIMIZERS[optimizer]))
    return works[0], works[1]


@pytest.mark.parametrize(
    "model, optimizer", [("mlp", o) for o in OPTIMIZERS] + [("lenet", "Adam"), ("tagger", "momentum")]
)
def test_same_bits_as_eager(model: str, optimizer: str) -> None:
    a, b = pair(model, optimizer)
    fast = lamina.capture(b.step)
    for x, y in batches(model, 5):
        run_both(a.step, fast, x, y)
        assert b.state() == a.state()
    # Dropout draws another key in every run, forward and backward: it stands between graphs.
    assert fast.graphs == {"mlp": 3, "lenet": 1, "tagger": 3}[model]
    assert fast.kernels > 10
    assert fast.nbytes > 0


def test_without_draws_all_but_the_optimizer_is_one_graph() -> None:
    a, b = pair("mlp", "SGD")
    for w in (a, b):
        w.model.eval()
    fast = lamina.capture(b.step)
    for x, y in batches("mlp", 4):
        run_both(a.step, fast, x, y)
    assert fast.graphs == 1


def test_options_and_eager_steps_in_between() -> None:
    a, b = pair("mlp", "Adam")
    fast = lamina.capture(b.step)
    schedules = [lamina.optim.lr_scheduler.StepLR(w.optimizer, 2, 0.5) for w in (a, b)]
    for i, (x, y) in enumerate(batches("mlp", 8)):
        run_both(a.step, b.step if i == 4 else fast, x, y)
        for schedule in schedules:
            schedule.step()
        assert b.state() == a.state()


@pytest.mark.parametrize("change", ["eval", "no gradients", "data", "precision"])
def test_changes_between_calls(change: str) -> None:
    """What decides which kernels run: the step is recorded again, or its graphs are."""
    a, b = pair("mlp", "momentum")
    fast = lamina.capture(b.step)
    try:
        for i, (x, y) in enumerate(batches("mlp", 6)):
            run_both(a.step, fast, x, y)
            assert b.state() == a.state()
            for w in (a, b) if i == 3 else ():
                layer: Any = w.model[0]
                if change == "eval":
                    w.model.eval()
                elif change == "no gradients":
                    w.model.zero_grad()
                elif change == "precision":
                    lamina.backends.cuda.matmul.allow_tf32 = True
                else:
                    layer.weight.data = layer.weight.detach() * 2
    finally:
        lamina.backends.cuda.matmul.allow_tf32 = False


FIRST = [pytest.param(c, c.samples[0], id=c.name) for c in all_cases()]


@pytest.mark.parametrize("case, sample", FIRST)
def test_every_case(case: Case, sample: Sample) -> None:
    """Every kernel can be recorded and captured: none waits for the device, or keeps what a launch leaves behind."""
    or_skip(lambda: run_case_both(case, sample, "cuda"))


def test_draws_go_on_between_replays() -> None:
    def draw(x: lamina.Tensor) -> tuple[lamina.Tensor, ...]:
        noise = lamina.randn(5, device="cuda") + lamina.rand(5, device="cuda")
        return x + noise, lamina.bernoulli(x * 0 + 0.5), lamina.randperm(6, device="cuda")

    fast = lamina.capture(draw)
    lamina.manual_seed(4)
    results = []
    for _ in range(5):
        run_both(draw, fast, x := lamina.ones(5, device="cuda"))
        results.append(bits(fast(x)))
    assert len({str(r) for r in results}) == 5


@pytest.mark.parametrize("name", [n for n in REFUSED if n not in ("numpy", "buffer")])
def test_what_can_not_be_recorded_says_what_it_says_on_the_cpu(name: str) -> None:
    step, message = REFUSED[name]
    held.clear()
    for _ in range(3):
        inner(lamina.ones(3))
    fast = lamina.capture(
        (lambda x: (lamina.manual_seed(1), x + lamina.rand(3, device="cuda"))) if name == "seed" else step
    )
    x = lamina.ones(3, device="cuda")
    if name == "nested":
        inner.reset()
        for _ in range(3):
            inner(x)
    if name == "needs backward":
        fast = lamina.capture(lambda x: (x * lamina.ones(3, device="cuda", requires_grad=True)).sum())
    fast(x)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"\[capture\].*" + message):
            fast(x)
    inner.reset()
    assert lamina.ones(3, device="cuda").sum().item() == 3  # nothing is recorded any more


WAITS: dict[str, Callable[[], Any]] = {
    "synchronize": cuda.synchronize,
    "stream": lambda: cuda.Stream().wait_stream(cuda.current_stream()),
    "event": lambda: cuda.Event().record(),
    "query": lambda: cuda.current_stream().query(),
}


@pytest.mark.parametrize("name", WAITS)
def test_streams_and_events_stay_outside(name: str) -> None:
    def step(x: lamina.Tensor) -> lamina.Tensor:
        WAITS[name]()
        return x + 1

    fast = lamina.capture(step)
    fast(x := lamina.ones(3, device="cuda"))
    with pytest.raises(RuntimeError, match=r"\[capture\] cuda: what is done with streams and events"):
        fast(x)
    cuda.synchronize()


@pytest.mark.parametrize(
    "args, message",
    [
        (((4,), "cuda"), r"tensor 0 of the arguments to have shape \(3,\), .*as recorded, got shape \(4,\)"),
        (((3,), "cpu"), r"float32 on cuda:0 as recorded, got shape \(3,\), .*on cpu"),
    ],
)
def test_other_arguments_are_refused(args: tuple[tuple[int, ...], str], message: str) -> None:
    fast = lamina.capture(lambda x: x * 2 + 1)
    for _ in range(3):
        fast(lamina.ones(3, device="cuda"))
    shape, device = args
    with pytest.raises(ValueError, match=r"\[capture\].*" + message):
        fast(lamina.ones(*shape, device=device))
    assert fast(lamina.ones(3, device="cuda")).tolist() == [3, 3, 3]


def test_memory_stays_the_steps_while_it_is_recorded() -> None:
    cuda.empty_cache()
    before = cuda.memory_allocated()
    fast = lamina.capture(lambda x: ((x @ x).exp() + 1).sum(0))
    x = lamina.full((16, 16), 0.01, device="cuda")
    want = bits([fast(x) for _ in range(3)][-1])
    assert cuda.memory_allocated() >= before + fast.nbytes > before
    for _ in range(3):
        cuda.empty_cache()
        others = [lamina.full((n,), np.nan, device="cuda") for n in (16, 256, 5000)]
        assert bits(fast(x)) == want
    fast.reset()
    del others, x
    assert cuda.memory_allocated() == before


def test_results_and_bound_arguments() -> None:
    fast = lamina.capture(lambda x: x + 1 - 0, copy=False)
    results = [fast(lamina.full((3,), float(i), device="cuda")) for i in range(5)]
    assert results[3] is results[4]
    (bound,) = fast.inputs
    bound.fill_(9)
    assert fast(bound).tolist() == [10, 10, 10]
    own = lamina.capture(lambda x: x + 1)
    results = [own(lamina.full((3,), float(i), device="cuda")) for i in range(5)]
    assert [r.tolist()[0] for r in results] == [1, 2, 3, 4, 5]


def test_replays_on_other_streams() -> None:
    a, b = pair("mlp", "momentum")
    fast = lamina.capture(b.step)
    for i, (x, y) in enumerate(batches("mlp", 8)):
        side = cuda.Stream() if i % 3 == 2 else cuda.default_stream()
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            run_both(a.step, fast, x, y)
        cuda.current_stream().wait_stream(side)
    del side
    assert b.state() == a.state()
    fast.reset()
    cuda.empty_cache()


def test_copies_between_devices_are_part_of_the_step() -> None:
    weight = lamina.arange(3.0, device="cuda")

    def step(x: lamina.Tensor) -> lamina.Tensor:
        there = x.to("cuda", non_blocking=True) * weight + 1
        return there.cpu() * 2

    fast = lamina.capture(step)
    for i in range(5):
        run_both(step, fast, lamina.full((3,), float(i)))


@needs_two
def test_a_step_on_two_devices() -> None:
    def step(x: lamina.Tensor) -> tuple[lamina.Tensor, lamina.Tensor]:
        y = (x * 2 + 1).exp()
        return y, (y.to("cuda:1") - 1).sum(0) * 3

    fast = lamina.capture(step)
    for i in range(4):
        run_both(step, fast, lamina.full((3,), 0.1 * i, device="cuda:0"))
    assert fast.graphs == 2
    a, b = pair("mlp", "Adam", "cuda:1")
    fast_work = lamina.capture(b.step)
    for x, y in batches("mlp", 4, "cuda:1"):
        run_both(a.step, fast_work, x, y)


def test_a_bad_target_is_raised_when_synchronized() -> None:
    model = nn.Linear(4, 3).to("cuda")

    def step(x: lamina.Tensor, y: lamina.Tensor) -> lamina.Tensor:
        return F.cross_entropy(model(x), y).detach()

    fast = lamina.capture(step)
    x, good = lamina.ones(2, 4, device="cuda"), lamina.tensor([0, 2], device="cuda")
    want = [fast(x, good).item() for _ in range(3)][-1]
    fast(x, lamina.tensor([0, 7], device="cuda"))
    with pytest.raises(IndexError, match=r"\[cross_entropy\] expected values from 0 to 2, got 7"):
        cuda.synchronize()
    assert fast(x, good).item() == want


def test_out_of_memory_leaves_everything_usable() -> None:
    free, _ = cuda.mem_get_info()
    wanted = 1
    fast = lamina.capture(lambda x: lamina.empty(wanted, dtype=lamina.uint8, device="cuda")[:3] * 0 + x)
    x = lamina.ones(3, device="cuda")
    fast(x)
    wanted = 2 * free  # while it is recorded
    with pytest.raises(cuda.OutOfMemoryError, match="out of memory on cuda:0"):
        fast(x)
    wanted = 16
    assert [fast(x).shape for _ in range(3)] == [(3,)] * 3
    assert fast.graphs == 1
