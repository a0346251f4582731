"""Batch normalisation."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def statistics(channels):
    return Input((channels,), grad=False), Input((channels,), "positive", grad=False)


def affine(channels):
    return Input((channels,)), Input((channels,))


TRAINING = [
    sample(Input((8, 5)), None, None, *affine(5), True),
    sample(Input((4, 19, 7)), None, None, *affine(19), True),
    sample(Input((3, 21, 5, 6)), None, None, *affine(21), True),
    sample(Input((3, 2, 37, 5)), None, None, None, None, True, eps=1e-3),
    sample(Input((2, 3, 3, 2, 4)), None, None, Input((3,)), None, True),
    sample(Input((300, 17)), None, None, *affine(17), True),
]
EVALUATION = [
    sample(Input((8, 5)), *statistics(5), *affine(5), False),
    sample(Input((3, 21, 5, 6)), *statistics(21), *affine(21), False),
    sample(Input((3, 2, 5, 6)), *statistics(2), None, None, False),
    sample(Input((0, 3, 4, 4)), *statistics(3), *affine(3), False),
]


def batch_norm(x, mean, var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    others = tuple(d for d in range(x.ndim) if d != 1)
    columns = [-1 if d == 1 else 1 for d in range(x.ndim)]
    if training or mean is None:
        mean, var = x.mean(axis=others), x.var(axis=others)
    y = (x - mean.reshape(columns)) / np.sqrt(var.reshape(columns) + eps)
    if weight is not None:
        y = y * weight.reshape(columns)
    return y if bias is None else y + bias.reshape(columns)


def batch_norm_relu(*args, residual=None, **kwargs):
    y = batch_norm(*args, **kwargs)
    return np.maximum(y if residual is None else y + residual, 0)


def torch_batch_norm_relu(torch, *args, residual=None, **kwargs):
    y = torch.nn.functional.batch_norm(*args, **kwargs)
    return torch.relu(y if residual is None else y + residual)


def with_residual(s):
    return sample(*s.args, **s.kwargs, residual=Input(s.args[0].shape))


def big(n, c, size, **kwargs):
    return sample(Input((n, c, size, size)), None, None, *affine(c), True, **kwargs)


BIG = {
    "64@56 b8": (8, 64, 56),
    "64@32 b64": (64, 64, 32),
    "256@14 b32": (32, 256, 14),
    "2048@7 b8": (8, 2048, 7),
}


CASES = [
    Case(
        "batch_norm.training",
        F.batch_norm,
        TRAINING,
        batch_norm,
        "nn.functional.batch_norm",
        rtol=1e-4,
        atol=1e-5,
        benchmarks={name: big(*sizes) for name, sizes in BIG.items()},
        errors=[
            bad(
                ValueError,
                r"\[batch_norm\] expected more than 1 value",
                Input((1, 3)),
                None,
                None,
                training=True,
            ),
            bad(ValueError, r"\[batch_norm\] expected running_mean and", Input((2, 3)), None, None),
            bad(
                ValueError, r"\[batch_norm\] expected weight of shape", Input((2, 3)), None, None, Input((2,))
            ),
            bad(ValueError, r"\[batch_norm\] expected 2 to 5 dim", Input((2,)), None, None, training=True),
            bad(
                TypeError, r"\[batch_norm\] expected float32", Input((2, 3), "int"), None, None, training=True
            ),
        ],
    ),
    Case("batch_norm.evaluation", F.batch_norm, EVALUATION, batch_norm, "nn.functional.batch_norm"),
    Case(
        "batch_norm.relu",
        F.batch_norm_relu,
        [*TRAINING, *EVALUATION, *map(with_residual, TRAINING), *map(with_residual, EVALUATION)],
        batch_norm_relu,
        torch_batch_norm_relu,
        rtol=1e-4,
        atol=1e-5,
        benchmarks={
            **{name: big(*sizes) for name, sizes in BIG.items()},
            **{f"{name} + residual": with_residual(big(*sizes)) for name, sizes in BIG.items()},
        },
        errors=[
            bad(
                ValueError,
                r"\[batch_norm\] expected a residual of shape \(4, 3\)",
                *(Input((4, 3)), None, None),
                training=True,
                residual=Input((4, 1)),
            ),
        ],
    ),
]
