"""Capture: a recorded step leaves the bits that the step itself would, and says where it can't."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from case import Case, Sample
from harness.discover import all_cases
from harness.draw import Call, Drawn, draw_call, leaves
from harness.run import numpy_of, to_lamina

import lamina
from lamina import _C, nn
from lamina.nn import functional as F

Step = Callable[..., Any]


def bits(x: Any) -> Any:
    """The bytes of every tensor in nested containers; other values as they are."""
    if isinstance(x, lamina.Tensor):
        return numpy_of(x).tobytes()
    if isinstance(x, dict):
        return {key: bits(value) for key, value in x.items()}
    return [bits(v) for v in x] if isinstance(x, (list, tuple)) else x


class Work:
    """A model with its optimizer and a step, made the same way any number of times."""

    def __init__(self, model: nn.Module, optimizer: Callable[[Any], Any], step: Step | None = None) -> None:
        self.model, self.optimizer = model, optimizer(model.parameters())
        self._step = step

    def step(self, x: lamina.Tensor, y: lamina.Tensor) -> Any:
        self.optimizer.zero_grad()
        scores = self.model(x)
        loss = F.cross_entropy(scores, y)
        loss.backward()
        self.optimizer.step()
        return {"loss": loss, "scores": scores.detach()}

    def state(self) -> Any:
        grads = {name: p.grad for name, p in self.model.named_parameters()}
        return bits([self.model.state_dict(), grads, self.optimizer.state_dict()["state"]])


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.rnn = nn.LSTM(8, 6, num_layers=2, dropout=0.3, bidirectional=True)
        self.out = nn.Linear(12, 4)

    def forward(self, x: lamina.Tensor) -> lamina.Tensor:
        y, _ = self.rnn(self.embedding(x))
        return self.out(y[-1])


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 4))


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 8, 3, padding=1, padding_mode="reflect"),
        nn.Dropout2d(0.2),
        nn.GELU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.LayerNorm(8),
        nn.Linear(8, 4),
    )


def inputs(kind: str, count: int) -> Iterator[tuple[lamina.Tensor, lamina.Tensor]]:
    rng = np.random.default_rng(5)
    for _ in range(count):
        if kind == "tagger":
            x = rng.integers(0, 20, (5, 6))
        else:
            x = rng.standard_normal((6, 3, 8, 8) if kind == "convnet" else (6, 12)).astype(np.float32)
        yield lamina.tensor(x), lamina.tensor(rng.integers(0, 4, 6))


MODELS = {"mlp": mlp, "convnet": convnet, "tagger": Tagger}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: lamina.optim.SGD(p, lr=0.1),
    "momentum": lambda p: lamina.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2),
    "Adam": lambda p: lamina.optim.Adam(p, lr=1e-2, amsgrad=True),
    "AdamW": lambda p: lamina.optim.AdamW(p, lr=1e-2),
    "NAdam": lambda p: lamina.optim.NAdam(p, lr=1e-2),
    "RAdam": lambda p: lamina.optim.RAdam(p, lr=1e-2),
    "ASGD": lambda p: lamina.optim.ASGD(p, lr=1e-2),
    "RMSprop": lambda p: lamina.optim.RMSprop(p, lr=1e-2, momentum=0.5),
    "Adagrad": lambda p: lamina.optim.Adagrad(p, lr=1e-2, lr_decay=0.1),
    "Rprop": lambda p: lamina.optim.Rprop(p, lr=1e-2),
}
WORKS = [("mlp", name) for name in OPTIMIZERS] + [
    (m, o) for m in ("convnet", "tagger") for o in ("momentum", "Adam")
]


def pair(model: str, optimizer: str) -> tuple[Work, Work]:
    """The same work twice."""
    works = []
    for _ in range(2):
        lamina.manual_seed(3)
        works.append(Work(MODELS[model](), OPTIMIZERS[optimizer]))
    return works[0], works[1]


def run_both(eager: Step, fast: Step, *args: Any) -> None:
    """Both from the same state of the generator: they give the same bits and leave it in the same state."""
    before = lamina.get_rng_state()
    want = bits(eager(*args))
    after = bits(lamina.get_rng_state())
    lamina.set_rng_state(before)
    assert bits(fast(*args)) == want
    assert bits(lamina.get_rng_state()) == after


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("model, optimizer", WORKS)
def test_same_bits_as_eager(model: str, optimizer: str, threads: int) -> None:
    a, b = pair(model, optimizer)
    fast = lamina.capture(b.step)
    before = lamina.get_num_threads()
    lamina.set_num_threads(threads)
    try:
        for x, y in inputs(model, 6):
            run_both(a.step, fast, x, y)
            assert b.state() == a.state()
    finally:
        lamina.set_num_threads(before)
    assert fast.kernels > 10
    assert fast.nbytes > 0


SAMPLES = [pytest.param(c, s, id=f"{c.name}-{i}") for c in all_cases() for i, s in enumerate(c.samples)]
NEEDS_VALUES = {  # what some of their samples give has a shape, or comes by a branch, that follows from values
    "compare.allclose",
    "compare.equal",
    "count.bincount",
    "count.unique",
    "count.unique_consecutive",
    "embedding.max_norm",
    "embedding.one_hot",
    "indexing.index_put",
    "indexing.masked_scatter",
    "indexing.masked_select",
    "indexing.nonzero",
    "indexing.nonzero_tuple",
    "loss.ctc_loss",
    "loss.gaussian_nll_loss",
    "rearrange.repeat_counts",
    "rearrange.repeat_interleave",
    "rearrange.tril_indices",
    "rearrange.triu_indices",
    "reduce.prod",
}
READS_ON_CUDA = {"embedding_bag.last_offset"}  # offsets, which the CPU checks in every replay
NEEDS_NO_KERNEL = {"compare.equal", "unary.positive_edges", "unary.positive_integers"}  # views, shapes


@pytest.mark.parametrize("case, sample", SAMPLES)
def test_every_case(case: Case, sample: Sample) -> None:
    run_case_both(case, sample, "cpu")


def run_case_both(case: Case, sample: Sample, device: str) -> None:
    """Every kernel of every op can be recorded: run again on other values, forward and backward, it gives the bits
    of an eager call on them.  Or the recording is refused by a message that says why."""
    dtype = next((d for d in case.dtypes if d == "float32"), case.dtypes[0])
    call = draw_call(case, sample, dtype)

    def turned(x: Any) -> Any:
        if not isinstance(x, Drawn) or not x.grad or x.values.ndim == 0:
            return x
        return Drawn(np.ascontiguousarray(x.values[::-1]), x.dtype, x.grad)

    other = Call(*call.mapped(turned))

    def step(*tensors: lamina.Tensor) -> Any:
        given = iter([t.detach().requires_grad_(x.grad) for t, x in zip(tensors, call.inputs())])
        used: list[lamina.Tensor] = []

        def make(x: Any) -> Any:
            if not isinstance(x, Drawn):
                return x
            used.append(next(given))
            return used[-1]

        args, kwargs = call.mapped(make)
        outputs = [y for y in leaves(case.call(*args, **kwargs)) if isinstance(y, lamina.Tensor)]
        roots = [y for y in outputs if y.requires_grad]
        wanted = [t for t in used if t.requires_grad]
        if not case.differentiable or not roots or not wanted:
            return [y.detach() for y in outputs]
        seeds = [y.detach() * 0.5 + 1 for y in roots]
        grads = lamina.autograd.grad(roots, wanted, seeds, allow_unused=True)
        return [y.detach() for y in outputs], [g for g in grads if g is not None]

    def tensors_of(drawn: Call) -> list[lamina.Tensor]:
        return [to_lamina(x, device).detach() for x in drawn.inputs()]

    fast = lamina.capture(step)
    lamina.manual_seed(1)
    try:
        for _ in range(2):
            fast(*tensors_of(call))
    except RuntimeError as error:
        if "[capture]" not in str(error):
            raise
        assert case.name in NEEDS_VALUES or (device == "cuda" and case.name in READS_ON_CUDA), error
        return
    empty = any(x.values.size == 0 for x in call.inputs())
    assert fast.kernels > 0 or empty or case.name in NEEDS_NO_KERNEL
    for drawn in (other, call):
        run_both(step, fast, *tensors_of(drawn))


def test_options_and_eager_steps_in_between() -> None:
    a, b = pair("mlp", "Adam")
    fast = lamina.capture(b.step)
    schedules = [lamina.optim.lr_scheduler.StepLR(w.optimizer, 2, 0.5) for w in (a, b)]
    for i, (x, y) in enumerate(inputs("mlp", 10)):
        run_both(a.step, b.step if i in (4, 7) else fast, x, y)
        for schedule in schedules:
            schedule.step()
        if i == 5:
            b.optimizer.load_state_dict(b.optimizer.state_dict())
        assert b.state() == a.state()


@pytest.mark.parametrize("change", ["eval", "freeze", "no gradients", "gradients", "other weight", "data"])
def test_changes_between_calls_record_again(change: str) -> None:
    a, b = pair("mlp", "momentum")
    fast = lamina.capture(b.step)
    for i, (x, y) in enumerate(inputs("mlp", 8)):
        run_both(a.step, fast, x, y)
        assert b.state() == a.state()
        for w in (a, b) if i in (3, 5) else ():
            layer: Any = w.model[0]
            if change == "eval":
                w.model.train(not w.model.training)
            elif change == "freeze":
                layer.weight.requires_grad_(not layer.weight.requires_grad)
            elif change == "no gradients":
                w.model.zero_grad()
            elif change == "gradients":
                for p in w.model.parameters():
                    p.grad = lamina.ones_like(p)
            elif change == "data":
                layer.weight.data = layer.weight.detach() * 2
            else:
                layer.bias = nn.Parameter(lamina.ones(16))


def test_gradients_accumulate_outside_and_inside() -> None:
    a, b = pair("mlp", "SGD")

    def accumulate(work: Work) -> Step:
        def step(x: lamina.Tensor, y: lamina.Tensor) -> lamina.Tensor:
            loss = F.cross_entropy(work.model(x), y)
            loss.backward()
            return loss

        return step

    fast = lamina.capture(accumulate(b))
    for i, (x, y) in enumerate(inputs("mlp", 9)):
        run_both(accumulate(a), fast, x, y)
        assert b.state() == a.state()
        if i == 4:
            for w in (a, b):
                w.optimizer.step()
                w.optimizer.zero_grad(set_to_none=False)


def test_inference_follows_the_weights() -> None:
    lamina.manual_seed(0)
    model = convnet().eval()

    def infer(x: lamina.Tensor) -> lamina.Tensor:
        with lamina.inference_mode():
            return model(x)

    fast = lamina.capture(infer)
    for i, (x, _) in enumerate(inputs("convnet", 8)):
        run_both(infer, fast, x)
        with lamina.no_grad():
            if i in (3, 5):
                model[0].weight.mul_(0.5)  # type: ignore[operator, union-attr]


def test_functions_without_a_module() -> None:
    generator = lamina.Generator()

    def draw(x: lamina.Tensor, scale: float) -> tuple[lamina.Tensor, ...]:
        noise = lamina.randn(4, generator=generator) + lamina.rand(4)
        return x * scale + noise, lamina.bernoulli(lamina.full((5,), 0.5)), lamina.randperm(6)

    fast = lamina.capture(draw)
    for i in range(5):
        lamina.manual_seed(i // 2)
        generator.manual_seed(7)
        x = lamina.full((4,), float(i))
        run_both_seeded = bits(draw(x, 2.0))
        lamina.manual_seed(i // 2)
        generator.manual_seed(7)
        assert bits(fast(x, 2.0)) == run_both_seeded


def test_results_have_memory_of_their_own_unless_told_otherwise() -> None:
    x = [lamina.full((3,), float(i)) for i in range(5)]
    fast = lamina.capture(lambda x: x + 1)
    results = [fast(v) for v in x]
    assert [r.tolist()[0] for r in results] == [1, 2, 3, 4, 5]
    shared = lamina.capture(lambda x: x + 1, copy=False)
    results = [shared(v) for v in x]
    assert results[3] is results[4]
    (bound,) = shared.inputs
    bound.fill_(9)
    assert shared(bound).tolist() == [10, 10, 10]


def double(x: lamina.Tensor, scale: float = 2.0) -> lamina.Tensor:
    return x * scale


@pytest.mark.parametrize(
    "args, message",
    [
        (
            (lamina.ones(4),),
            r"tensor 0 of the arguments to have shape \(3,\), .*float32 on cpu as recorded, got shape \(4,\)",
        ),
        ((lamina.ones(3, dtype=lamina.float64),), r"float32 on cpu as recorded, got shape \(3,\), .*float64"),
        ((lamina.ones(6)[::2],), r"strides \(1,\), got \(2,\)"),
        ((lamina.ones(3, requires_grad=True),), "need no gradient"),
        ((lamina.ones(3), 3.0), r"arguments \[\] as recorded, got \[3.0\]"),
        ((lamina.ones(3), lamina.ones(3)), "structure|tensors"),
        ((), "structure|tensors"),
    ],
)
def test_other_arguments_are_refused(args: tuple[Any, ...], message: str) -> None:
    fast = lamina.capture(double)
    for _ in range(3):
        fast(lamina.ones(3))
    with pytest.raises(ValueError, match=r"\[capture\].*" + message):
        fast(*args)
    assert fast(lamina.ones(3)).tolist() == [2, 2, 2]


def test_other_values_are_refused() -> None:
    fast = lamina.capture(double)
    for _ in range(3):
        fast(lamina.ones(3), 3.0)
    with pytest.raises(
        ValueError, match=r"\[capture\] expected the arguments \[3.0\] as recorded, got \[4.0\]"
    ):
        fast(lamina.ones(3), 4.0)


held: list[lamina.Tensor] = []


def carry(x: lamina.Tensor) -> lamina.Tensor:
    held[:] = [(held[0] if held else x) + 1]
    return held[0].clone()


def consume(x: lamina.Tensor) -> lamina.Tensor:
    w = lamina.ones(3, requires_grad=True)
    return (x * w).sum()


REFUSED: dict[str, tuple[Step, str]] = {
    "item": (lambda x: x * x.sum().item(), "item: the value of an element"),
    "branch": (lambda x: x if (x > 0).all() else -x, "item"),
    "nonzero": (lambda x: x.nonzero(), "nonzero"),
    "mask": (lambda x: x[x > 0], "index"),
    "unique": (lambda x: x.unique(), "unique"),
    "numpy": (lambda x: lamina.tensor(x.numpy() + 1), "numpy"),
    "seed": (lambda x: (lamina.manual_seed(1), x + lamina.rand(3)), "the state of a generator"),
    "extent": (lambda x: F.one_hot(x.long()), "extent: the range of an index"),
    "buffer": (lambda x: lamina.tensor(np.asarray(memoryview(x._array))), "buffer"),
    "carried state": (carry, "replaces a tensor that it reads"),
    "written argument": (lambda x: x.add_(1).clone(), "does not write to its arguments"),
    "needs backward": (consume, "still needs backward"),
    "nested": (lambda x: inner(x), "within"),
}
inner = lamina.capture(lambda x: x + 1)


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_recorded_says_so(name: str) -> None:
    step, message = REFUSED[name]
    held.clear()
    for _ in range(3):
        inner(lamina.ones(3))
    fast = lamina.capture(step)
    fast(lamina.ones(3))
    for _ in range(2):
        with pytest.raises((RuntimeError, BufferError), match=r"\[capture\].*" + message):
            fast(lamina.ones(3))
    assert lamina.ones(3).sum().item() == 3  # nothing is recorded any more


def test_arguments_that_are_no_tensors() -> None:
    fast = lamina.capture(lambda x: lamina.tensor(x))
    fast(np.ones(3))
    with pytest.raises(TypeError, match=r"\[capture\] expected tensors as arguments, got ndarray"):
        fast(np.ones(3))
    with pytest.raises(TypeError, match=r"\[capture\] expected a function, got int"):
        lamina.capture(3)  # type: ignore[arg-type]


def test_state_as_an_argument_and_a_result() -> None:
    def step(x: lamina.Tensor, h: lamina.Tensor) -> tuple[lamina.Tensor, lamina.Tensor]:
        return x + h, (h * 2 + x).tanh()

    for copy in (True, False):
        fast = lamina.capture(step, copy=copy)
        h = g = lamina.zeros(3)
        for i in range(6):
            want, h = step(lamina.full((3,), 0.1 * i), h)
            got, g = fast(lamina.full((3,), 0.1 * i), g)
            assert bits([got, g]) == bits([want, h])


def test_other_threads_are_not_recorded() -> None:
    def work() -> None:
        assert (lamina.ones(3) + 1).sum().item() == 6

    def step(x: lamina.Tensor) -> lamina.Tensor:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return x * 2

    fast, alone = lamina.capture(step), lamina.capture(lambda x: x * 2)
    for _ in range(3):
        assert fast(lamina.ones(3)).tolist() == alone(lamina.ones(3)).tolist() == [2, 2, 2]
    assert fast.kernels == alone.kernels == 1


class ByHand(lamina.optim.Optimizer):
    """Gradient descent in Python, with a rate that falls."""

    def __init__(self, params: Any, counts: bool) -> None:
        super().__init__(params, {"lr": 0.1})
        self.counts = counts

    def _update(self, group: dict[str, Any], params: list[lamina.Tensor]) -> None:
        for p in params:
            if self.counts:
                self.state[p]["step"] = self.state[p].get("step", 0) + 1
            assert p.grad is not None
            p.add_(p.grad, alpha=-group["lr"] / self.state[p].get("step", 1))


def test_optimizers_in_python() -> None:
    works = [Work(mlp(), lambda p: ByHand(p, counts=True)), *pair("mlp", "SGD")]
    for w in works[1:]:
        w.optimizer = ByHand(w.model.parameters(), counts=False)
    fast = lamina.capture(works[2].step)
    for i, (x, y) in enumerate(inputs("mlp", 8)):
        run_both(works[1].step, fast, x, y)
        assert works[2].state() == works[1].state()
        if i == 4:
            for w in works[1:]:
                w.optimizer.param_groups[0]["lr"] = 0.01
    counting = lamina.capture(works[0].step)
    counting(x, y)
    with pytest.raises(RuntimeError, match=r"\[capture\] ByHand computes with numbers in Python"):
        counting(x, y)


def test_a_schedule_within_the_step() -> None:
    work = Work(mlp(), OPTIMIZERS["SGD"])
    schedule = lamina.optim.lr_scheduler.StepLR(work.optimizer, 1, 0.5)

    def step(x: lamina.Tensor, y: lamina.Tensor) -> None:
        work.step(x, y)
        schedule.step()

    fast = lamina.capture(step)
    (x, y), *_ = inputs("mlp", 1)
    fast(x, y)
    with pytest.raises(RuntimeError, match=r"\[capture\] the step changes the options of SGD"):
        fast(x, y)


def test_an_exception_within_the_step() -> None:
    a, b = pair("mlp", "Adam")
    fails = False

    def step(x: lamina.Tensor, y: lamina.Tensor) -> Any:
        result = b.step(x, y)
        if fails:
            raise KeyError("mine")
        return result

    fast = lamina.capture(step)
    for i, (x, y) in enumerate(inputs("mlp", 6)):
        fails = i == 1
        if fails:  # while it is recorded: the step has run, as it would eagerly
            before = lamina.get_rng_state()
            with pytest.raises(KeyError, match="mine"):
                fast(x, y)
            lamina.set_rng_state(before)
            a.step(x, y)
            continue
        run_both(a.step, fast, x, y)
    assert fast.kernels > 0


def test_a_bad_index_in_a_replay() -> None:
    a, b = pair("tagger", "momentum")
    a.model.eval()
    b.model.eval()
    fast = lamina.capture(b.step)
    examples = list(inputs("tagger", 5))
    for x, y in examples[:3]:
        run_both(a.step, fast, x, y)
    x, y = examples[3]
    for bad in ((x + 20, y), (x, y + 4)):
        with pytest.raises(IndexError) as eager:
            a.step(*bad)
        with pytest.raises(IndexError) as replayed:
            fast(*bad)
        assert str(replayed.value).split(" (in ")[0] == str(eager.value).split(" (in ")[0]
    run_both(a.step, fast, *examples[4])


def test_versions_count_the_writes_of_replays() -> None:
    work = Work(mlp(), OPTIMIZERS["SGD"])
    fast = lamina.capture(work.step)
    (x, y), *_ = inputs("mlp", 1)
    for _ in range(3):
        fast(x, y)
    loss = F.cross_entropy(work.model(x), y)
    fast(x, y)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_memory_comes_back() -> None:
    (x, y), *_ = inputs("convnet", 1)

    def run() -> None:
        work = Work(convnet(), OPTIMIZERS["Adam"])
        fast = lamina.capture(work.step)
        for _ in range(4):
            fast(x, y)
        assert fast.nbytes > 0
        held_by_it = _C.memory_stats()["allocated"]
        fast.reset()
        work.model.zero_grad()
        assert _C.memory_stats()["allocated"] < held_by_it

    run()
    gc.collect()
    before = _C.memory_stats()["allocated"]
    for _ in range(3):
        run()
    gc.collect()
    assert _C.memory_stats()["allocated"] == before


def test_replays_allocate_nothing_but_results() -> None:
    work = Work(convnet(), OPTIMIZERS["Adam"])
    fast = lamina.capture(lambda x, y: work.step(x, y)["loss"])
    (x, y), *_ = inputs("convnet", 1)
    for _ in range(4):
        fast(x, y)
    before = _C.memory_stats()["allocations"]
    fast(x, y)
    # Under sanitizers scratch memory is a block of its own each time, so that its bounds are seen.
    assert _C.memory_stats()["allocations"] == before + 1 or _C.build_info()["sanitized"]
