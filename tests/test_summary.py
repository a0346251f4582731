"""lamina.summary: the numbers of course notes for AlexNet and VGG, and what a hand counts on small networks."""

from __future__ import annotations

import pytest

import lamina
from lamina import nn


def test_alexnet_is_as_the_literature_has_it():
    table = lamina.summary(lamina.models.alexnet(), (1, 3, 224, 224))
    by_name = {layer.name: layer for layer in table.layers}
    assert table.parameters == 61_100_840 == sum(layer.parameters for layer in table.layers)
    assert table.multiply_adds == 714_188_480  # 0.71 G, as torchvision documents it
    assert by_name["features.0"].outputs == ((1, 64, 55, 55),)
    assert by_name["features.0"].multiply_adds == 55 * 55 * 64 * 11 * 11 * 3
    assert by_name["features.0"].memory == 55 * 55 * 64 * 4
    assert by_name["features.1"].memory == 0  # ReLU in place
    assert by_name["classifier.1"].parameters == 4096 * 9217


def test_work_of_each_kind():
    net = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6), nn.Flatten(), nn.Linear(6 * 4, 5))
    conv, norm, flat, linear = lamina.summary(net, (2, 4, 4, 4)).layers
    assert conv.multiply_adds == 2 * 6 * 4 * (2 * 9) and conv.outputs == ((2, 6, 2, 2),)
    assert norm.multiply_adds == 0 and norm.parameters == 12
    assert flat.memory == 0 and flat.outputs == ((2, 24),)
    assert linear.multiply_adds == 2 * 24 * 5 and linear.memory == 2 * 5 * 4


def test_work_of_transposed_and_recurrent_layers():
    (up,) = lamina.summary(nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), (1, 4, 3, 3)).layers
    assert up.multiply_adds == 4 * 9 * (3 * 4) and up.outputs == ((1, 6, 6, 6),)
    (lstm,) = lamina.summary(nn.LSTM(3, 5, num_layers=2, bidirectional=True), (7, 2, 3)).layers
    assert lstm.outputs == ((7, 2, 10), (4, 2, 5), (4, 2, 5))
    assert lstm.multiply_adds == 7 * 2 * 2 * 20 * ((3 + 5) + (10 + 5))


def test_shared_layers_and_own_parameters_count_once():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)
            self.scale = nn.Parameter(lamina.ones(1))

        def forward(self, x):
            return self.layer(self.layer(x)) * self.scale

    table = lamina.summary(Net(), (2, 3))
    assert [(layer.name, layer.parameters) for layer in table.layers] == [
        ("layer", 12),
        ("layer", 0),
        ("", 1),
    ]
    assert table.parameters == 13 and table.multiply_adds == 2 * 2 * 9


def test_leaves_the_network_as_it_was():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2)).double()
    net[1].eval()
    lamina.summary(net, (4, 3))
    assert [module.training for module in net.modules()] == [True, True, False, True]
    assert net[0].num_batches_tracked.item() == 0
    assert not any(module.__dict__.get("_forward_hooks") for module in net.modules())
    with pytest.raises(ValueError, match="linear"):
        lamina.summary(net[2:], (4, 5))
    assert not any(module.__dict__.get("_forward_hooks") for module in net.modules())


def test_takes_tensors_and_prints_a_table():
    net = nn.Sequential(nn.Embedding(10, 3), nn.Linear(3, 2))
    table = lamina.summary(net, lamina.tensor([[1, 2, 3]]))
    assert [layer.multiply_adds for layer in table.layers] == [0, 18]
    head, rule, first, *_, total = repr(table).splitlines()
    assert head.split() == ["layer", "output", "parameters", "multiply-adds", "memory"]
    assert set(rule) == {"-"} and len({len(line) for line in repr(table).splitlines()}) == 1
    assert first.split() == ["0:", "Embedding", "1×3×3", "30", "0", "36", "B"]
    assert total.split() == ["total", "38", "18", "60", "B"]


def test_takes_lists_of_tensors():
    table = lamina.summary(nn.Sequential(Sum(), nn.Linear(3, 2)), [lamina.ones(4, 3), lamina.ones(4, 3)])
    assert [layer.outputs for layer in table.layers] == [((4, 3),), ((4, 2),)]


class Sum(nn.Module):
    def forward(self, tensors):
        return sum(tensors)


def test_bad_input():
    with pytest.raises(TypeError, match=r"\[summary\] expected a module, got int"):
        lamina.summary(3, (1, 2))
    with pytest.raises(TypeError, match=r"\[summary\] expected tensors or shapes as inputs, got 'ab'"):
        lamina.summary(nn.Linear(2, 2), "ab")
