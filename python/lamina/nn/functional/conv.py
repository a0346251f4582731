"""Convolution.  All ranks share everything: sizes become tuples here, kernels see three dimensions."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.graph import Node, record, tracks
from lamina.autograd.watch import now
from lamina.ops.cast_policy import in_autocast
from lamina.tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv3d", "conv_algorithm"]

# In the order of kernels::ConvAlgorithm.
ALGORITHMS = ("automatic", "reference", "implicit", "depthwise", "winograd", "fft", "phases", "small")

# (stride, padding before, padding after, dilation, groups, algorithm), as the bindings take it
Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], int, int]


class _Choice(threading.local):
    algorithm = 0
    moments: taking_moments | None = None


_choice = _Choice()


class conv_algorithm:  # noqa: N801 (a context manager, used like a function)
    """Within the block this thread's convolutions, and their gradients, run by one algorithm.

    Args:
        name: ``"automatic"`` (by shape: the default), ``"implicit"`` (implicit matrix multiply),
            ``"depthwise"`` (groups of no more channels, in and out, than a vector holds: several share one),
            ``"winograd"`` (3x3, 4x4 and 5x5 kernels with stride 1 in float32: 2 to 2.5 times as fast, rounding errors
            four times as large; kernels of 3, 5 or 7 taps along one dimension: 1.5 to 2 times as fast, rounding errors
            of at most 5e-6), ``"fft"`` (kernels of any size up to 160 with unit stride and dilation; errors are
            relative to the largest values of a tile, so that zeros may come out as 1e-7 of them), ``"phases"`` (4x4
            kernels with stride 2 in float32, by their four 2x2 phases), ``"small"`` (few channels), or ``"reference"``
            (plain loops, slow). Where a result of winograd, fft or phases is NaN or infinite the pass is done again
            directly.

    Raises:
        ValueError: if there is no such algorithm; the convolution raises where it can't do the shape.

    Example:
        >>> with F.conv_algorithm("reference"):
        ...     y = F.conv2d(lamina.ones(1, 1, 3, 3), lamina.ones(1, 1, 3, 3))
        >>> y.item()
        9.0
    """

    def __init__(self, name: str) -> None:
        if name not in ALGORITHMS:
            raise ValueError(f"[conv_algorithm] expected one of {', '.join(ALGORITHMS)}, got {name!r}")
        self._code = ALGORITHMS.index(name)

    def __enter__(self) -> None:
        self._previous, _choice.algorithm = _choice.algorithm, self._code

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        _choice.algorithm = self._previous


class taking_moments:  # noqa: N801 (a context manager, used like a function)
    """Within the block this thread's convolutions also find their channels' statistics, where their kernels can.

    A batch normalisation of what the last one gave then reads its input once less: see :meth:`of`.
    """

    _found: tuple[_C.Array, int, _C.Moments] | None = None

    def __enter__(self) -> taking_moments:
        self._previous, _choice.moments = _choice.moments, self
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        _choice.moments = self._previous

    def put(self, array: _C.Array, moments: _C.Moments | None) -> None:
        """Keeps what a convolution found of its result; a recorded call writes it again whenever it is repeated."""
        if now.watch is not None and moments is not None:
            now.watch.kept.append(moments)
        self._found = None if moments is None or not moments.found else (array, array.version, moments)

    def of(self, y: Tensor) -> _C.Moments | None:
        """The statistics of ``y``, if it is what the last convolution gave and nothing has been written to it since."""
        if self._found is None:
            return None
        array, version, moments = self._found
        return moments if y._array is array and array.version == version else None


def chosen_algorithm() -> int:
    """The number of this thread's algorithm, as the bindings take it."""
    return _choice.algorithm


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Slides kernels along sequences; see :func:`conv2d`, whose arguments these are with one dimension less.

    Args:
        input: (N, C, L) or (C, L).
        weight: (K, C / groups, kernel).

    Example:
        >>> F.conv1d(lamina.tensor([[1.0, 2.0, 4.0]]), lamina.tensor([[[-1.0, 1.0]]]))
        tensor([[1., 2.]])
    """
    if casting.on:
        return in_autocast(conv1d, input, weight, bias, stride, padding, dilation, groups)
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Slides kernels over images.

    ``y[n, k, o] = bias[k] + sum over c, t of x[n, c, o * stride + t * dilation - padding] * w[k, c, t]``,
    with o and t running over rows and columns, and x zero outside its borders.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        weight: (K, C / groups, kernel height, kernel width).
        bias: (K,), or None.
        stride: pixels from one position of the kernel to the next; one number, or one for each dimension.
        padding: zeros on each side of the input; ``"valid"`` for none, ``"same"`` for as many as keep the
            size, of which the side behind takes the odd one.
        dilation: pixels from one tap of the kernel to the next.
        groups: how many groups the channels fall into; an output sees the inputs of its own group only.

    Returns:
        (N, K, (H + 2 * padding - dilation * (kernel height - 1) - 1) // stride + 1, likewise for W).

    Raises:
        ValueError: where shapes don't fit together, naming what was expected.
        TypeError: for other dtypes, or operands of different ones.

    Example:
        >>> F.conv2d(lamina.ones(1, 1, 4, 4), lamina.ones(1, 1, 3, 3), padding="same")[0, 0, 0]
        tensor([4., 6., 6., 4.])
    """
    if casting.on:
        return in_autocast(conv2d, input, weight, bias, stride, padding, dilation, groups)
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Slides kernels through volumes; see :func:`conv2d`, whose arguments these are with one dimension more.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W).
        weight: (K, C / groups, kernel depth, kernel height, kernel width).

    Example:
        >>> F.conv3d(lamina.ones(1, 2, 4, 4, 4), lamina.ones(3, 2, 3, 3, 3), padding=1).max()
        tensor(54.)
    """
    if casting.on:
        return in_autocast(conv3d, input, weight, bias, stride, padding, dilation, groups)
    return _conv("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    op: str,
    rank: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
) -> Tensor:
    check_operands(op, input, weight, bias, groups)
    geometry = geometry_of(op, rank, weight, stride, padding, dilation, groups)
    if input.ndim == rank + 1:
        y = fprop(input.reshape((1, *input.shape)), weight, bias, geometry)
        return y.reshape(y.shape[1:])
    return fprop(input, weight, bias, geometry)


def conv_fused(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...] | str,
    dilation: tuple[int, ...],
    groups: int,
    residual: Tensor | None,
    bounds: tuple[float, float],
    kept: _C.Kept | None = None,
) -> Tensor:
    """``conv(input) + residual`` held between bounds, in one pass, for inference: nothing is recorded.

    The input has a batch; infinite bounds are none.  ``kept`` belongs to the weight, as long as that stays the same."""
    rank = len(stride)
    before, after = split_padding("conv", padding, weight.shape[2:], stride, dilation, rank)
    geometry = (stride, before, after, dilation, groups, _choice.algorithm)
    low, high = bounds
    b, r = (None if t is None else t._array for t in (bias, residual))
    return Tensor(_C.conv_fused(input._array, weight._array, b, r, low, high, kept, *geometry))


def geometry_of(
    op: str,
    rank: int,
    weight: Tensor,
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
) -> Geometry:
    """The arguments as the bindings take them."""
    stride = sizes(op, "stride", stride, rank)
    dilation = sizes(op, "dilation", dilation, rank)
    before, after = split_padding(op, padding, weight.shape[2:], stride, dilation, rank)
    return stride, before, after, dilation, groups, chosen_algorithm()


def check_operands(op: str, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> None:
    """Raises TypeError for what the bindings could not name."""
    for name, value in (("input", input), ("weight", weight), ("bias", bias)):
        if not isinstance(value, Tensor) and not (name == "bias" and value is None):
            raise TypeError(f"[{op}] expected a tensor as {name}, got {type(value).__name__}")
    if isinstance(groups, bool) or not isinstance(groups, int):
        raise TypeError(f"[{op}] expected an integer as groups, got {groups!r}")


def sizes(op: str, name: str, value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """``value`` as one integer for each of ``rank`` dimensions."""
    if type(value) is int:
        return (value,) * rank
    try:
        values = tuple(v.__index__() for v in value)  # type: ignore[union-attr]
    except (TypeError, AttributeError):
        index = getattr(value, "__index__", None)
        if index is None or isinstance(value, bool):
            raise TypeError(f"[{op}] expected an integer or {rank} as {name}, got {value!r}") from None
        return (index(),) * rank
    if len(values) == 1:
        return values * rank
    if len(values) != rank:
        raise ValueError(f"[{op}] expected an integer or {rank} as {name}, got {value!r}")
    return values


def split_padding(
    op: str,
    padding: int | Sequence[int] | str,
    kernel: Sequence[int],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    rank: int,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros before and after the input."""
    if not isinstance(padding, str):
        both = sizes(op, "padding", padding, rank)
        return both, both
    if padding == "valid":
        return (0,) * rank, (0,) * rank
    if padding != "same":
        raise ValueError(f"[{op}] expected padding to be 'same', 'valid' or integers, got {padding!r}")
    if stride != (1,) * rank:
        raise ValueError(f"[{op}] expected stride 1 with padding='same', got {stride}")
    total = [dilation[d] * (kernel[d] - 1) for d in range(min(rank, len(kernel)))]
    return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)


# The three passes.  Each is linear in both arguments and has the other two as derivatives: any order works.


def fprop(x: Tensor, w: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The convolution of (N, C, spatial...) with (K, C / groups, kernel...)."""
    b = None if bias is None else bias._array
    if _choice.moments is None:
        y = Tensor(_C.conv(x._array, w._array, b, *geometry))
    else:
        array, moments = _C.conv_moments(x._array, w._array, b, *geometry)
        _choice.moments.put(array, moments)
        y = Tensor(array)
    if tracks(x, w, bias):
        saved = (x if tracks(w) else None, w if tracks(x) else None, x.shape, w.shape, geometry)
        record(y, _conv_backward, (x, w, bias), saved)
    return y


def _conv_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, w, x_shape, w_shape, geometry = node.saved
    return (
        dgrad(grad, w, x_shape, geometry) if node.needs(0) else None,
        wgrad(x, grad, w_shape, geometry) if node.needs(1) else None,
        bias_grad(grad) if node.needs(2) else None,
    )


def dgrad(dy: Tensor, w: Tensor, x_shape: Sequence[int], geometry: Geometry) -> Tensor:
    """The gradient of the input: (N, K, out...) transposed-convolved with (K, C / groups, kernel...)."""
    dx = Tensor(_C.conv_dgrad(dy._array, w._array, tuple(x_shape), *geometry))
    if tracks(dy, w):
        saved = (dy if tracks(w) else None, w if tracks(dy) else None, w.shape, geometry)
        record(dx, _conv_dgrad_backward, (dy, w), saved)
    return dx


def _conv_dgrad_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    dy, w, w_shape, geometry = node.saved
    return (
        fprop(grad, w, None, geometry) if node.needs(0) else None,
        wgrad(grad, dy, w_shape, geometry) if node.needs(1) else None,
    )


def wgrad(x: Tensor, dy: Tensor, w_shape: Sequence[int], geometry: Geometry) -> Tensor:
    """The gradient of the weight, (K, C / groups, kernel...)."""
    dw = Tensor(_C.conv_wgrad(x._array, dy._array, tuple(w_shape), *geometry))
    if tracks(x, dy):
        saved = (x if tracks(dy) else None, dy if tracks(x) else None, x.shape, geometry)
        record(dw, _conv_wgrad_backward, (x, dy), saved)
    return dw


def _conv_wgrad_backward(node: Node, grad: Tensor) -> tuple[Tensor | None, ...]:
    x, dy, x_shape, geometry = node.saved
    return (
        dgrad(dy, grad, x_shape, geometry) if node.needs(0) else None,
        fprop(x, grad, None, geometry) if node.needs(1) else None,
    )


def bias_grad(dy: Tensor) -> Tensor:
    """The gradient of the bias: the sum of (N, K, out...) over everything but K."""
    db = Tensor(_C.conv_bias_grad(dy._array))
    if tracks(dy):
        record(db, _conv_bias_backward, (dy,), (dy.shape,))
    return db


def _conv_bias_backward(node: Node, grad: Tensor) -> Tensor:
    (shape,) = node.saved
    return grad.reshape((1, -1) + (1,) * (len(shape) - 2)).expand(tuple(shape))
