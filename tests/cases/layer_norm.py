"""Layer and RMS normalisation."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F


def layer_norm(x, shape, weight=None, bias=None, eps=1e-5):
    if x.size == 0:
        return x
    shape = (shape,) if isinstance(shape, int) else shape
    dims = tuple(range(-len(shape), 0))
    y = (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(x, shape, weight=None, eps=None):
    dims = tuple(range(-len(shape), 0))
    eps = np.finfo(x.dtype).eps if eps is None else eps
    y = x / np.sqrt((x * x).mean(dims, keepdims=True) + eps)
    return y if weight is None else y * weight


def affine(*shape):
    return Input(shape), Input(shape)


def rows(n, width):
    return sample(Input((n, width)), (width,), *affine(width))


def rms_rows(n, width):
    return sample(Input((n, width)), (width,), Input((width,)))


CASES = [
    Case(
        "layer_norm.layer_norm",
        F.layer_norm,
        [
            sample(Input((4, 16)), (16,), *affine(16)),
            sample(Input((9, 37)), (37,), *affine(37)),
            sample(Input((2, 3, 5)), (3, 5), *affine(3, 5)),
            sample(Input((3, 4, 130)), (130,), Input((130,))),
            sample(Input((5, 21)), (21,), eps=0.1),
            sample(Input((7,)), (7,), *affine(7)),
            sample(Input((6, 1)), (1,), *affine(1)),
            sample(Input((2, 9001)), (9001,), *affine(9001)),  # more than a block
            sample(Input((70, 300)), (300,), *affine(300)),  # more than a chunk of rows
            sample(Input((0, 5)), (5,), *affine(5)),
            sample(Input((2, 0)), (0,), *affine(0)),
        ],
        layer_norm,
        "nn.functional.layer_norm",
        rtol=2e-5,
        atol=2e-5,
        errors=[
            bad(ValueError, r"\[layer_norm\] expected an input whose last", Input((2, 3)), (4,)),
            bad(ValueError, r"\[layer_norm\] expected an input whose last", Input((3,)), (2, 3)),
            bad(ValueError, r"\[layer_norm\] expected an input whose last", Input((3,)), ()),
            bad(
                ValueError,
                r"\[layer_norm\] expected weight of shape \(3,\)",
                Input((2, 3)),
                (3,),
                Input((2,)),
            ),
            bad(ValueError, r"expected bias of shape \(3,\)", Input((2, 3)), (3,), None, Input((3, 1))),
            bad(TypeError, r"\[layer_norm\] expected float32 or float64", Input((2, 3), "int"), (3,)),
            bad(TypeError, r"\[layer_norm\] expected integers", Input((2, 3)), (3.5,)),
        ],
        benchmarks={
            "8192×768": rows(8192, 768),
            "512×768": rows(512, 768),
            "2048×4096": rows(2048, 4096),
            "32×200704": rows(32, 200704),
            "65536×96": rows(65536, 96),
        },
    ),
    Case(
        "layer_norm.rms_norm",
        F.rms_norm,
        [
            sample(Input((4, 16)), (16,), Input((16,))),
            sample(Input((9, 37)), (37,), Input((37,)), 1e-3),
            sample(Input((2, 3, 5)), (3, 5)),
            sample(Input((7,)), (7,), Input((7,))),
            sample(Input((70, 300)), (300,), Input((300,))),
            sample(Input((0, 5)), (5,), Input((5,))),
        ],
        rms_norm,
        "nn.functional.rms_norm",
        errors=[
            bad(ValueError, r"\[rms_norm\] expected an input whose last", Input((2, 3)), (4,)),
            bad(ValueError, r"\[rms_norm\] expected weight", Input((2, 3)), (3,), Input((2,))),
        ],
        benchmarks={"8192×768": rms_rows(8192, 768), "2048×4096": rms_rows(2048, 4096)},
    ),
]
