"""Regions of interest, and overlaps of boxes."""

import math

import numpy as np
from case import Case, Input, bad, sample

from lamina.vision import ops

ROIS = np.array(
    [
        [0, 1.2, 0.4, 6.3, 5.9],
        [1, 0, 0, 7, 6],
        [0, 2.5, 3.1, 2.7, 3.2],
        [1, -3, -2, 4, 9],
        [0, 30, 30, 40, 40],
    ],
    float,
)
BOXES = Input(ROIS.shape, "values", values=ROIS, grad=False)


def region(*values):
    return Input((1, 5), "values", values=np.array([values], float))


MAPS, WIDE = Input((2, 3, 7, 8)), Input((2, 19, 7, 8))


def bilinear(plane, y, x):
    h, w = plane.shape
    if y < -1 or y > h or x < -1 or x > w:
        return 0.0
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    top, left = int(y), int(x)
    bottom, right, fy, fx = min(top + 1, h - 1), min(left + 1, w - 1), y - top, x - left
    upper = plane[top, left] * (1 - fx) + plane[top, right] * fx
    return upper * (1 - fy) + (plane[bottom, left] * (1 - fx) + plane[bottom, right] * fx) * fy


def roi_align(x, rois, size, scale=1.0, ratio=-1, aligned=False):
    oh, ow = (size, size) if isinstance(size, int) else size
    out = np.zeros((len(rois), x.shape[1], oh, ow))
    for k, (image, x1, y1, x2, y2) in enumerate(rois):
        shift = 0.5 if aligned else 0
        left, top = x1 * scale - shift, y1 * scale - shift
        width, height = x2 * scale - shift - left, y2 * scale - shift - top
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        gy, gx = (ratio, ratio) if ratio > 0 else (math.ceil(height / oh), math.ceil(width / ow))
        for c, i, j in np.ndindex(out.shape[1:]):
            ys = [top + (i + (s + 0.5) / gy) * height / oh for s in range(gy)]
            xs = [left + (j + (s + 0.5) / gx) * width / ow for s in range(gx)]
            values = [bilinear(x[int(image), c], a, b) for a in ys for b in xs]
            out[k, c, i, j] = sum(values) / max(len(values), 1)
    return out


def roi_pool(x, rois, size, scale=1.0):
    oh, ow = (size, size) if isinstance(size, int) else size
    out = np.zeros((len(rois), x.shape[1], oh, ow))
    for k, (image, *corners) in enumerate(rois):
        left, top, right, bottom = (math.floor(abs(v * scale) + 0.5) * (1 if v >= 0 else -1) for v in corners)
        height, width = max(bottom - top + 1, 1), max(right - left + 1, 1)
        for i, j in np.ndindex(oh, ow):
            ys = np.clip(
                [math.floor(i * height / oh) + top, math.ceil((i + 1) * height / oh) + top], 0, x.shape[2]
            )
            xs = np.clip(
                [math.floor(j * width / ow) + left, math.ceil((j + 1) * width / ow) + left], 0, x.shape[3]
            )
            if ys[1] > ys[0] and xs[1] > xs[0]:
                out[k, :, i, j] = x[int(image), :, ys[0] : ys[1], xs[0] : xs[1]].max((1, 2))
    return out


def overlaps(a, b):
    """intersection, union, sides of the boxes around, middles' distance squared"""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), -1)
    area = [(v[:, 2] - v[:, 0]) * (v[:, 3] - v[:, 1]) for v in (a, b)]
    around = np.maximum(a[:, None, 2:], b[None, :, 2:]) - np.minimum(a[:, None, :2], b[None, :, :2])
    middles = [(v[:, :2] + v[:, 2:]) / 2 for v in (a, b)]
    apart = ((middles[0][:, None] - middles[1][None]) ** 2).sum(-1)
    return common, area[0][:, None] + area[1][None] - common, around, apart


def generalized(a, b):
    common, union, around, _ = overlaps(a, b)
    whole = around.prod(-1)
    return common / union - (whole - union) / whole


def distance(a, b):
    common, union, around, apart = overlaps(a, b)
    return common / union - apart / ((around**2).sum(-1) + 1e-7)


def complete(a, b):
    angles = [np.arctan((v[:, 2] - v[:, 0]) / (v[:, 3] - v[:, 1])) for v in (a, b)]
    unlike = (angles[0][:, None] - angles[1][None]) ** 2 * 4 / math.pi**2
    common, union, _, _ = overlaps(a, b)
    return distance(a, b) - unlike**2 / (1 - common / union + unlike + 1e-7)


def corners(n, seed):
    rng = np.random.default_rng(seed)
    low = rng.random((n, 2)) * 6
    return Input((n, 4), "values", values=np.concatenate([low, low + 0.5 + rng.random((n, 2)) * 4], 1))


MANY = np.tile([[0, 3, 4, 30, 25.0], [1, 9, 2, 20, 44.0]], (64, 1))
MANY = Input(MANY.shape, "values", values=MANY, grad=False)
PAIRS = [sample(corners(5, 0), corners(4, 1)), sample(Input((0, 4)), corners(3, 2))]
SETTINGS = [(1,), (3, 1.0, 2), ((2, 3), 0.5, -1, True), (2, 0.7, 3, True), (4, 1.0, -1)]

CASES = [
    Case(
        "roi.roi_align",
        ops.roi_align,
        [sample(MAPS, BOXES, *s) for s in SETTINGS]
        + [sample(WIDE, BOXES, 3, 1.0, 2), sample(MAPS, Input((0, 5), grad=False), 2)],
        roi_align,
        errors=[
            bad(ValueError, r"regions of shape \(K, 5\)", MAPS, Input((3, 4)), 2),
            bad(ValueError, "an input of 4 dimensions", Input((2, 7, 8)), BOXES, 2),
            bad(ValueError, "an output_size of at least 1", MAPS, BOXES, 0),
            bad(ValueError, "an output_size of 1 or 2 numbers", MAPS, BOXES, (1, 2, 3)),
            bad(ValueError, "a spatial_scale above 0", MAPS, BOXES, 2, 0.0),
            bad(ValueError, "finite coordinates", MAPS, region(0, math.nan, 0, 1, 1.0), 2),
            bad(ValueError, "finite coordinates", MAPS, region(0, 0, 0, 1e30, 1.0), 2),
            bad(IndexError, "images from 0 to 1, got 2 in region 0", MAPS, region(2, 0, 0, 1, 1), 2),
            bad(IndexError, "images from 0 to 1", MAPS, region(math.nan, 0, 0, 1, 1), 2),
        ],
        benchmarks={
            "2x256x50x50, 128 regions to 7": sample(
                Input((2, 256, 50, 50)),
                MANY,
                7,
                1.0,
                2,
            )
        },
    ),
    Case(
        "roi.roi_pool",
        ops.roi_pool,
        [sample(m, BOXES, *s) for m in (Input((2, 3, 7, 8), "distinct"), Input((2, 19, 7, 8), "distinct"))
         for s in ((1,), (3, 1.0), ((2, 3), 0.5), (4, 0.7))]
        + [sample(MAPS, Input((0, 5), grad=False), 2)],
        roi_pool,
        errors=[bad(ValueError, r"\[roi_pool\] expected regions of shape", MAPS, Input((3, 4)), 2)],
    ),
    Case("roi.box_iou", ops.box_iou, PAIRS, lambda a, b: overlaps(a, b)[0] / overlaps(a, b)[1],
         errors=[bad(ValueError, r"\[box_iou\] expected boxes of shape", Input((3, 5)), Input((3, 4)))]),
    Case("roi.generalized_box_iou", ops.generalized_box_iou, PAIRS, generalized),
    Case("roi.distance_box_iou", ops.distance_box_iou, PAIRS, distance),
    # Its gradient holds one factor constant, as the paper has it: no finite difference agrees.
    Case("roi.complete_box_iou", ops.complete_box_iou, PAIRS, complete, differentiable=False),
    Case(
        "roi.box_area",
        ops.box_area,
        [sample(corners(5, 3)), sample(Input((2, 3, 4)))],
        lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1]),
    ),
]  # fmt: skip
