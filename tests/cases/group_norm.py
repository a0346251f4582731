"""Group and instance normalisation."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def group_norm(x, groups, weight=None, bias=None, eps=1e-5):
    if x.size == 0:
        return x
    rows = x.reshape(x.shape[0], groups, -1 if x.size else 0)
    y = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + eps)
    y, columns = y.reshape(x.shape), [-1 if d == 1 else 1 for d in range(x.ndim)]
    y = y if weight is None else y * weight.reshape(columns)
    return y if bias is None else y + bias.reshape(columns)


def instance_norm(
    x, mean=None, var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    columns = [-1 if d == 1 else 1 for d in range(x.ndim)]
    if use_input_stats:
        return group_norm(x, x.shape[1], weight, bias, eps)
    y = (x - mean.reshape(columns)) / np.sqrt(var.reshape(columns) + eps)
    y = y if weight is None else y * weight.reshape(columns)
    return y if bias is None else y + bias.reshape(columns)


def affine(channels):
    return Input((channels,)), Input((channels,))


def image(n, channels, size, groups):
    return sample(Input((n, channels, size, size)), groups, *affine(channels))


CASES = [
    Case(
        "group_norm.group_norm",
        F.group_norm,
        [
            sample(Input((3, 6)), 2, *affine(6)),
            sample(Input((2, 6, 7)), 3, *affine(6)),
            sample(Input((3, 32, 5, 6)), 4, *affine(32)),
            sample(Input((2, 160, 3, 5)), 32, *affine(160)),  # several units of channels
            sample(Input((2, 96, 3, 3)), 1, Input((96,))),
            sample(Input((2, 4, 3, 2, 5)), 2, eps=0.1),
            sample(Input((2, 3, 40, 41)), 3, *affine(3)),
            sample(Input((0, 4, 3)), 2, *affine(4)),
        ],
        group_norm,
        "nn.functional.group_norm",
        rtol=2e-5,
        atol=2e-5,
        errors=[
            bad(
                ValueError, r"\[group_norm\] expected a number of channels that 2 groups", Input((2, 3, 4)), 2
            ),
            bad(ValueError, r"\[group_norm\] expected groups of at least 1", Input((2, 3, 4)), 0),
            bad(ValueError, r"\[group_norm\] expected at least 2 dim", Input((3,)), 1),
            bad(ValueError, r"\[group_norm\] expected more than 1 value per group", Input((1, 3)), 3),
            bad(
                ValueError,
                r"\[group_norm\] expected weight of shape \(4,\)",
                Input((2, 4, 3)),
                2,
                Input((2,)),
            ),
            bad(TypeError, r"\[group_norm\] expected float32", Input((2, 4), "int"), 2),
        ],
        benchmarks={
            "64@56 b8 g32": image(8, 64, 56, 32),
            "256@14 b32 g32": image(32, 256, 14, 32),
            "2048@7 b8 g32": image(8, 2048, 7, 32),
            "512@32 b1 g1": image(1, 512, 32, 1),
        },
    ),
    Case(
        "group_norm.instance_norm",
        F.instance_norm,
        [
            sample(Input((2, 3, 7)), None, None, *affine(3)),
            sample(Input((2, 33, 4, 5)), None, None, *affine(33)),
            sample(Input((2, 3, 2, 3, 4))),
            sample(
                Input((2, 3, 5)),
                Input((3,), grad=False),
                Input((3,), "positive", grad=False),
                *affine(3),
                False,
            ),
        ],
        instance_norm,
        "nn.functional.instance_norm",
        rtol=2e-5,
        atol=2e-5,
        errors=[
            bad(ValueError, r"\[instance_norm\] expected more than 1 spatial", Input((2, 3, 1, 1))),
            bad(ValueError, r"\[instance_norm\] expected at least 3", Input((2, 3))),
            bad(
                ValueError, r"expected running_mean and running_var", Input((2, 3, 4)), use_input_stats=False
            ),
            bad(ValueError, r"\[instance_norm\] expected weight", Input((2, 3, 4)), None, None, Input((2,))),
        ],
        benchmarks={"64@56 b8": sample(Input((8, 64, 56, 56)), None, None, *affine(64))},
    ),
]
