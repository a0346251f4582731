"""Normalisation of each image over groups of channels, down to single channels."""

from __future__ import annotations

from math import prod

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode, no_grad
from lamina.autograd.graph import Node, record, tracks
from lamina.nn.functional._rederive import rederive
from lamina.nn.functional.batch_norm import batch_norm
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["group_norm", "instance_norm"]


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over groups of channels (Wu and He, arXiv:1803.08494).

    Args:
        input: (N, C) or (N, C, spatial...), float32 or float64; statistics are those of one n, the C / num_groups
            channels of a group and all positions.
        num_groups: how many groups the channels fall into.
        weight: (C,) or None for ones.
        bias: (C,) or None for zeros.
        eps: added to the (biased) variance.

    Raises:
        ValueError: if the groups don't divide the channels, a parameter has another shape, or a group has one value.
        TypeError: for other dtypes.

    Example:
        >>> F.group_norm(lamina.tensor([[1.0, 3.0, 0.0, 8.0]]), 2, eps=0.0)
        tensor([[-1.,  1., -1.,  1.]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("group_norm", input=input)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("group_norm", weight=weight)
    if bias is not None and not isinstance(bias, Tensor):
        expect_tensors("group_norm", bias=bias)
    if casting.on:
        return in_autocast(group_norm, input, num_groups, weight, bias, eps)
    # As torch, which counts the images in: a batch of several with one value a group gives zeros.
    if input.numel() == num_groups and tuple(input.shape[:2]) == (1, num_groups):
        raise ValueError(f"[group_norm] expected more than 1 value per group, got shape {tuple(input.shape)}")
    w, b = (None if t is None else t._array for t in (weight, bias))
    y, mean, inv_std = _C.group_norm(input._array, num_groups, w, b, float(eps))
    return _recorded(y, mean, inv_std, input, num_groups, weight, bias, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` for a channel of an image (Ulyanov et al., arXiv:1607.08022).

    Args:
        input: (N, C, spatial...), float32 or float64.
        running_mean: (C,) or None; takes in the mean of the images' means.
        running_var: (C,) likewise, from unbiased variances.
        weight: (C,) or None for ones.
        bias: (C,) or None for zeros.
        use_input_stats: normalise by each image's statistics; else by the running ones.
        momentum: the share of the images in the update.
        eps: added to the variance.

    Raises:
        ValueError: if a shape does not fit, if a channel has one value, or if running statistics are missing where
            those of the input are not used.
        TypeError: for other dtypes.

    Example:
        >>> F.instance_norm(lamina.tensor([[[1.0, 3.0], [0.0, 8.0]]]), eps=0.0)
        tensor([[[-1.,  1.],
                 [-1.,  1.]]])
    """
    if not isinstance(input, Tensor):
        expect_tensors("instance_norm", input=input)
    if running_mean is not None and not isinstance(running_mean, Tensor):
        expect_tensors("instance_norm", running_mean=running_mean)
    if running_var is not None and not isinstance(running_var, Tensor):
        expect_tensors("instance_norm", running_var=running_var)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("instance_norm", weight=weight)
    if bias is not None and not isinstance(bias, Tensor):
        expect_tensors("instance_norm", bias=bias)
    if casting.on:
        return in_autocast(
            instance_norm, input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
        )
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ValueError(
                "[instance_norm] expected running_mean and running_var where use_input_stats is False"
            )
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if input.ndim < 3:
        raise ValueError(
            f"[instance_norm] expected at least 3 dimensions (N, C, spatial...), got shape {tuple(input.shape)}"
        )
    channels = input.shape[1]
    count = input.numel() // max(1, input.shape[0] * channels)
    if count == 1:
        raise ValueError(
            f"[instance_norm] expected more than 1 spatial element, got shape {tuple(input.shape)}"
        )
    if (running_mean is None) != (running_var is None):
        raise ValueError("[instance_norm] expected both of running_mean and running_var, or none")
    w, b = (None if t is None else t._array for t in (weight, bias))
    y, mean, inv_std, var = _C.instance_norm(input._array, w, b, float(eps), running_mean is not None)
    if running_mean is not None and running_var is not None and var is not None and input.numel():
        with no_grad():
            unbiased = Tensor(var).mean(0) * (count / (count - 1))
            running_mean.mul_(1 - momentum).add_(Tensor(mean).mean(0), alpha=momentum)
            running_var.mul_(1 - momentum).add_(unbiased, alpha=momentum)
    return _recorded(y, mean, inv_std, input, max(1, channels), weight, bias, eps)


def _recorded(
    y: _C.Array,
    mean: _C.Array,
    inv_std: _C.Array,
    input: Tensor,
    groups: int,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> Tensor:
    result = Tensor(y)
    if tracks(input, weight, bias):
        saved = (input, weight, bias, mean, inv_std, groups, float(eps))
        record(result, _group_norm_backward, (input, weight, bias), saved)
    return result


def _composite(x: Tensor, weight: Tensor | None, bias: Tensor | None, groups: int, eps: float) -> Tensor:
    """The same from differentiable ops."""
    each = x.shape[1] // groups * prod(x.shape[2:])  # channels of a group and positions
    grouped = x.reshape((x.shape[0], groups, each))
    centred = grouped - grouped.mean(-1, keepdim=True)
    y = centred * ((centred * centred).mean(-1, keepdim=True) + eps).rsqrt()
    y = y.reshape(tuple(x.shape))
    columns = [-1 if d == 1 else 1 for d in range(x.ndim)]
    y = y if weight is None else y * weight.reshape(columns)
    return y if bias is None else y + bias.reshape(columns)


def _group_norm_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, weight, bias, mean, inv_std, groups, eps = node.saved
    if mode.enabled:
        return rederive(node, lambda x, w, b: _composite(x, w, b, groups, eps), (x, weight, bias), grad)
    w = None if weight is None else weight._array
    parameters = node.needs(1) or node.needs(2)
    found = _C.group_norm_backward(x._array, grad._array, groups, w, mean, inv_std, node.needs(0), parameters)
    return tuple(None if array is None else Tensor(array) for array in found)
