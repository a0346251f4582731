"""Suppression, box forms, anchors and pooling over a pyramid."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import lamina
from lamina.vision import ops


def random_boxes(n, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    low = rng.random((n, 2)) * 50
    return np.concatenate([low, low + 1 + rng.random((n, 2)) * 30], 1).astype(dtype)


def greedy(boxes, scores, threshold):
    def overlap(a, b):
        sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
        common = np.prod(np.maximum(sides, 0))
        return common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)

    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if all(overlap(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(int(i))
    return kept


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_nms(threshold, dtype):
    boxes, scores = random_boxes(200, dtype=dtype), np.random.default_rng(1).random(200).astype(dtype)
    scores[50:60] = scores[50]  # ties go to the earlier box
    got = ops.nms(lamina.from_numpy(boxes), lamina.from_numpy(scores), threshold)
    assert got.dtype is lamina.int64 and got.tolist() == greedy(boxes, scores, threshold)


def test_nms_of_nothing_and_of_bad_input():
    assert ops.nms(lamina.zeros(0, 4), lamina.zeros(0), 0.5).tolist() == []
    for boxes, scores in (((3, 5), (3,)), ((3, 4), (2,)), ((3, 4), (3, 1))):
        with pytest.raises(ValueError, match=r"\[nms\] expected"):
            ops.nms(lamina.zeros(*boxes), lamina.zeros(*scores), 0.5)
    with pytest.raises(TypeError, match=r"\[nms\] expected boxes of float32 or float64"):
        ops.nms(lamina.zeros(3, 4).int(), lamina.zeros(3), 0.5)


def test_batched_nms_keeps_categories_apart():
    boxes, scores = random_boxes(120), np.random.default_rng(1).random(120).astype(np.float32)
    groups = np.arange(120) % 3
    want = [
        int(np.flatnonzero(groups == g)[i])
        for g in range(3)
        for i in greedy(boxes[groups == g], scores[groups == g], 0.4)
    ]
    got = ops.batched_nms(*map(lamina.from_numpy, (boxes, scores, groups)), 0.4).tolist()
    assert sorted(got) == sorted(want) and got == sorted(got, key=lambda i: -scores[i])


def test_box_forms():
    boxes = lamina.from_numpy(random_boxes(6, dtype=np.float64))
    for a, b in itertools.product(("xyxy", "xywh", "cxcywh"), repeat=2):
        there = ops.box_convert(boxes, "xyxy", a)
        again = ops.box_convert(ops.box_convert(there, a, b), b, "xyxy")
        np.testing.assert_allclose(again.numpy(), boxes.numpy(), rtol=1e-12)
    with pytest.raises(ValueError, match="expected forms out of"):
        ops.box_convert(boxes, "xyxy", "yxyx")


def test_masks_to_boxes():
    masks = lamina.zeros(2, 5, 6)
    masks[0, 1:3, 2:5] = 1
    masks[1, 4, 0] = 1
    assert ops.masks_to_boxes(masks).tolist() == [[2, 1, 4, 2], [0, 4, 0, 4]]
    with pytest.raises(ValueError, match="mask 0 is not"):
        ops.masks_to_boxes(lamina.zeros(1, 2, 2))


def test_anchors():
    maker = ops.AnchorGenerator(((32, 64), (128,)), ((0.5, 1.0), (2.0,)))
    assert maker.num_anchors_per_location() == [4, 1]
    images = ops.ImageList(lamina.zeros(2, 3, 64, 96), [(60, 90), (64, 96)])
    maps = [lamina.zeros(2, 8, 8, 12), lamina.zeros(2, 8, 4, 6)]
    first, second = maker(images, maps)
    assert lamina.equal(first, second) and first.shape == (8 * 12 * 4 + 4 * 6, 4)
    boxes = first.numpy()
    # (1, 2) of the first map, ratio 0.5 (twice as wide as high), side 64: 64 * sqrt(2) = 90.5 wide, 45.25 high
    np.testing.assert_array_equal(boxes[(1 * 12 + 2) * 4 + 1], [16 - 45, 8 - 23, 16 + 45, 8 + 23])
    np.testing.assert_array_equal(boxes[-1], [5 * 16 - 45, 3 * 16 - 91, 5 * 16 + 45, 3 * 16 + 91])
    with pytest.raises(ValueError, match="same number of feature maps"):
        ops.AnchorGenerator(((1,),), ((1,), (1,)))
    with pytest.raises(ValueError, match="expected 2 feature maps, got 1"):
        maker(images, maps[:1])


def test_box_coder_decodes_what_it_encoded():
    coder = ops.BoxCoder((10.0, 10.0, 5.0, 5.0))
    boxes, proposals = (lamina.from_numpy(random_boxes(9, s, np.float64)) for s in (1, 2))
    codes = coder.encode_single(boxes, proposals)
    np.testing.assert_allclose(coder.decode_single(codes, proposals).numpy(), boxes.numpy(), rtol=1e-10)
    wild = coder.decode_single(lamina.full((1, 4), 1000.0), lamina.tensor([[0.0, 0.0, 1.0, 1.0]]))
    assert (wild[0, 2] - wild[0, 0]).item() == pytest.approx(1000 / 16)


def test_pyramid_takes_each_box_from_its_level():
    rng = np.random.default_rng(0)
    maps = {str(k): lamina.from_numpy(rng.standard_normal((2, 3, 64 >> k, 64 >> k))) for k in range(3)}
    boxes = [lamina.tensor([[0.0, 0.0, 50.0, 50.0], [4.0, 4.0, 250.0, 250.0]], dtype=lamina.float64),
             lamina.tensor([[10.0, 20.0, 130.0, 140.0]], dtype=lamina.float64)]  # fmt: skip
    pooler = ops.MultiScaleRoIAlign(["0", "1", "2"], 2, 2, canonical_scale=64, canonical_level=2)
    got = pooler(maps, boxes, [(256, 256), (200, 256)])
    # The finest map is 1/4 of the image: level 2. sides 50, 246 and 120 -> levels 1 (so 2), 3, 2.
    for k, (image, i, level) in enumerate([(0, 0, 0), (0, 1, 1), (1, 0, 0)]):
        one = ops.roi_align(
            maps[str(level)][image : image + 1], [boxes[image][i : i + 1]], 2, 0.25 / 2**level, 2
        )
        np.testing.assert_allclose(got[k].numpy(), one[0].numpy(), rtol=1e-12)


def test_modules_say_what_they_are():
    assert (
        repr(ops.RoIAlign(7, 0.25, 2))
        == "RoIAlign(output_size=7, spatial_scale=0.25, sampling_ratio=2, aligned=False)"
    )
    x, box = lamina.ones(1, 2, 8, 8), [lamina.tensor([[0.0, 0.0, 4.0, 4.0]])]
    assert (
        ops.RoIPool((2, 3), 1.0)(x, box).shape == (1, 2, 2, 3) and ops.RoIAlign(2, 1.0, 2)(x, box).sum() == 8
    )
    with pytest.raises(IndexError, match="boxes of 1 images, got 2 sets"):
        ops.roi_pool(x, [*box, *box], 2)
    assert math.isclose(ops.box_iou(box[0], box[0]).item(), 1.0)
