"""lamina.explain: what it says of convolutions, products, other ops and networks."""

from __future__ import annotations

import pytest

import lamina
import lamina.nn.functional as F
from lamina import nn
from lamina.explanation import Limits, Pass, limits


def algorithms(*args: object, **kwargs: object) -> dict[str, str]:
    ((_, _, passes, _),) = lamina.explain(F.conv2d, *args, **kwargs).calls
    return {p.name: p.algorithm for p in passes}


def test_the_algorithm_is_the_one_that_shape_asks_for() -> None:
    x = lamina.ones(8, 64, 16, 16)
    assert set(algorithms(x, lamina.ones(64, 64, 3, 3), padding=1).values()) == {"winograd"}
    assert set(algorithms(x, lamina.ones(64, 64, 1, 1)).values()) == {"implicit"}
    assert algorithms(x, lamina.ones(64, 1, 3, 3), padding=1, groups=64)["forward"] == "depthwise"
    assert set(algorithms(x.double(), lamina.ones(64, 64, 3, 3).double(), padding=1).values()) == {"implicit"}


def test_the_algorithm_is_the_one_predicted_to_be_fastest() -> None:
    x, w = lamina.ones(8, 64, 16, 16), lamina.ones(64, 64, 3, 3)
    explanation = lamina.explain(F.conv2d, x, w, padding=1)
    ((_, _, passes, _),) = explanation.calls
    for p in passes:
        assert min(p.predicted, key=p.predicted.__getitem__) == p.algorithm
        assert {"implicit", "small", "winograd"} <= set(p.predicted)  # fft is for larger kernels
    assert "winograd" in str(explanation) and "implicit" in str(explanation)
    with lamina.backends.conv.algorithm("implicit"):
        ((_, _, passes, _),) = lamina.explain(F.conv2d, x, w, padding=1).calls
    assert passes[0].predicted == {}


def test_an_algorithm_that_is_asked_for_is_named_and_refused_where_it_does_not_fit() -> None:
    x, w = lamina.ones(8, 64, 16, 16), lamina.ones(64, 64, 3, 3)
    with lamina.backends.conv.algorithm("reference"):
        assert set(algorithms(x, w).values()) == {"reference"}
    with (
        lamina.backends.conv.algorithm("winograd"),
        pytest.raises(ValueError, match=r"\[conv2d\] the algorithm asked for"),
    ):
        lamina.explain(F.conv2d, x, w, stride=2)


def test_operations_and_bytes_are_those_of_the_definition() -> None:
    x, w = lamina.ones(2, 3, 5, 7), lamina.ones(4, 3, 3, 3)
    ((name, shapes, passes, fused),) = lamina.explain(F.conv2d, x, w).calls
    assert (name, shapes, fused) == ("conv2d", "(2, 3, 5, 7) (4, 3, 3, 3) -> (2, 4, 3, 5)", "")
    assert [p.name for p in passes] == ["forward", "input gradient", "weight gradient"]
    assert passes[0].flops == 2 * (2 * 4 * 3 * 5) * 27
    assert passes[0].bytes == 4 * (x.numel() + w.numel() + 2 * 4 * 3 * 5)
    ((_, _, passes, _),) = lamina.explain(lamina.matmul, lamina.ones(5, 6), lamina.ones(6, 7)).calls
    assert passes[0].flops == 2 * 5 * 6 * 7
    ((_, _, passes, _),) = lamina.explain(lamina.exp, lamina.ones(10)).calls
    assert (passes[0].flops, passes[0].bytes) == (0, 80)


def test_a_transposed_convolution_is_the_one_whose_transpose_it_is() -> None:
    x, w = lamina.ones(2, 4, 5, 7), lamina.ones(4, 3, 3, 3)
    call = {"stride": 2, "padding": 1, "output_padding": 1}
    ((_, shapes, passes, _),) = lamina.explain(F.conv_transpose2d, x, w, **call).calls
    assert shapes == "(2, 4, 5, 7) (4, 3, 3, 3) -> (2, 3, 10, 14)"
    assert passes[0].flops == 2 * x.numel() * 27
    assert passes[0].bytes == 4 * (x.numel() + w.numel() + 2 * 3 * 10 * 14)
    mirrored = lamina.explain(F.conv2d, lamina.ones(2, 3, 10, 14), w, stride=2, padding=1).calls[0][2]
    assert [p.algorithm for p in passes] == [mirrored[k].algorithm for k in (1, 0, 2)]
    layer = nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1)
    assert lamina.explain(layer, x).calls[0][2][0].flops == 2 * x.numel() * 27
    assert lamina.explain(layer, x, (10, 14)).calls[0][1] == shapes.replace("(4, 3, 3, 3) ", "")


def test_the_limit_is_the_larger_of_arithmetic_and_memory() -> None:
    machine = Limits(flops=100.0, bandwidth=10.0)
    assert Pass("forward", "gemm", 1000, 10).seconds(machine) == 10
    assert Pass("forward", "winograd", 1000, 10, saving=0.25).seconds(machine) == 2.5
    assert Pass("forward", "", 0, 50).bound(machine) == "memory"
    assert limits().flops > 1e9 and limits().bandwidth > 1e8


def test_a_module_that_runs_twice_is_one_with_another_each_time() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.relu = nn.BatchNorm1d(3), nn.BatchNorm1d(3), nn.ReLU()

        def forward(self, x: lamina.Tensor) -> lamina.Tensor:
            return nn.fusion.run((self.b, self.relu), nn.fusion.run((self.a, self.relu), x))

    found = lamina.explain(Twice(), lamina.randn(4, 3))
    assert [(c[0], c[3]) for c in found.calls] == [
        ("a", ""),
        ("relu", "one with a"),
        ("b", ""),
        ("relu", "one with b"),
    ]


def test_a_network_lists_its_layers_and_what_fuses() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 2)
    )
    x = lamina.ones(2, 3, 8, 8)
    found = lamina.explain(net, x)
    assert [call[0] for call in found.calls] == ["0", "1", "2", "3", "4"]
    assert [call[3] for call in found.calls] == ["", "", "one with 1", "", ""]
    assert len(found.calls[0][2]) == 3
    assert not net[0]._forward_hooks  # as it was
    with lamina.inference_mode():
        found = lamina.explain(net.eval(), x)
    assert [call[3] for call in found.calls] == ["", "one with 0", "one with 0", "", ""]
    assert len(found.calls[0][2]) == 1
    text = str(found)
    assert "algorithm" in text and "one with 0" in text and "GFLOP/s" in text
