"""Medians, quantiles, covariances; differences and integrals of samples."""

from __future__ import annotations

from typing import Any

from lamina.autograd.graph import Node, record, tracks
from lamina.ops.compare import isnan
from lamina.ops.elementwise import div, expect_tensors
from lamina.ops.extrema import argmax, cumsum
from lamina.ops.join import cat
from lamina.ops.matmul import matmul
from lamina.ops.select import where
from lamina.ops.shape import dim_of
from lamina.ops.sort import Ordered, chosen, kthvalue, sort
from lamina.ops.strided import diagonal, narrow
from lamina.ops.unary import sqrt
from lamina.tensor import Tensor, method

__all__ = [
    "corrcoef", "cov", "cumulative_trapezoid", "diff", "median", "nanmedian", "quantile", "trapezoid", "trapz",
]  # fmt: skip


@method()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, of an even number the lower one; NaN where there is one.

    Args:
        input: any tensor.
        dim: the dimension; default: all elements.
        keepdim: keep the dimension, with size 1.

    Returns:
        A tensor; with ``dim`` the named tuple ``(values, indices)``.

    Raises:
        IndexError: if there are no elements along ``dim``.

    Example:
        >>> lamina.median(lamina.tensor([4.0, 1.0, 3.0, 2.0]))
        tensor(2.)
    """
    return _median("median", input, dim, keepdim, skips_nan=False)


@method()
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """As :func:`lamina.median`, of the elements that are not NaN.

    Example:
        >>> lamina.nanmedian(lamina.tensor([4.0, float("nan"), 3.0]))
        tensor(3.)
    """
    return _median("nanmedian", input, dim, keepdim, skips_nan=True)


def _median(op: str, input: Tensor, dim: int | None, keepdim: bool, skips_nan: bool) -> Any:
    expect_tensors(op, input=input)
    if input.dtype.name == "bool":
        raise TypeError(f"[{op}] expected numbers, got bool")
    if dim is None:
        flat = input.reshape(-1)
        if not flat.numel():
            if not input.dtype.is_floating_point:
                raise IndexError(f"[{op}] expected at least one element, got none")
            return input.new_full((), float("nan"))
        y = _middle(flat.detach(), 0, False, skips_nan).values
        if tracks(input):
            record(y, _median_backward, (input,), (input, y))
        return y
    if input.ndim and not input.shape[dim_of(dim, input.ndim, op)]:
        raise IndexError(f"[{op}] expected elements along dimension {dim}, got shape {tuple(input.shape)}")
    return _middle(input, dim, keepdim, skips_nan)


def _middle(x: Tensor, dim: int, keepdim: bool, skips_nan: bool) -> Ordered:
    """NaN comes last in order, so that the rest has its median in front."""
    n = x.shape[dim] if x.ndim else 1
    if not x.dtype.is_floating_point or not x.ndim:
        return kthvalue(x, (n + 1) // 2, dim, keepdim)
    absent = isnan(x)
    order = sort(x.detach(), dim, stable=True).indices
    if skips_nan:
        present = (~absent).sum(dim, keepdim=True)
        places = ((present + 1) // 2 - 1).clamp(min=0)
        return chosen(x, dim, order.gather(dim, places), keepdim)
    middle = narrow(order, dim, (n + 1) // 2 - 1, 1)
    first_nan = argmax(absent.to(x.dtype), dim, keepdim=True)
    return chosen(x, dim, where(absent.any(dim, keepdim=True), first_nan, middle), keepdim)


def _median_backward(node: Node, grad: Tensor) -> Tensor:
    x, y = node.saved
    same = ((x == y) | (isnan(x) & isnan(y))).detach()
    return where(same, div(grad, same.sum()), 0.0)


_STEPS = {"linear": None, "lower": "floor", "higher": "ceil", "nearest": "round", "midpoint": None}


@method()
def quantile(
    input: Tensor,
    q: float | Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The values below which shares ``q`` of the elements lie; NaN where there is one.

    Args:
        input: a float32 or float64 tensor.
        q: a share from 0 to 1, or a vector of them, whose results come first.
        dim: the dimension; default: all elements.
        keepdim: keep the dimension, with size 1.
        interpolation: between two elements: ``"linear"``, ``"lower"``, ``"higher"``, ``"nearest"`` or ``"midpoint"``.

    Raises:
        ValueError: for a share beyond 0 to 1, no elements, or another interpolation.
        TypeError: for other dtypes, or shares of another than the input's.

    Example:
        >>> lamina.quantile(lamina.tensor([0.0, 1.0, 2.0, 3.0]), lamina.tensor([0.5, 1.0]))
        tensor([1.5000, 3.0000])
    """
    expect_tensors("quantile", input=input)
    if input.dtype.name not in ("float32", "float64"):
        raise TypeError(f"[quantile] expected float32 or float64, got {input.dtype}")
    if interpolation not in _STEPS:
        raise ValueError(f"[quantile] expected interpolation in {tuple(_STEPS)}, got {interpolation!r}")
    shares = q if isinstance(q, Tensor) else input.new_full((), float(q))
    if shares.dtype != input.dtype or shares.device != input.device:
        raise TypeError(f"[quantile] expected q of {input.dtype} on {input.device}, got {shares.dtype}")
    if shares.ndim > 1:
        raise ValueError(f"[quantile] expected q of at most 1 dimension, got shape {tuple(shares.shape)}")
    inside = (
        bool(((shares.detach() >= 0) & (shares.detach() <= 1)).all().item()) if q is shares else 0 <= q <= 1
    )
    if not inside:
        raise ValueError(f"[quantile] expected q from 0 to 1, got {q}")
    x = input.reshape(-1) if dim is None else input
    d = 0 if dim is None else dim_of(dim, input.ndim, "quantile")
    x = x if x.ndim else x.reshape(1)
    if not x.shape[d]:
        raise ValueError(f"[quantile] expected elements, got shape {tuple(input.shape)}")
    y = _between(sort(x.movedim(d, -1), -1).values, shares.reshape(-1), interpolation)  # [..., shares]
    if keepdim:
        y = y.reshape(*([1] * input.ndim), -1) if dim is None else y.unsqueeze(d)
    y = y.movedim(-1, 0)
    y = y.reshape(-1) if not input.ndim else y  # keepdim has no dimension to keep
    return y if shares.ndim else y.squeeze(0)


def _between(ordered: Tensor, shares: Tensor, interpolation: str) -> Tensor:
    """Of rows in order, the values at shares of their length."""
    n = ordered.shape[-1]
    places = shares * (n - 1)
    absent = isnan(ordered.detach()).any(-1, keepdim=True)
    places = where(absent, float(n - 1), places.expand(*ordered.shape[:-1], -1))  # NaN is last in order
    step = _STEPS[interpolation]
    if step is not None:
        return ordered.gather(-1, getattr(places.detach(), step)().long())
    low = places.detach().floor()
    weight = places - low if interpolation == "linear" else (places.detach() > low).to(places.dtype) * 0.5
    a = ordered.gather(-1, low.long())
    return a.lerp(ordered.gather(-1, places.detach().ceil().long()), weight)


@method()
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of variables: rows of a matrix whose columns are observations.

    Args:
        input: [variables, observations], or one variable's observations.
        correction: what is taken off the number of observations.
        fweights: how often each observation counts, integers.
        aweights: how much each observation counts.

    Raises:
        ValueError: for more than two dimensions, weights of another shape, or weights below 0.
        TypeError: for bools, or weights of the wrong kind.

    Example:
        >>> lamina.cov(lamina.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    expect_tensors("cov", input=input)
    if input.ndim > 2:
        raise ValueError(f"[cov] expected at most 2 dimensions, got shape {tuple(input.shape)}")
    if input.dtype.name == "bool":
        raise TypeError("[cov] expected numbers, got bool")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    weights = _weights(x, fweights, aweights)
    if weights is None:
        total: Any = x.shape[1]
        mean, norm = x.sum(1, keepdim=True) / total if total else x.sum(1, keepdim=True), total - correction
    else:
        total = weights.sum()
        mean = (x * weights).sum(1, keepdim=True) / total
        of = total if aweights is None or not correction else (weights * aweights).sum() / total
        norm = total - correction * (of if aweights is not None and correction else 1)
    centred = x - mean
    scaled = centred if weights is None else centred * weights
    products = matmul(centred, scaled.t())
    norm = norm.clamp(min=0) if isinstance(norm, Tensor) else max(norm, 0)
    return div(products, norm).squeeze()


def _weights(x: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    for name, w, floating in (("fweights", fweights, False), ("aweights", aweights, True)):
        if w is None:
            continue
        expect_tensors("cov", **{name: w})
        if w.dtype.is_floating_point != floating or w.dtype.name == "bool":
            raise TypeError(f"[cov] expected {'floating' if floating else 'integer'} {name}, got {w.dtype}")
        if tuple(w.shape) != (x.shape[1],):
            raise ValueError(f"[cov] expected {x.shape[1]} {name}, got shape {tuple(w.shape)}")
        if bool((w < 0).any().item()):
            raise ValueError(f"[cov] expected {name} of at least 0")
    if fweights is not None and aweights is not None:
        return fweights * aweights
    return fweights if aweights is None else aweights


@method()
def corrcoef(input: Tensor) -> Tensor:
    """The correlations of variables, rows of a matrix whose columns are observations, from -1 to 1.

    Example:
        >>> lamina.corrcoef(lamina.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    c = cov(input)
    if not c.ndim:
        return div(c, c)
    deviations = sqrt(diagonal(c))
    return div(div(c, deviations.unsqueeze(1)), deviations.unsqueeze(0)).clamp(-1, 1)


@method()
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The differences of neighbours along a dimension, ``n`` times over; of bools, whether they differ.

    Args:
        input: a tensor of at least one dimension.
        n: how many times, at least 0.
        dim: the dimension.
        prepend: what is put in front first.
        append: what is put behind first.

    Raises:
        ValueError: for a negative ``n``, or no dimensions.

    Example:
        >>> lamina.diff(lamina.tensor([1, 4, 9]))
        tensor([3, 5])
    """
    expect_tensors("diff", input=input)
    if n < 0 or not input.ndim:
        raise ValueError(
            f"[diff] expected n >= 0 and at least 1 dimension, got {n} and shape {tuple(input.shape)}"
        )
    d = dim_of(dim, input.ndim, "diff")
    if n == 0:
        return input.clone()
    x = cat([t for t in (prepend, input, append) if t is not None], d)
    for _ in range(min(n, x.shape[d])):
        rest = x.shape[d] - 1
        later, earlier = narrow(x, d, 1, rest), narrow(x, d, 0, rest)
        x = later ^ earlier if x.dtype.name == "bool" else later - earlier
    return x


@method()
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The integral of samples along a dimension by the trapezoidal rule.

    Args:
        y: the samples.
        x: where they were taken, in ``y``'s shape or one dimension; default: ``dx`` apart.
        dx: the distance of samples, 1 by default.
        dim: the dimension.

    Raises:
        ValueError: if both ``x`` and ``dx`` are given.

    Example:
        >>> lamina.trapezoid(lamina.tensor([1.0, 2.0, 3.0]))
        tensor(4.)
    """
    return _areas("trapezoid", y, x, dx, dim).sum(dim)


@method()
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1
) -> Tensor:
    """The running integrals of samples; arguments as :func:`lamina.trapezoid`'s.

    Example:
        >>> lamina.cumulative_trapezoid(lamina.tensor([1.0, 2.0, 3.0]))
        tensor([1.5000, 4.0000])
    """
    return cumsum(_areas("cumulative_trapezoid", y, x, dx, dim), dim)


def _areas(op: str, y: Tensor, x: Tensor | None, dx: float | None, dim: int) -> Tensor:
    """Of each pair of neighbours, their mean times their distance."""
    expect_tensors(op, y=y)
    if x is not None and dx is not None:
        raise ValueError(f"[{op}] expected x or dx, got both")
    d = dim_of(dim, y.ndim, op)
    n = y.shape[d]
    pairs = narrow(y, d, min(1, n), max(n - 1, 0)) + narrow(y, d, 0, max(n - 1, 0))
    if x is None:
        return pairs * ((1 if dx is None else dx) / 2)
    expect_tensors(op, x=x)
    steps = diff(x, dim=-1 if x.ndim == 1 else d)
    if x.ndim == 1:
        steps = steps.reshape(-1, *[1] * (y.ndim - 1 - d))
    return pairs * steps / 2


trapz = trapezoid
