"""Image transforms: shapes, values, batches against single images, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import data
from lamina.data.random import sampling


def image(height: int = 6, width: int = 5, channels: int = 3) -> np.ndarray:
    return np.arange(height * width * channels, dtype=np.uint8).reshape(height, width, channels)


def test_to_tensor():
    x = data.ToTensor()(image())
    assert tuple(x.shape) == (3, 6, 5)
    assert x.dtype == lamina.float32
    np.testing.assert_allclose(x.numpy(), image().transpose(2, 0, 1) / np.float32(255), rtol=1e-6)
    assert tuple(data.ToTensor()(image()[..., 0]).shape) == (1, 6, 5)
    assert tuple(data.ToTensor()(image()[None]).shape) == (1, 3, 6, 5)
    assert data.ToTensor()(np.full((2, 2, 1), 3.5)).tolist() == [[[3.5, 3.5], [3.5, 3.5]]]


def test_to_tensor_of_pillow_images():
    Image = pytest.importorskip("PIL.Image")
    x = data.ToTensor()(Image.fromarray(image()))
    np.testing.assert_array_equal(x.numpy(), data.ToTensor()(image()).numpy())


def test_normalize():
    x = lamina.from_numpy(np.random.default_rng(0).random((4, 3, 6, 5), np.float32))
    got = data.Normalize([0.1, 0.2, 0.3], [1.0, 2.0, 4.0])(x).numpy()
    mean, std = (np.array(v, np.float32).reshape(3, 1, 1) for v in ([0.1, 0.2, 0.3], [1, 2, 4]))
    np.testing.assert_array_equal(got, (x.numpy() - mean) / std)


def test_crops_of_a_batch_are_parts_of_their_images():
    images = np.random.default_rng(0).integers(1, 255, (64, 7, 6, 2)).astype(np.uint8)
    with sampling(seed=1, epoch=0, position=0):
        crops = data.RandomCrop((5, 4), padding=1)(images)
    assert crops.shape == (64, 5, 4, 2)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    places = set()
    for crop, whole in zip(crops, padded, strict=True):
        found = [(y, x) for y in range(5) for x in range(5) if (whole[y : y + 5, x : x + 4] == crop).all()]
        assert len(found) == 1
        places.update(found)
    assert len(places) > 15  # of 25: each image has a place of its own


@pytest.mark.parametrize("make", [data.RandomHorizontalFlip, data.RandomVerticalFlip])
def test_flips(make):
    images = np.random.default_rng(0).integers(0, 255, (100, 4, 4, 1)).astype(np.uint8)
    axis = 1 if make is data.RandomVerticalFlip else 2
    np.testing.assert_array_equal(make(1.0)(images), np.flip(images, axis))
    np.testing.assert_array_equal(make(0.0)(images), images)
    with sampling(seed=1, epoch=0, position=0):
        half = make(0.5)(images)
    flipped = (half == np.flip(images, axis)).all(axis=(1, 2, 3))
    assert ((half == images).all(axis=(1, 2, 3)) | flipped).all()
    assert 30 < flipped.sum() < 70


def test_draws_depend_on_the_place_in_the_epoch_alone():
    crop = data.RandomCrop(4)
    results = []
    for _ in range(2):
        with sampling(seed=7, epoch=2, position=5):
            results.append(crop(image()))
    np.testing.assert_array_equal(*results)


def test_crop_keeps_the_kind_of_image():
    Image = pytest.importorskip("PIL.Image")
    for size in (4, (4, 4), [4]):
        assert data.RandomCrop(size)(image()).shape == (4, 4, 3)
    assert data.RandomCrop(4)(image()[..., 0]).shape == (4, 4)
    assert tuple(data.RandomCrop(4)(data.ToTensor()(image())).shape) == (3, 4, 4)
    cropped = data.RandomCrop(4)(Image.fromarray(image()))
    assert isinstance(cropped, Image.Image)
    assert cropped.size == (4, 4)
    assert data.RandomCrop(9, pad_if_needed=True, fill=7)(image()).shape == (9, 9, 3)
    assert data.RandomCrop(8, padding=(2, 1), padding_mode="reflect")(image()).shape == (8, 8, 3)


def test_center_crop():
    np.testing.assert_array_equal(data.CenterCrop(2)(image()), image()[2:4, 2:4])
    padded = data.CenterCrop(8)(image())
    assert padded.shape == (8, 8, 3)
    np.testing.assert_array_equal(padded[1:7, 1:6], image())
    assert padded.sum() == image().sum()


def test_resize_agrees_with_pillow():
    Image = pytest.importorskip("PIL.Image")
    expected = np.asarray(Image.fromarray(image()).resize((8, 10), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(data.Resize((10, 8))(image()), expected)
    np.testing.assert_array_equal(data.Resize((10, 8))(np.stack([image()] * 2))[1], expected)
    assert data.Resize(10)(Image.fromarray(image())).size == (10, 12)
    assert tuple(data.Resize((3, 4))(data.ToTensor()(image())).shape) == (3, 3, 4)


def test_compose_is_batched_if_all_are():
    assert data.Compose([data.RandomCrop(3), data.ToTensor()]).batched
    assert not data.Compose([data.Lambda(lambda x: x), data.ToTensor()]).batched
    assert data.Compose([data.Lambda(lambda x: x, batched=True)]).batched


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: data.RandomCrop(9)(image()), ValueError, "9×9 pixels after padding, got 6×5"),
        (lambda: data.RandomCrop(0), ValueError, "positive size"),
        (lambda: data.RandomCrop(3, padding=(1, 2, 3)), ValueError, "1, 2 or 4 paddings"),
        (lambda: data.RandomCrop(3, padding_mode="wrap"), ValueError, "padding_mode"),
        (lambda: data.RandomHorizontalFlip(1.5), ValueError, r"p in \[0, 1\]"),
        (lambda: data.Normalize([0], [0]), ValueError, "std other than zero"),
        (
            lambda: data.Normalize([0, 0], [1, 1])(lamina.zeros(3, 4, 4)),
            ValueError,
            r"C = 2, got \(3, 4, 4\)",
        ),
        (lambda: data.Normalize([0], [1])(image()), TypeError, "floating tensor"),
        (lambda: data.ToTensor()([1, 2]), TypeError, "got list"),
        (lambda: data.ToTensor()(np.zeros(3)), ValueError, r"got shape \(3,\)"),
        (lambda: data.CenterCrop(2)("photo.png"), TypeError, "got str"),
        (lambda: data.CenterCrop(2)(np.zeros(3)), ValueError, r"got \(3,\)"),
        (lambda: data.CenterCrop(2)(lamina.zeros(3, 3)), ValueError, r"got \(3, 3\)"),
        (lambda: data.Resize(4)(image().astype(np.int64)), TypeError, "got int64"),
        (lambda: data.Resize(4, "cubist"), ValueError, "cubist"),
        (lambda: data.Lambda(3), TypeError, "expected a function"),
    ],
)
def test_transforms_refuse(call, error, match):
    with pytest.raises(error, match=match):
        call()
