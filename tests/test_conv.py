"""Convolution's algorithms against its plain loops, its layout rule, and sizes that no kernel should choke on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
import lamina.nn.functional as F
from lamina.nn.functional.conv import ALGORITHMS

RNG = np.random.default_rng(0)


def passes(x: Any, w: Any, algorithm: str, **kwargs: Any) -> list[np.ndarray]:
    """Output, input gradient and weight gradient, for the same output gradient each time."""
    x, w = lamina.tensor(x).requires_grad_(), lamina.tensor(w).requires_grad_()
    with F.conv_algorithm(algorithm):
        y = F.conv2d(x, w, **kwargs)
        seed = lamina.tensor(np.cos(np.arange(y.numel())).reshape(y.shape).astype(y.detach().numpy().dtype))
        grads = lamina.autograd.grad(y, (x, w), seed)
    return [t.detach().numpy() for t in (y, *grads)]


def relative_error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a.astype(np.float64) - b) / np.linalg.norm(b))


def check_passes(x: np.ndarray, weight: np.ndarray, algorithm: str, **options: Any) -> None:
    """All passes are close to float64's, and the same bits on any number of threads."""
    exact = passes(x.astype("float64"), weight.astype("float64"), "implicit", **options)
    threads = lamina.get_num_threads()
    try:
        runs = []
        for count in (1, 2, 7):
            lamina.set_num_threads(count)
            runs.append(passes(x, weight, algorithm, **options))
    finally:
        lamina.set_num_threads(threads)
    for name, got, second, third, want in zip(("y", "dx", "dw"), *runs, exact, strict=True):
        assert relative_error(got, want) < 5e-6, name
        assert got.tobytes() == second.tobytes() == third.tobytes(), name


def draw(*shape: int, dtype: str = "float32") -> np.ndarray:
    return RNG.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    ("n", "c", "k", "h", "w", "kernel", "options"),
    [
        (1, 1, 1, 3, 3, 3, {}),
        (2, 3, 5, 9, 7, 3, {"padding": 1}),
        (1, 65, 40, 1, 9, 3, {"padding": 1}),
        (3, 17, 33, 6, 5, 3, {"padding": 2}),
        (2, 16, 18, 4, 4, 3, {"padding": (1, 5)}),
        (9, 40, 70, 13, 10, 3, {"padding": 1}),
        (4, 40, 33, 7, 14, 3, {"padding": 1}),  # tiles of four and three outputs
        (3, 33, 64, 11, 3, 3, {"padding": 1}),
        (5, 200, 170, 4, 4, 3, {"padding": 1}),  # panels outside
        (5, 300, 250, 7, 7, 3, {"padding": 1}),
        (2, 33, 40, 13, 18, 3, {"padding": 2, "dilation": 2}),
        (2, 300, 250, 9, 10, 3, {"padding": (3, 0), "dilation": (3, 1)}),
        (1, 5, 6, 12, 11, 3, {"padding": 1, "dilation": (2, 5)}),
        (1, 1, 1, 5, 5, 5, {}),
        (2, 17, 33, 7, 12, 5, {"padding": 2}),  # tiles of two outputs and of one
        (9, 40, 70, 13, 10, 5, {"padding": (4, 0)}),
        (3, 300, 250, 7, 6, 5, {"padding": 2}),  # panels outside
        (1, 33, 18, 13, 18, 5, {"padding": 4, "dilation": (2, 1)}),
        (2, 33, 18, 5, 9, 4, {"padding": 2}),
        (5, 260, 260, 8, 11, 4, {"padding": (1, 3)}),
    ],
)
def test_winograd(n: int, c: int, k: int, h: int, w: int, kernel: int, options: dict[str, Any]) -> None:
    check_passes(draw(n, c, h, w), draw(k, c, kernel, kernel), "winograd", **options)


@pytest.mark.parametrize(
    ("n", "c", "k", "size", "kernel", "padding"),
    [
        (2, 64, 64, (9, 17), (1, 7), (0, 3)),
        (2, 64, 40, (17, 5), (7, 1), (3, 0)),
        (1, 1, 1, (1, 3), (1, 3), 0),
        (3, 17, 33, (4, 6), (1, 5), (0, 2)),
        (2, 33, 70, (11, 3), (5, 1), (6, 0)),  # more padding than taps
        (1, 5, 18, (2, 40), (1, 7), (0, 0)),
        (2, 100, 48, (1, 301), (1, 3), (0, 1)),  # lines longer than a block of tiles
        (9, 200, 96, (12, 13), (3, 1), (1, 0)),
        (2, 768, 40, (5, 16), (1, 7), (0, 3)),
    ],
)
def test_winograd_along_a_line(
    n: int, c: int, k: int, size: tuple[int, int], kernel: tuple[int, int], padding: Any
) -> None:
    x, weight = draw(n, c, *size), draw(k, c, *kernel)
    check_passes(x, weight, "winograd", padding=padding)


def test_conv1d_and_conv3d_run_along_lines() -> None:
    x, w = draw(2, 40, 50), draw(36, 40, 5)
    with F.conv_algorithm("winograd"):
        line = F.conv1d(lamina.tensor(x), lamina.tensor(w), lamina.ones(36), padding=2).numpy()
        column = F.conv3d(
            lamina.tensor(x[:, :, :, None, None]),
            lamina.tensor(w[:, :, :, None, None]),
            lamina.ones(36),
            padding=(2, 0, 0),
        ).numpy()
    want = passes(x[:, :, None], w[:, :, None], "reference", padding=(0, 2))[0][:, :, 0] + 1
    assert relative_error(line, want) < 5e-6
    assert column[..., 0, 0].tobytes() == line.tobytes()


@pytest.mark.parametrize(
    ("n", "c", "k", "h", "w", "padding"),
    [
        (2, 32, 32, 8, 8, 1),
        (1, 5, 7, 9, 10, 1),
        (2, 17, 33, 11, 6, 0),
        (1, 40, 20, 4, 4, 2),
        (3, 3, 18, 13, 12, 3),
        (2, 16, 5, 7, 8, (0, 2)),
        (9, 40, 24, 34, 35, 1),  # several tasks of a panel
        (9, 200, 200, 34, 35, 1),  # several blocks of tiles
    ],
)
def test_phases(n: int, c: int, k: int, h: int, w: int, padding: Any) -> None:
    x, weight = draw(n, c, h, w), draw(k, c, 4, 4)
    options = {"padding": padding, "stride": 2}
    check_passes(x, weight, "phases", **options)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (1, 7)])
@pytest.mark.parametrize("algorithm", ["implicit", "winograd", "automatic"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_stays_where_it_belongs(
    value: float, algorithm: str, kernel: tuple[int, int]
) -> None:
    x, w = draw(16, 32, 8, 8), np.abs(draw(32, 32, *kernel)) + 2
    x[3, 5, 4, 6] = value
    padding = tuple(k // 2 for k in kernel)
    for got, want in zip(
        passes(x, w, algorithm, padding=padding), passes(x, w, "reference", padding=padding), strict=True
    ):
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
        assert (got[np.isinf(got)] == want[np.isinf(got)]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("c", "k", "size", "kernel", "options"),
    [
        (700, 40, 3, 3, {"padding": 1}),  # several slices of channels
        (2500, 20, 2, 1, {}),
        (20, 20, 60, 3, {"padding": 1}),  # boxes of rows
        (16, 24, 13, 5, {"stride": 3, "padding": 2}),
        (32, 64, 14, 3, {"stride": 2, "padding": 1, "groups": 2}),
        (130, 130, 14, 3, {"padding": 1, "groups": 130}),
        (8, 8, 9, 2, {"stride": 5}),
    ],
)
def test_against_plain_loops(
    c: int, k: int, size: int, kernel: int, options: dict[str, Any], dtype: str
) -> None:
    x = draw(1, c, size, size + 1, dtype=dtype)
    w = draw(k, c // options.get("groups", 1), kernel, kernel, dtype=dtype)
    bound = 3e-6 if dtype == "float32" else 1e-14
    for got, want in zip(
        passes(x, w, "automatic", **options), passes(x, w, "reference", **options), strict=True
    ):
        assert relative_error(got, want) < bound


@pytest.mark.parametrize(("c", "k"), [(3, 20), (20, 20), (20, 3), (40, 40)])
def test_any_memory_order_gives_the_same_bits(c: int, k: int) -> None:
    x, w = draw(2, c, 8, 9), draw(k, c, 3, 3)
    transposed = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    strided = np.repeat(np.repeat(x, 2, axis=3), 2, axis=1)[:, ::2, :, ::2]
    for other in (transposed, strided):
        for a, b in zip(
            passes(x, w, "automatic", padding=1), passes(other, w, "automatic", padding=1), strict=True
        ):
            assert a.tobytes() == b.tobytes()


def test_outputs_of_16_channels_are_channels_last() -> None:
    x = lamina.tensor(draw(2, 3, 8, 8))
    assert F.conv2d(x, lamina.tensor(draw(16, 3, 3, 3))).stride() == (6 * 6 * 16, 1, 6 * 16, 16)
    assert F.conv2d(x, lamina.tensor(draw(15, 3, 3, 3))).is_contiguous()


def test_expanded_gradient() -> None:
    """The gradient of a sum is one number seen in the output's shape."""
    x, w = lamina.tensor(draw(2, 4, 5, 5)).requires_grad_(), lamina.tensor(draw(20, 4, 3, 3)).requires_grad_()
    F.conv2d(x, w, lamina.ones(20, requires_grad=True)).sum().backward()
    assert (
        relative_error(w.grad.numpy()[0], w.grad.numpy()[7]) < 1e-6
    )  # every output channel got the same ones


def test_huge_strides_and_dilations() -> None:
    x, w = draw(1, 2, 5, 5), draw(3, 2, 3, 3)
    assert passes(x, w, "automatic", stride=2**39)[0].shape == (1, 3, 1, 1)
    for algorithm in (0, ALGORITHMS.index("winograd")):
        with pytest.raises((ValueError, MemoryError)):  # of an input of 2^80 pixels
            lamina._C.conv_dgrad(
                lamina.ones(1, 64, 1, 1)._array,
                lamina.ones(64, 64, 3, 3)._array,
                (1, 64, 2**39 + 1, 2**39 + 1),
                *((1, 1), (0, 0), (0, 0), (2**38, 2**38), 1, algorithm),
            )
    y = passes(x, w, "automatic", padding=2**20, dilation=2**20)[0]
    assert y.shape == (1, 3, 5, 5)
    np.testing.assert_allclose(y, passes(x, w[:, :, 1:2, 1:2], "automatic")[0], rtol=1e-6, atol=1e-7)


def test_algorithms_that_do_not_fit_say_so() -> None:
    x, w = lamina.tensor(draw(1, 4, 5, 5)), lamina.tensor(draw(4, 4, 3, 3))
    for algorithm, options in (("winograd", {"stride": 2}), ("depthwise", {}), ("phases", {})):
        with (
            F.conv_algorithm(algorithm),
            pytest.raises(ValueError, match=r"\[conv2d\] the algorithm asked for"),
        ):
            F.conv2d(x, w, **options)
    with pytest.raises(ValueError, match=r"\[conv_algorithm\] expected one of automatic, reference"):
        F.conv_algorithm("magic")


def test_modules_have_torchs_keys_and_start(torch: Any) -> None:
    for ours, theirs in (
        (
            lamina.nn.Conv2d(6, 8, (3, 5), stride=2, padding=(1, 2), groups=2),
            torch.nn.Conv2d(6, 8, (3, 5), groups=2),
        ),
        (lamina.nn.Conv1d(4, 6, 3, bias=False), torch.nn.Conv1d(4, 6, 3, bias=False)),
        (lamina.nn.Conv3d(4, 6, (1, 2, 3)), torch.nn.Conv3d(4, 6, (1, 2, 3))),
    ):
        a, b = ours.state_dict(), theirs.state_dict()
        assert {k: tuple(v.shape) for k, v in a.items()} == {k: tuple(v.shape) for k, v in b.items()}
        bound = 1 / np.sqrt(theirs.weight[0].numel())
        assert all(float(abs(v.numpy()).max()) <= bound for v in a.values())
    assert repr(lamina.nn.Conv2d(3, 8, 3, padding=1)) == repr(torch.nn.Conv2d(3, 8, 3, padding=1))
    assert repr(lamina.nn.Conv1d(4, 8, 3, groups=2, bias=False, padding="same")) == repr(
        torch.nn.Conv1d(4, 8, 3, groups=2, bias=False, padding="same")
    )


def test_bad_modules() -> None:
    with pytest.raises(ValueError, match=r"\[Conv2d\] expected channels of at least 1 that groups=2 divides"):
        lamina.nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match=r"\[Conv1d\] expected padding_mode in"):
        lamina.nn.Conv1d(3, 4, 3, padding_mode="mirror")
    with pytest.raises(ValueError, match=r"\[Conv2d\] expected an integer or 2 as kernel_size"):
        lamina.nn.Conv2d(3, 4, (3, 3, 3))


@pytest.mark.parametrize("transposed", [False, True])
def test_phases_spread_nan_and_infinity_no_further(transposed: bool) -> None:
    """To what reads them, as plain loops do, although a transform carries them to its whole tile."""
    x, w = draw(1, 5, 12, 11), draw(5, 5, 4, 4)
    x[0, 2, 5, 6], x[0, 1, 10, 0] = np.nan, np.inf
    results = []
    for algorithm in ("phases", "reference"):
        with F.conv_algorithm(algorithm):
            function = F.conv_transpose2d if transposed else F.conv2d
            results.append(function(lamina.tensor(x), lamina.tensor(w), stride=2, padding=1).numpy())
    got, want = results
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    np.testing.assert_allclose(got[np.isfinite(got)], want[np.isfinite(want)], rtol=1e-4, atol=1e-5)
