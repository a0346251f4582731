"""Layers against torch's of the same name: values, state, printed form, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn

X1, X2, X3 = (2, 3, 7), (2, 3, 6, 7), (2, 3, 5, 6, 7)
ONE_INPUT = [
    *[(f"{kind}Pad{d}d", (2,), (X1, X2, X3)[d - 1]) for kind in ("Reflection", "Replication", "Circular", "Zero")
      for d in (1, 2, 3)],
    *[(f"ConstantPad{d}d", (1, 3.5), (X1, X2, X3)[d - 1]) for d in (1, 2, 3)],
    ("ZeroPad2d", ((1, 0, -1, 2),), X2),
    ("ReflectionPad2d", ((3, 1, 0, 2),), X2[1:]),
    ("ReplicationPad3d", ((3, 1, 0, 2, 1, 1),), X3),
    ("PixelShuffle", (2,), (1, 8, 3, 4)),
    ("PixelUnshuffle", (2,), (1, 2, 6, 4)),
    ("ChannelShuffle", (2,), (1, 8, 3, 4)),
    ("Identity", (54,), X1),
    ("Flatten", (1, 2), X3),
    ("Unflatten", (1, (3, 1)), X1),
]  # fmt: skip


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


def compare(name, arguments, inputs, torch, repr_too=True):
    """The same module in both libraries, on the same weights."""
    ours, theirs = getattr(nn, name)(*arguments), getattr(torch.nn, name)(*arguments)
    assert not repr_too or repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict({k: lamina.from_numpy(v.numpy()) for k, v in theirs.state_dict().items()})
    got = ours(*[lamina.from_numpy(x) for x in inputs])
    want = theirs(*[torch.from_numpy(x) for x in inputs])
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name, arguments, shape", ONE_INPUT)
def test_layers_are_torchs(name, arguments, shape, torch):
    compare(name, arguments, arrays(shape), torch)


@pytest.mark.parametrize(
    "name, arguments, shapes",
    [
        ("Bilinear", (3, 2, 4), ((5, 3), (5, 2))),
        ("CosineSimilarity", (2, 1e-6), (X1, X1)),
        ("PairwiseDistance", (3.0,), ((5, 3), (5, 3))),
    ],
)
def test_layers_of_two_inputs_are_torchs(name, arguments, shapes, torch):
    compare(name, arguments, arrays(*shapes), torch)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag_is_torchs(mode, torch):
    words = np.random.default_rng(0).integers(0, 10, (4, 6))
    compare("EmbeddingBag", (10, 3, None, 2.0, False, mode), [words], torch, repr_too=mode != "mean")
    table = lamina.from_numpy(*arrays((10, 3)))
    bag = nn.EmbeddingBag.from_pretrained(table, mode=mode, padding_idx=2)
    assert not bag.weight.requires_grad and "padding_idx=2" in repr(bag)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("rank", [1, 2])
def test_convolutions_pad_as_torchs_do(mode, rank, torch):
    for padding in (1, "same"):
        arguments = (3, 4, 3, 1, padding, 1, 1, True, mode)
        compare(f"Conv{rank}d", arguments, arrays((X1, X2)[rank - 1]), torch)


def test_channels_last_stays():
    x = lamina.randn(2, 32, 4, 6).to(memory_format=lamina.channels_last)
    for f in (nn.PixelShuffle(2), nn.PixelUnshuffle(2), nn.ChannelShuffle(4), nn.ReflectionPad2d(1)):
        y = f(x)
        assert y._array.is_channels_last()
        assert not y.is_contiguous() and lamina.equal(y, f(x.contiguous()))


def test_empty_batches_shuffle():  # torch gets shapes or gradients of these wrong
    x = lamina.zeros(0, 4, 2, 2, requires_grad=True)
    for f, shape in ((nn.PixelShuffle(2), (0, 1, 4, 4)), (nn.PixelUnshuffle(2), (0, 16, 1, 1))):
        y = f(x)
        assert y.shape == shape
        y.sum().backward()
        assert x.grad.shape == x.shape


def test_refusals():
    with pytest.raises(ValueError, match=r"\[ReflectionPad2d\] expected 1 or 4 widths"):
        nn.ReflectionPad2d((1, 2))
    with pytest.raises(ValueError, match=r"\[ReflectionPad2d\] expected 3 or 4 dimensions"):
        nn.ReflectionPad2d(1)(lamina.ones(2, 2))
    with pytest.raises(ValueError, match=r"\[Bilinear\] expected in1_features of at least 1"):
        nn.Bilinear(0, 1, 1)


UPSAMPLES = [
    ("Upsample", (None, 2.0, "nearest"), X2),
    ("Upsample", ((9, 4), None, "bilinear", True), X2),
    ("Upsample", (None, (2.0, 1.5), "bicubic"), X2),
    ("Upsample", (11, None, "linear"), X1),
    ("Upsample", (None, 1.5, "trilinear"), X3),
    ("UpsamplingNearest2d", (None, 2), X2),
    ("UpsamplingBilinear2d", ((8, 9),), X2),
]


@pytest.mark.parametrize("name, arguments, shape", UPSAMPLES)
def test_upsampling_is_torchs(name, arguments, shape, torch):
    compare(name, arguments, arrays(shape), torch)
