"""Erasing, mixup and CutMix: what they change, by how much, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import data
from lamina.data.random import sampling


def test_erasing_fills_one_rectangle_of_the_given_share():
    erase = data.RandomErasing(p=1, scale=(0.1, 0.3), ratio=(0.5, 2), value=7)
    images = np.zeros((200, 20, 30, 3), np.uint8)
    with sampling(0, 0, 0):
        erased = erase(images)
    assert not images.any()  # the input stays as it was
    shares = []
    for image in erased:
        assert set(np.unique(image)) == {0, 7}
        rows, columns = (np.flatnonzero(image[..., 0].any(axis)) for axis in (1, 0))
        assert (image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 7).all()  # whole, all channels
        shares.append((image[..., 0] == 7).mean())
        assert 0.4 < len(rows) / len(columns) < 2.5
    assert 0.08 < min(shares) < 0.13 and 0.27 < max(shares) < 0.33


def test_erasing_touches_a_share_of_the_images_and_leaves_what_no_rectangle_fits():
    images = np.ones((1000, 8, 8, 1), np.float32)
    with sampling(0, 0, 0):
        touched = (data.RandomErasing(p=0.3)(images) == 0).any((1, 2, 3)).mean()
        assert 0.25 < touched < 0.35
        assert (data.RandomErasing(p=0)(images) == 1).all()
        assert (data.RandomErasing(p=1, scale=(1, 1), ratio=(1, 1))(images) == 1).all()


def test_erasing_keeps_the_kind_of_image():
    assert isinstance(data.RandomErasing()(lamina.ones(2, 3, 8, 8)), lamina.Tensor)
    assert data.RandomErasing()(np.ones((8, 8), np.uint8)).dtype == np.uint8


@pytest.mark.parametrize("kind", [data.MixUp, data.CutMix])
def test_labels_are_mixed_as_images_are(kind):
    """Each image is constant at its label, so that its mean says what it is made of."""
    lamina.manual_seed(3)
    labels = lamina.tensor([4, 0, 9, 2])
    images = labels.float().reshape(4, 1, 1, 1).expand(4, 2, 16, 12)
    shares = set()
    for _ in range(20):
        mixed, targets = kind(num_classes=10)(images, labels)
        assert mixed.shape == images.shape and targets.shape == (4, 10)
        values = targets.numpy() @ np.arange(10.0)
        np.testing.assert_allclose(mixed.numpy().mean((1, 2, 3)), values, rtol=1e-5)
        np.testing.assert_allclose(targets.sum(1).numpy(), 1, rtol=1e-6)
        shares.add(round(targets[1, 0].item(), 3))
        if kind is data.CutMix:
            assert set(np.unique(mixed.numpy()[1])) <= {0.0, 4.0}  # image 1 and, before it, image 0
    assert len(shares) > 10
    assert (images.numpy() == labels.numpy().reshape(4, 1, 1, 1)).all()


def test_mixing_is_the_same_for_the_same_seed():
    images, labels = lamina.randn(4, 1, 8, 8), lamina.arange(4)
    results = []
    for _ in range(2):
        lamina.manual_seed(7)
        results.append(data.CutMix(alpha=1.0, num_classes=4)(images, labels)[0].numpy().tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: data.RandomErasing(p=2), r"\[RandomErasing\] expected p in"),
        (lambda: data.RandomErasing(scale=(0.5, 0.1)), "expected a scale"),
        (lambda: data.RandomErasing(scale=(0.5, 1.1)), "expected a scale"),
        (lambda: data.RandomErasing(ratio=(0, 1)), "expected positive ratios"),
        (lambda: data.MixUp(alpha=0, num_classes=10), r"\[MixUp\] expected alpha above 0"),
        (lambda: data.CutMix(alpha=-1.0, num_classes=10), r"\[CutMix\] expected alpha above 0"),
        (
            lambda: data.MixUp(alpha=1.0, num_classes=10)(lamina.zeros(2, 1, 4, 4), lamina.arange(3)),
            r"expected images .* got \(2, 1, 4, 4\) and \(3,\)",
        ),
        (
            lambda: data.CutMix(alpha=1.0, num_classes=10)(lamina.zeros(2, 4, 4), lamina.arange(2)),
            r"\[CutMix\] expected images",
        ),
        (
            lambda: data.CutMix(num_classes=2)(lamina.zeros(2, 1, 4, 4), lamina.tensor([0, 2])),
            r"\[CutMix\] expected labels from 0 to 1, got 2",
        ),
        (
            lambda: data.MixUp(num_classes=2)(lamina.zeros(2, 1, 4, 4), lamina.tensor([-1, 1])),
            r"\[MixUp\] expected labels from 0 to 1, got -1",
        ),
        (lambda: data.MixUp(num_classes=0), "expected num_classes of at least 1"),
    ],
)
def test_bad_arguments_are_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_labels_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match=r"\[CutMix\] expected integer labels, got .*float32"):
        data.CutMix(num_classes=2)(lamina.zeros(2, 1, 4, 4), lamina.zeros(2))
