"""lamina.cuda: devices, memory, streams, copies, failures.  Runs on a device, real or emulated."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import cuda

needs_device = pytest.mark.skipif(not cuda.is_available(), reason=cuda.unavailable_reason())
needs_two = pytest.mark.skipif(cuda.device_count() < 2, reason="needs two CUDA devices")
needs_emulator = pytest.mark.skipif(not cuda.is_emulated(), reason="needs LAMINA_CUDA=EMULATE")


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.skipif(cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_device_everything_says_why() -> None:
    assert cuda.device_count() == 0
    assert cuda.unavailable_reason()
    for call in (
        lambda: lamina.zeros(2, device="cuda"),
        lambda: lamina.ones(2).cuda(),
        lambda: lamina.nn.Linear(2, 2).to("cuda"),
        lamina.ones(2).pin_memory,
        cuda.synchronize,
        cuda.get_device_name,
    ):
        with pytest.raises(RuntimeError, match="no device: ") as caught:
            call()
        assert cuda.unavailable_reason() in str(caught.value)
    assert "no CUDA device" in lamina.config.config_text()


@pytest.mark.parametrize("name", ["cuda:-1", "cuda:x", "cuda:200", "gpu"])
def test_names_of_no_device_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\[device\] expected"):
        lamina.device(name)


@needs_device
def test_devices_have_names_and_properties() -> None:
    assert cuda.device_count() >= 1
    properties = cuda.get_device_properties(0)
    assert properties.name == cuda.get_device_name("cuda:0")
    assert cuda.get_device_capability() == (properties.major, properties.minor)
    assert properties.total_memory > 0
    assert properties.multi_processor_count > 0
    with pytest.raises(RuntimeError, match="expected a device from cuda:0"):
        cuda.set_device(cuda.device_count())
    with pytest.raises(ValueError, match="expected a CUDA device"):
        cuda.synchronize("cpu")
    for make in (lambda: lamina.zeros(2, device="cuda:99"), lambda: lamina.zeros(2).to("cuda:99")):
        with pytest.raises(RuntimeError, match=r"\[cuda\] expected a device from cuda:0 .* got cuda:99"):
            make()


@needs_device
@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
)
def test_tensors_go_there_and_back(dtype: str) -> None:
    x = lamina.arange(24).reshape(2, 3, 4).to(getattr(lamina, dtype))
    for view in (x, x.transpose(0, 2), x[:, 1:, ::2], x[:0], x[1, 2, 3]):
        there = view.to("cuda")
        assert there.device == lamina.device("cuda:0")
        assert there.is_cuda
        assert there.dtype is view.dtype
        assert np.array_equal(there.cpu().float().numpy(), view.float().numpy())
    assert x.cpu() is x
    assert there.cuda() is there
    assert lamina.equal(there.to(x.device), x[1, 2, 3])


@needs_device
def test_more_than_the_staging_buffers_hold_is_copied_whole() -> None:
    values = np.random.default_rng(0).integers(0, 1 << 60, 2_500_001)
    assert np.array_equal(lamina.from_numpy(values).cuda().cpu().numpy(), values)


@needs_device
def test_memory_order_survives_the_way() -> None:
    x = lamina.randn(2, 5, 3, 3).contiguous(memory_format=lamina.channels_last)
    assert x.cuda().stride() == x.stride() == x.cuda().cpu().stride()


@needs_device
def test_creation_on_a_device() -> None:
    for x in (
        lamina.tensor([1.0, 2.0], device="cuda"),
        lamina.zeros(2, device="cuda"),
        lamina.full((2,), 3.0, device="cuda"),
        lamina.arange(2, device="cuda"),
        lamina.randn(2, device="cuda"),
        lamina.zeros_like(lamina.ones(2, device="cuda")),
    ):
        assert x.is_cuda
        assert x.cpu().shape == (2,)
    assert lamina.tensor(lamina.ones(2, device="cuda")).is_cuda
    assert "device='cuda:0'" in repr(lamina.zeros(2, device="cuda"))


@needs_device
def test_draws_are_the_cpus() -> None:
    for draw in (lamina.randn, lamina.rand):
        lamina.manual_seed(7)
        here = draw(1001)
        lamina.manual_seed(7)
        there = draw(1001, device="cuda")
        assert np.array_equal(here.numpy(), there.cpu().numpy())


@needs_device
def test_gradients_go_back_to_where_they_belong() -> None:
    w = lamina.randn(3, requires_grad=True)
    (w.cuda() * lamina.tensor([1.0, 2.0, 3.0], device="cuda")).sum().backward()
    assert w.grad is not None
    assert not w.grad.is_cuda
    assert w.grad.tolist() == [1.0, 2.0, 3.0]


@needs_device
def test_a_module_trains_there() -> None:
    from lamina import nn, optim

    losses = {}
    for place in ("cpu", "cuda"):
        lamina.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)).to(place)
        assert all(p.device.type == place for p in model.parameters())
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        x = lamina.randn(32, 6).to(place)
        y = lamina.randint(0, 3, (32,)).to(place)
        trace = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            trace.append(loss.item())
        losses[place] = trace
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-4)
    assert losses["cuda"][-1] < losses["cuda"][0]


@needs_device
def test_mixed_devices_are_refused() -> None:
    here, there = lamina.ones(2), lamina.ones(2, device="cuda")
    with pytest.raises(ValueError, match=r"\[add\] expected all operands on one device"):
        here + there
    with pytest.raises(ValueError, match="one device"):
        lamina.ones(2, 2) @ lamina.ones(2, 2, device="cuda")
    with pytest.raises(ValueError, match="device"):
        lamina.nn.functional.cross_entropy(lamina.ones(2, 3, device="cuda"), lamina.tensor([0, 1]))
    assert (there + lamina.tensor(2.0)).tolist() == [3.0, 3.0]  # a 0-d tensor joins as a number does


@needs_two
def test_two_devices() -> None:
    x = lamina.arange(5.0, device="cuda:1") + 1
    assert str(x.device) == "cuda:1"
    assert x.to("cuda:0").tolist() == x.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="one device, got cuda:1 and cuda:0"):
        x + x.to("cuda:0")
    with cuda.device(1):
        assert cuda.current_device() == 1
        assert str(lamina.zeros(1, device="cuda").device) == "cuda:1"
    assert cuda.current_device() == 0


@needs_device
def test_memory_is_counted_and_given_back() -> None:
    cuda.empty_cache()
    before = cuda.memory_allocated()
    x = lamina.zeros(1 << 20, device="cuda")
    assert cuda.memory_allocated() == before + (4 << 20)
    assert cuda.memory_reserved() >= cuda.memory_allocated()
    address = x.data_ptr()
    del x
    assert cuda.memory_allocated() == before
    y = lamina.zeros(1 << 20, device="cuda")
    if not sanitized():
        assert y.data_ptr() == address  # from the cache
    del y
    assert cuda.max_memory_allocated() >= before + (4 << 20)
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated() == cuda.memory_allocated()
    cuda.empty_cache()
    assert cuda.memory_reserved() <= cuda.memory_allocated() + (2 << 20) * 64


def sanitized() -> bool:
    return bool(lamina._C.build_info()["sanitized"])


@needs_device
def test_blocks_do_not_overlap() -> None:
    rng = np.random.default_rng(0)
    held: list[tuple[Any, int]] = []
    for step in range(300):
        if held and rng.random() < 0.45:
            tensor, value = held.pop(int(rng.integers(len(held))))
            assert bool((tensor == value).all().item())
        else:
            held.append((lamina.full((int(rng.integers(1, 100_000)),), step, device="cuda"), step))
    for tensor, value in held:
        assert bool((tensor == value).all().item())


@needs_device
def test_out_of_memory_leaves_everything_usable() -> None:
    kept = lamina.ones(10, device="cuda")
    total = cuda.get_device_properties().total_memory
    with pytest.raises(cuda.OutOfMemoryError, match=r"out of memory on cuda:0: wanted .* MB"):
        lamina.empty(2 * total, dtype=lamina.uint8, device="cuda")
    assert issubclass(cuda.OutOfMemoryError, RuntimeError)
    assert kept.sum().item() == 10
    assert lamina.zeros(1000, device="cuda").sum().item() == 0


@needs_device
def test_a_bad_target_is_raised_when_synchronized() -> None:
    scores = lamina.randn(4, 3, device="cuda")
    lamina.nn.functional.cross_entropy(scores, lamina.tensor([0, 1, 7, 2], device="cuda"))
    with pytest.raises(IndexError, match=r"\[cross_entropy\] expected values from 0 to 2, got 7"):
        cuda.synchronize()
    cuda.synchronize()  # once
    good = lamina.nn.functional.cross_entropy(scores, lamina.tensor([0, 1, 1, 2], device="cuda"))
    assert np.isfinite(good.item())


@needs_device
def test_streams_and_events() -> None:
    side = cuda.Stream()
    assert cuda.current_stream() == cuda.default_stream() != side
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        assert cuda.current_stream() == side
        start.record()
        x = lamina.ones(1000, device="cuda") * 2
        end.record()
    assert cuda.current_stream() == cuda.default_stream()
    cuda.current_stream().wait_event(end)
    assert x.sum().item() == 2000
    side.synchronize()
    end.synchronize()
    assert side.query()
    assert end.query()
    assert start.elapsed_time(end) >= 0
    with pytest.raises(RuntimeError, match="enable_timing"):
        cuda.Event().elapsed_time(end)


@needs_device
def test_a_freed_block_serves_its_own_stream_only() -> None:
    if sanitized():
        pytest.skip("every block is malloc's under AddressSanitizer")
    x = lamina.zeros(3_000_000, device="cuda")
    address = x.data_ptr()
    del x
    with cuda.stream(cuda.Stream()):
        assert lamina.zeros(3_000_000, device="cuda").data_ptr() != address
    assert lamina.zeros(3_000_000, device="cuda").data_ptr() == address


@needs_device
def test_memory_waits_for_the_streams_that_were_recorded() -> None:
    if sanitized():
        pytest.skip("every block is malloc's under AddressSanitizer")
    cuda.empty_cache()
    side = cuda.Stream()
    held = cuda.memory_allocated()
    x = lamina.ones(3_000_000, device="cuda")
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        y = x * 2
    x[:1].record_stream(side)
    del x
    assert cuda.memory_allocated() < held + 2 * 12_000_000  # what is held back does not count
    side.synchronize()
    z = lamina.zeros(3_000_000, device="cuda")
    assert y.sum().item() == 6_000_000
    z.record_stream(side)
    del side, z  # a stream that is gone is waited for no longer
    cuda.empty_cache()
    assert lamina.ones(3_000_000, device="cuda").sum().item() == 3_000_000
    with pytest.raises(ValueError, match=r"\[record_stream\] expected a stream of the tensor's device cpu"):
        lamina.ones(2).record_stream(cuda.current_stream())


@needs_device
def test_pinned_memory() -> None:
    x = lamina.arange(24.0).reshape(2, 3, 4)
    pinned = x.pin_memory()
    assert pinned.is_pinned()
    assert pinned[1:].is_pinned()
    assert not x.is_pinned()
    assert not x.cuda().is_pinned()
    assert pinned.pin_memory() is pinned
    assert lamina.equal(pinned, x)
    assert x.permute(2, 0, 1).pin_memory().stride() == x.permute(2, 0, 1).stride()
    assert lamina.ones(0).pin_memory().shape == (0,)
    for there in (
        pinned.to("cuda", non_blocking=True),
        pinned.cuda(non_blocking=True),
        pinned[:, :, ::2].to("cuda", non_blocking=True).cpu().cuda(),
        pinned.to("cuda"),
    ):
        assert lamina.equal(there.cpu(), x if there.shape == x.shape else x[:, :, ::2])
    large = lamina.arange(1_500_000.0)  # no other test leaves such a block in the cache
    pinned = large.pin_memory()
    address = pinned.data_ptr()
    there = pinned.to("cuda", non_blocking=True)
    del pinned, there
    cuda.synchronize()
    if not sanitized():
        assert large.pin_memory().data_ptr() == address  # from the cache
    y = lamina.ones(3, requires_grad=True)
    (y.pin_memory() * 2).sum().backward()
    assert y.grad is not None
    assert y.grad.tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match=r"\[pin_memory\] expected a tensor on the CPU"):
        x.cuda().pin_memory()


@needs_device
def test_dlpack_shares_device_memory() -> None:
    x = lamina.arange(6.0, device="cuda").reshape(2, 3)
    assert x.__dlpack_device__() == (2, 0)
    for version in (None, (1, 1)):
        y = lamina.from_dlpack(x.t().__dlpack__(max_version=version))
        assert y.is_cuda
        assert y.data_ptr() == x.data_ptr()
        assert y.shape == (3, 2)
    z = lamina.from_dlpack(x)
    z.add_(1)
    assert x.tolist() == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(BufferError, match="expected device cuda:0"):
        lamina.from_dlpack(x, device="cpu")
    with pytest.raises(BufferError, match="can't be exported"):
        x.__dlpack__(dl_device=(1, 0))


@needs_device
def test_cuda_array_interface() -> None:
    class Other:
        def __init__(self, tensor: lamina.Tensor) -> None:
            self.__cuda_array_interface__ = tensor.__cuda_array_interface__
            self.tensor = tensor

    x = lamina.arange(12, device="cuda").reshape(3, 4)
    for view in (x, x.t(), x[1:, ::2]):
        described = view.__cuda_array_interface__
        assert described["version"] == 3
        assert described["typestr"] == "<i8"
        shared = lamina.as_tensor(Other(view))
        assert shared.data_ptr() == view.data_ptr()
        assert shared.tolist() == view.tolist()
    with pytest.raises(AttributeError, match="expected a tensor on CUDA"):
        _ = lamina.ones(2).__cuda_array_interface__
    assert not hasattr(lamina.ones(2), "__cuda_array_interface__")


@needs_device
def test_what_needs_the_host_says_so() -> None:
    x = lamina.ones(2, device="cuda")
    with pytest.raises(TypeError, match="expected an array on the CPU, got one on cuda:0"):
        x.numpy()
    assert x.numpy(force=True).tolist() == [1, 1]


@needs_emulator
def test_the_emulator_stops_a_host_that_reads_device_memory() -> None:
    if sanitized():
        pytest.skip("memory is not protected under AddressSanitizer")
    result = run_python("""
        import ctypes, lamina
        x = lamina.ones(4, device="cuda")
        print(ctypes.c_float.from_address(x.data_ptr()).value)
    """)
    assert result.returncode < 0
    assert "memory of a CUDA device was touched by the host" in result.stderr


@needs_emulator
@pytest.mark.parametrize(
    "variable", ["LAMINA_EMULATE_ORDER", "LAMINA_EMULATE_COPIES", "LAMINA_EMULATE_DRIVER"]
)
def test_the_emulator_refuses_options_that_it_does_not_know(variable: str) -> None:
    result = run_python("import lamina; lamina.ones(2, device='cuda')", **{variable: "sideways"})
    assert result.returncode == 1
    assert f"{variable}: expected" in result.stderr


@needs_emulator
def test_no_device() -> None:
    result = run_python(
        "import lamina; print(lamina.cuda.is_available(), lamina.cuda.unavailable_reason())",
        LAMINA_EMULATE_DEVICES="0",
    )
    assert result.stdout.startswith("False the NVIDIA driver sees no device")


@needs_emulator
@pytest.mark.parametrize(
    "driver, reason",
    [
        ("12040", "the NVIDIA driver offers CUDA 12.4, this build needs 13.0: update the driver"),
        ("0", "there is no NVIDIA driver on this machine"),
    ],
)
def test_a_driver_that_is_too_old_or_missing(driver: str, reason: str) -> None:
    """The package imports, the CPU works, and what asks for a device says what to do."""
    result = run_python(
        """
        import lamina
        assert not lamina.cuda.is_available() and lamina.cuda.device_count() == 0
        assert lamina.ones(3).sum().item() == 3
        try:
            lamina.ones(3, device="cuda")
        except RuntimeError as error:
            print(error)
        """,
        LAMINA_EMULATE_DRIVER=driver,
    )
    assert result.stdout == f"[cuda] no device: {reason}\n"
