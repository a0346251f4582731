"""autocast: which op runs in which dtype, as in torch; parameters, gradients and caches; mixed-precision training."""

from __future__ import annotations

import inspect
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import lamina
from lamina.autograd.cast_mode import casting
from lamina.nn import functional as F
from lamina.ops import cast_policy

CUDA = pytest.mark.skipif(not lamina.cuda.is_available(), reason=lamina.cuda.unavailable_reason())
DEVICES = ["cpu", pytest.param("cuda", marks=CUDA)]


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 0.9, shape).astype(np.float32)


# Each op as a function of (the library, its functional module, tensors), with the shapes of the tensors.
Op = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]
LISTED_ALIKE: dict[str, Op] = {  # torch has them in the same list for the CPU and for CUDA, or in none
    "linear": (lambda m, f, x, w, b: f.linear(x, w, b), ((3, 4), (5, 4), (5,))),
    "matmul": (lambda m, f, a, b: a @ b, ((3, 4), (4, 5))),
    "mm": (lambda m, f, a, b: m.mm(a, b), ((3, 4), (4, 5))),
    "bmm": (lambda m, f, a, b: m.bmm(a, b), ((2, 3, 4), (2, 4, 5))),
    "addmm": (lambda m, f, c, a, b: m.addmm(c, a, b), ((5,), (3, 4), (4, 5))),
    "baddbmm": (lambda m, f, c, a, b: m.baddbmm(c, a, b), ((2, 3, 5), (2, 3, 4), (2, 4, 5))),
    "einsum": (lambda m, f, a, b: m.einsum("ij,jk->ik", a, b), ((3, 4), (4, 5))),
    "attention": (lambda m, f, q, k, v: f.scaled_dot_product_attention(q, k, v), ((1, 2, 4, 8),) * 3),
    "prelu": (lambda m, f, x, w: f.prelu(x, w), ((3, 4), (4,))),
    "relu": (lambda m, f, x: f.relu(x), ((3, 4),)),
    "gelu": (lambda m, f, x: f.gelu(x), ((3, 4),)),
    "tanh": (lambda m, f, x: m.tanh(x), ((3, 4),)),
    "add": (lambda m, f, a, b: a + b, ((3, 4), (3, 4))),
    "mean": (lambda m, f, x: x.mean(), ((3, 4),)),
    "prod": (lambda m, f, x: x.prod(), ((3, 4),)),
    "cdist": (lambda m, f, a, b: m.cdist(a, b), ((3, 4), (5, 4))),
    "batch_norm": (lambda m, f, x: f.batch_norm(x, None, None, training=True), ((3, 4, 5),)),
    "instance_norm": (lambda m, f, x: f.instance_norm(x), ((3, 4, 5),)),
    "max_pool2d": (lambda m, f, x: f.max_pool2d(x, 2), ((1, 3, 4, 4),)),
    "avg_pool2d": (lambda m, f, x: f.avg_pool2d(x, 2), ((1, 3, 4, 4),)),
    "adaptive_avg_pool2d": (lambda m, f, x: f.adaptive_avg_pool2d(x, 1), ((1, 3, 4, 4),)),
    "unfold": (lambda m, f, x: f.unfold(x, 2), ((1, 3, 4, 4),)),
    "cat": (lambda m, f, a, b: m.cat([a, b]), ((3,), (3,))),
    "mse_loss": (lambda m, f, a, b: f.mse_loss(a, b), ((3, 4), (3, 4))),
    "l1_loss": (lambda m, f, a, b: f.l1_loss(a, b), ((3, 4), (3, 4))),
    "huber_loss": (lambda m, f, a, b: f.huber_loss(a, b), ((3, 4), (3, 4))),
    "kl_div": (lambda m, f, a, b: f.kl_div(a, b, reduction="sum"), ((3, 4), (3, 4))),
    "with_logits": (lambda m, f, a, b: f.binary_cross_entropy_with_logits(a, b), ((3, 4), (3, 4))),
    "cross_entropy": (lambda m, f, x: f.cross_entropy(x, m.tensor([0, 1, 2], device=x.device)), ((3, 4),)),
    "nll_loss": (lambda m, f, x: f.nll_loss(x, m.tensor([0, 1, 2], device=x.device)), ((3, 4),)),
}
CPU_ONLY: dict[str, Op] = {  # on CUDA torch has these in float32, or runs them in the lower precision
    "exp": (lambda m, f, x: m.exp(x), ((3, 4),)),
    "pow": (lambda m, f, x: x**2, ((3, 4),)),
    "sum": (lambda m, f, x: x.sum(), ((3, 4),)),
    "softmax": (lambda m, f, x: f.softmax(x, 0), ((3, 4),)),
    "layer_norm": (lambda m, f, x: f.layer_norm(x, (4,)), ((3, 4),)),
    "mv": (lambda m, f, a, b: m.mv(a, b), ((3, 4), (4,))),
    "bce": (lambda m, f, a, b: f.binary_cross_entropy(a, b), ((3, 4), (3, 4))),
    "grid_sample": (
        lambda m, f, x, g: f.grid_sample(x, g, align_corners=False),
        ((1, 2, 4, 4), (1, 3, 3, 2)),
    ),
    "stack": (lambda m, f, a, b: m.stack([a.bfloat16(), b.float()]), ((3,), (3,))),
}
CONVOLUTIONS: dict[str, Op] = {
    "conv1d": (lambda m, f, x, w, b: f.conv1d(x, w, b), ((1, 4, 6), (8, 4, 3), (8,))),
    "conv2d": (lambda m, f, x, w, b: f.conv2d(x, w, b), ((1, 4, 6, 6), (8, 4, 3, 3), (8,))),
    "conv_transpose2d": (lambda m, f, x, w: f.conv_transpose2d(x, w), ((1, 4, 6, 6), (4, 8, 3, 3))),
    "depthwise": (lambda m, f, x, w: f.conv2d(x, w, groups=4), ((1, 4, 6, 6), (4, 1, 3, 3))),
}
CUDA_ONLY: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], str]] = {
    **{
        name: (*CPU_ONLY[name], "float32")  # by torch's list for CUDA
        for name in ("exp", "pow", "sum", "softmax", "layer_norm")
    },
    "log": (lambda m, f, x: m.log(x), ((3, 4),), "float32"),
    "cumsum": (lambda m, f, x: m.cumsum(x, 0), ((3, 4),), "float32"),
    "norm": (lambda m, f, x: x.norm(), ((3, 4),), "float32"),
    "softplus": (lambda m, f, x: f.softplus(x), ((3, 4),), "float32"),
    "group_norm": (lambda m, f, x: f.group_norm(x, 2), ((3, 4, 5),), "float32"),
    "interpolate": (lambda m, f, x: f.interpolate(x, scale_factor=2), ((1, 3, 4, 4),), "float32"),
    "mv": (*CPU_ONLY["mv"], "bfloat16"),
    "lstm_cell": (
        lambda m, f, x, h, c, w, u: m.lstm_cell(x, (h, c), w, u)[0],
        ((2, 3), (2, 4), (2, 4), (16, 3), (16, 4)),
        "bfloat16",
    ),
    "bilinear": (lambda m, f, a, b, w: f.bilinear(a, b.float(), w), ((3, 4), (3, 5), (2, 4, 5)), "float32"),
    "dot": (lambda m, f, a, b: m.dot(a.bfloat16(), b.float()), ((4,), (4,)), "float32"),
}


def run(op: Op, dtype: str, device: str) -> tuple[lamina.Tensor, list[lamina.Tensor]]:
    call, shapes = op
    inputs = [lamina.tensor(drawn(*s)).to(getattr(lamina, dtype)).to(device).requires_grad_() for s in shapes]
    with lamina.autocast(device, lamina.bfloat16):
        y = call(lamina, F, *inputs)
    (y.float() * lamina.arange(y.numel()).reshape(y.shape).cos().to(device)).sum().backward()
    for x in inputs:  # an output that does not depend on x leaves None
        assert x.grad is None or (x.grad.dtype, x.grad.device) == (x.dtype, x.device)
    return y, inputs


def run_torch(op: Op, dtype: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
    call, shapes = op
    inputs = [torch.tensor(drawn(*s)).to(getattr(torch, dtype)).requires_grad_() for s in shapes]
    with torch.autocast("cpu", torch.bfloat16):
        y = call(torch, torch.nn.functional, *inputs)
    (y.float() * torch.arange(y.numel()).reshape(y.shape).cos()).sum().backward()
    return y, inputs


def check(op: Op, dtype: str, device: str) -> None:
    """Dtype as in torch, values and gradients within bfloat16's precision."""
    (y, inputs), (want, theirs) = run(op, dtype, device), run_torch(op, dtype)
    assert str(y.dtype).partition(".")[2] == str(want.dtype).partition(".")[2]
    pairs = [
        (y, want),
        *((a.grad, b.grad) for a, b in zip(inputs, theirs, strict=True) if b.grad is not None),
    ]
    for a, b in pairs:
        assert a is not None
        b = b.detach().float().numpy()
        a = a.detach().float().cpu().numpy()
        np.testing.assert_allclose(a, b, rtol=0.05, atol=0.05 * max(np.abs(b).max(), 1e-6))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", [*LISTED_ALIKE, *CONVOLUTIONS, *CPU_ONLY])
def test_dtypes_on_the_cpu_are_torchs(name: str, dtype: str) -> None:
    check((LISTED_ALIKE | CONVOLUTIONS | CPU_ONLY)[name], dtype, "cpu")


@CUDA
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", [*LISTED_ALIKE, *CONVOLUTIONS])
def test_dtypes_on_cuda_where_torchs_lists_agree(name: str, dtype: str) -> None:
    check((LISTED_ALIKE | CONVOLUTIONS)[name], dtype, "cuda")


@CUDA
@pytest.mark.parametrize("name", CUDA_ONLY)
def test_dtypes_on_cuda_are_those_of_torchs_list(name: str) -> None:
    call, shapes, expected = CUDA_ONLY[name]
    assert str(run((call, shapes), "bfloat16", "cuda")[0].dtype) == f"lamina.{expected}"


def test_a_convolution_on_the_cpu_rounds_its_arguments_and_result() -> None:
    x, w = (lamina.tensor(drawn(*shape)) for shape in ((2, 16, 5, 5), (8, 16, 3, 3)))
    with lamina.autocast("cpu", lamina.bfloat16):
        y = F.conv2d(x, w)
    assert y.dtype == lamina.bfloat16
    want = F.conv2d(x.bfloat16().float(), w.bfloat16().float()).bfloat16()
    assert lamina.equal(y, want)


@CUDA
def test_probabilities_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"\[binary_cross_entropy\] is unsafe to autocast"):
        run(CPU_ONLY["bce"], "float32", "cuda")


class AskedError(Exception):
    pass


@pytest.mark.parametrize("device", DEVICES)
def test_every_listed_op_asks_its_policy(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def policy(*_: object) -> None:
        raise AskedError

    homes = (lamina, F, lamina.ops.moments, sys.modules["lamina.nn.functional.batch_norm"])
    table = cast_policy.POLICIES[device]
    for name in tuple(table):
        monkeypatch.setitem(table, name, policy)
        op = next(getattr(home, name) for home in homes if hasattr(home, name))
        parameters = inspect.signature(op).parameters.values()
        required = [p for p in parameters if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
        with pytest.raises(AskedError), lamina.autocast(device):
            op(*[lamina.ones(2, 2, device=device)] * len(required))


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_left_alone(device: str) -> None:
    with lamina.autocast(device, lamina.bfloat16):
        double = lamina.ones(2, 2, dtype=lamina.float64, device=device)
        assert (double @ double).dtype == lamina.float64
        assert F.conv1d(double.unsqueeze(0), double.unsqueeze(0)).dtype == lamina.float64
        whole = lamina.ones(2, 2, dtype=lamina.int64, device=device)
        assert (whole @ whole).dtype == lamina.int64
        out = lamina.empty(2, 2, device=device)
        x = lamina.ones(2, 2, device=device)
        assert lamina.mm(x, x, out=out) is out
        assert x.addmm_(x, x).dtype == lamina.float32
    assert (x @ x).dtype == lamina.float32


@CUDA
def test_tensors_elsewhere_are_not_cast() -> None:
    x = lamina.ones(2, 2)
    with lamina.autocast("cuda"):
        assert (x @ x).dtype == lamina.float32
        assert (x.cuda() @ x.cuda()).dtype == lamina.float16  # the default there
        with lamina.autocast("cpu"):
            assert (x @ x).dtype == lamina.bfloat16
            assert (x.cuda() @ x.cuda()).dtype == lamina.float16


def test_blocks_nest_and_threads_differ() -> None:
    x = lamina.ones(2, 2)
    assert not lamina.is_autocast_enabled("cpu")
    seen = []
    with lamina.autocast("cpu"):
        assert lamina.is_autocast_enabled("cpu")
        with lamina.autocast("cpu", enabled=False):
            assert not lamina.is_autocast_enabled("cpu")
            assert (x @ x).dtype == lamina.float32
        with lamina.autocast("cpu", lamina.float16):
            assert lamina.get_autocast_dtype("cpu") == lamina.float16
            assert (x @ x).dtype == lamina.float16
        assert (x @ x).dtype == lamina.bfloat16
        thread = threading.Thread(target=lambda: seen.append((x @ x).dtype))
        thread.start()
        thread.join()
    assert seen == [lamina.float32]
    with pytest.raises(ValueError, match="matmul"), lamina.autocast("cpu"):
        _ = x @ lamina.ones(3, 3)
    assert (x @ x).dtype == lamina.float32


def test_a_decorator_serves_again_and_within_itself() -> None:
    block = lamina.autocast("cpu")

    @block
    def product(x: lamina.Tensor, depth: int) -> lamina.Tensor:
        """A product."""
        return product(x, depth - 1) if depth else x @ x

    for _ in range(2):
        assert product(lamina.ones(2, 2), 2).dtype == lamina.bfloat16
        assert not lamina.is_autocast_enabled("cpu")
    assert product.__doc__ == "A product."


def test_a_parameters_cast_is_made_once() -> None:
    w = lamina.tensor(drawn(4, 4), requires_grad=True)
    x = lamina.ones(2, 4)
    with lamina.autocast("cpu"):
        with lamina.no_grad():
            x @ w
        y = x @ w + x @ w  # the cast under no_grad does not cut them off
        (_, _, first) = casting.cache[id(w)]
        with lamina.autocast("cpu"):
            x @ w
        assert casting.cache[id(w)][2] is first
        y.sum().backward()
        assert w.grad is not None
        with lamina.no_grad():
            w.mul_(2)
        assert lamina.equal(x @ w, (x.bfloat16() @ w.bfloat16()))
        (x @ w).sum().backward()
    assert w.grad.dtype == lamina.float32
    np.testing.assert_array_equal(w.grad.numpy(), 6)
    assert not casting.cache
    with lamina.autocast("cpu", cache_enabled=False):
        assert not lamina.is_autocast_cache_enabled()
        x @ w
        assert not casting.cache
    with lamina.autocast("cpu"):
        x @ w
        lamina.clear_autocast_cache()
        assert not casting.cache


def test_two_walks_through_one_cast() -> None:
    w = lamina.tensor(drawn(4, 4), requires_grad=True)
    with lamina.autocast("cpu"):
        for _ in range(2):
            (lamina.ones(2, 4) @ w).sum().backward()
    assert w.grad is not None
    np.testing.assert_array_equal(w.grad.numpy(), 4)


def test_settings_without_a_block() -> None:
    x = lamina.ones(2, 2)
    try:
        lamina.set_autocast_enabled("cpu", True)
        lamina.set_autocast_dtype("cpu", lamina.float16)
        lamina.set_autocast_cache_enabled(False)
        assert (x @ x).dtype == lamina.float16
        assert not lamina.is_autocast_cache_enabled()
    finally:
        lamina.set_autocast_enabled("cpu", False)
        lamina.set_autocast_dtype("cpu", lamina.bfloat16)
        lamina.set_autocast_cache_enabled(True)
    assert (x @ x).dtype == lamina.float32


@pytest.mark.parametrize("make", [lambda m: m.autocast(3), lambda m: m.autocast("tpu")])
def test_errors_are_of_torchs_kind(make: Callable[[Any], Any]) -> None:
    with pytest.raises((ValueError, RuntimeError)) as theirs:
        make(torch)
    with pytest.raises(theirs.type, match=r"\[autocast\] expected device_type"):
        make(lamina)


def test_a_dtype_that_does_not_serve_warns_as_in_torch() -> None:
    said = []
    for module in (torch, lamina):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with module.autocast("cpu", module.float64):
                assert not module.is_autocast_enabled("cpu")
        said.append([str(w.message).replace("torch.", "lamina.") for w in caught])
    assert said[0] == said[1]
    assert len(said[1]) == 1
    with pytest.raises(ValueError, match=r"\[set_autocast_dtype\] expected one of"):
        lamina.set_autocast_dtype("cpu", lamina.float64)
    with pytest.raises(TypeError, match="expected a function"):
        lamina.autocast("cpu")(3)  # type: ignore[type-var]


@pytest.mark.skipif(lamina.cuda.is_available(), reason="there is a device")
def test_no_device_to_cast_for() -> None:
    with pytest.warns(UserWarning, match="CUDA is not available. Disabling autocast"):
        block = lamina.autocast("cuda")
    with block:
        assert not lamina.is_autocast_enabled()


@pytest.mark.parametrize("cast_inputs", [None, "float32"])
def test_functions_of_ones_own_are_torchs(cast_inputs: str | None) -> None:
    said = []
    for m in (torch, lamina):
        given = None if cast_inputs is None else getattr(m, cast_inputs)
        dtypes: list[str] = []

        class Product(m.autograd.Function):  # type: ignore[misc,name-defined]
            @staticmethod
            @m.amp.custom_fwd(device_type="cpu", cast_inputs=given)  # type: ignore[untyped-decorator]
            def forward(ctx: Any, a: Any, b: Any) -> Any:
                ctx.save_for_backward(a, b)
                return a @ b

            @staticmethod
            @m.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
            def backward(ctx: Any, grad: Any) -> Any:
                a, b = ctx.saved_tensors
                products = grad @ b.T, a.T @ grad
                dtypes.extend(str(p.dtype) for p in products)  # noqa: B023
                return products

        a, b = (m.ones(2, 2, requires_grad=True) for _ in range(2))
        with m.autocast("cpu", m.bfloat16):
            y = Product.apply(a.bfloat16().detach().requires_grad_(), b)
        y.float().sum().backward()
        said.append([str(y.dtype), str(b.grad.dtype), *dtypes])
    assert [s.replace("torch", "lamina") for s in said[0]] == said[1]


def test_backward_within_the_block_keeps_forwards_dtypes() -> None:
    w = lamina.tensor(drawn(3, 3), requires_grad=True)
    seen = []
    with lamina.autocast("cpu"):
        h = lamina.ones(2, 3) @ w
        h.register_hook(lambda g: seen.append(g.dtype))
        F.mse_loss(h.exp(), lamina.zeros(2, 3)).backward()
    assert seen == [lamina.bfloat16]
    assert w.grad is not None
    assert w.grad.dtype == lamina.float32


def network() -> lamina.nn.Module:
    nn = lamina.nn
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Dropout(0.1), nn.Linear(16, 4),
    )  # fmt: skip


@CUDA
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_mixed_precision_training(dtype: str) -> None:
    lamina.manual_seed(0)
    model = network().cuda()
    optimizer = lamina.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = lamina.amp.GradScaler(init_scale=2.0**10, enabled=dtype == "float16")
    labels = lamina.arange(16) % 4
    images = (lamina.randn(16, 1, 8, 8) * 0.3 + labels.reshape(-1, 1, 1, 1)).cuda()
    losses, steps = [], 20
    for _ in range(steps):
        optimizer.zero_grad()
        with lamina.autocast("cuda", getattr(lamina, dtype)):
            scores = model(images)
            loss = F.cross_entropy(scores, labels.cuda())
        assert (str(scores.dtype), loss.dtype) == (f"lamina.{dtype}", lamina.float32)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert all(p.dtype == lamina.float32 for p in model.parameters())
    assert all(p.grad is not None and p.grad.dtype == lamina.float32 for p in model.parameters())
    model.eval()
    with lamina.inference_mode(), lamina.autocast("cuda", getattr(lamina, dtype)):
        scores = model(images)  # fused layers are not run in float32 behind autocast's back
    assert str(scores.dtype) == f"lamina.{dtype}"
    whole = model(images)
    assert whole.dtype == lamina.float32
    assert (scores - whole).abs().max() < 0.03 * whole.abs().max()


@CUDA
def test_an_overflow_skips_the_step() -> None:
    w = lamina.ones(2, 2, device="cuda", requires_grad=True)
    optimizer, scaler = lamina.optim.SGD([w], lr=0.1), lamina.amp.GradScaler(init_scale=2.0**15)
    with lamina.autocast("cuda"):
        loss = (lamina.full((2, 2), 100.0, device="cuda") @ w).sum()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [[1, 1], [1, 1]]
    assert scaler.get_scale() == 2.0**14


@CUDA
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_recurrent_layer_gives_16_bits_as_torchs(kind: str) -> None:
    """The result of float32 kernels on rounded arguments, rounded."""
    layer = getattr(lamina.nn, kind)(3, 4).cuda()
    x = lamina.randn(5, 2, 3).cuda()
    with lamina.autocast("cuda", lamina.bfloat16):
        y, state = layer(x)
    h = state[0] if kind == "LSTM" else state
    assert (y.dtype, h.dtype) == (lamina.bfloat16, lamina.bfloat16)
    y.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == lamina.float32 for p in layer.parameters())
    rounded = getattr(lamina.nn, kind)(3, 4).cuda()
    rounded.load_state_dict({k: v.bfloat16().float() for k, v in layer.state_dict().items()})
    assert lamina.equal(rounded(x.bfloat16().float())[0].bfloat16(), y)


@pytest.mark.parametrize("device", DEVICES)
def test_layers_that_are_composed(device: str) -> None:
    """A shortcut that joins a batch norm, and attention: 16 bits in, 16 bits out, float32 gradients."""
    attention = lamina.nn.MultiheadAttention(8, 2).to(device)
    with lamina.autocast(device, lamina.bfloat16):
        x = lamina.randn(4, 3, 5).bfloat16().to(device).requires_grad_()
        y = F.batch_norm_relu(x, None, None, training=True, residual=x)
        tokens = lamina.randn(6, 2, 8).to(device)
        z, weights = attention(tokens, tokens, tokens)
    assert (y.dtype, z.dtype) == (lamina.bfloat16, lamina.bfloat16)
    assert weights.shape == (2, 6, 6)
    (y.float().sum() + z.float().sum()).backward()
    assert all(p.grad is not None and p.grad.dtype == lamina.float32 for p in attention.parameters())
    assert x.grad is not None


@pytest.mark.parametrize("device", DEVICES)
def test_running_statistics_are_never_copies(device: str) -> None:
    mean, var = lamina.zeros(3, device=device), lamina.ones(3, device=device)
    with lamina.autocast(device, lamina.bfloat16):
        F.batch_norm(lamina.full((4, 3), 2.0).bfloat16().to(device) * 1, mean, var, training=True)
    assert mean.tolist() == pytest.approx([0.2] * 3)
