"""Losses of numbers: squared, absolute and between, and likelihoods of counts and normal distributions."""

from __future__ import annotations

import math
import warnings

from lamina.autograd.cast_mode import casting
from lamina.nn.functional.loss_pointwise import (
    HUBER,
    L1,
    MSE,
    POISSON,
    POISSON_LOG,
    SMOOTH_L1,
    PointwiseLoss,
    pointwise,
)
from lamina.nn.functional.loss_reduction import reduce, reduction_code
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.tensor import Tensor

__all__ = ["gaussian_nll_loss", "huber_loss", "l1_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss"]


def _warn_about_broadcasting(input: Tensor, target: Tensor, op: str) -> None:
    if input.shape != target.shape:
        warnings.warn(
            f"[{op}] the target's shape {tuple(target.shape)} is broadcast with the input's, {tuple(input.shape)}; "
            "this is rarely what is meant",
            stacklevel=4,
        )


def _regression(
    loss: PointwiseLoss,
    op: str,
    input: Tensor,
    target: Tensor,
    reduction: str,
    weight: Tensor | None = None,
    p: float = 0.0,
    weighted_mean: bool = True,
) -> Tensor:
    _warn_about_broadcasting(input, target, op)
    code = reduction_code(reduction, op)
    if weight is None:
        return pointwise(loss, input, target, code, p=p)
    if weight.shape != input.shape:
        raise ValueError(
            f"[{op}] expected weights of the input's shape {tuple(input.shape)}, got {tuple(weight.shape)}"
        )
    if reduction == "mean" and weighted_mean:
        return pointwise(loss, input, target, reduction_code("sum", op), weight=weight, p=p) / weight.sum()
    return pointwise(loss, input, target, code, weight=weight, p=p)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Mean squared error: ``(input - target)^2``.

    Args:
        input: any shape.
        target: of a shape that broadcasts with it; other shapes than the input's are warned of.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        weight: in the shape of ``input``, a factor an element; the mean is then over the weights.

    Raises:
        ValueError: if the shapes do not fit, or for another reduction.
        TypeError: if ``input`` is not floating.

    Example:
        >>> lamina.nn.functional.mse_loss(lamina.ones(2), lamina.zeros(2))
        tensor(1.)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("mse_loss", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("mse_loss", weight=weight)
    if casting.on:
        return in_autocast(mse_loss, input, target, reduction, weight)
    return _regression(MSE, "mse_loss", input, target, reduction, weight)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """Mean absolute error: ``|input - target|``; arguments as :func:`mse_loss`.

    Example:
        >>> lamina.nn.functional.l1_loss(lamina.ones(2), lamina.tensor([0.0, 4.0]))
        tensor(2.)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("l1_loss", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("l1_loss", weight=weight)
    if casting.on:
        return in_autocast(l1_loss, input, target, reduction, weight)
    return _regression(L1, "l1_loss", input, target, reduction, weight)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """``(input - target)^2 / (2 beta)`` for differences below beta, ``|input - target| - beta / 2`` beyond.

    Girshick, Fast R-CNN, ICCV 2015.

    Args:
        input: any shape.
        target: as in :func:`mse_loss`.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.
        beta: where the parabola ends; 0 for :func:`l1_loss`.

    Raises:
        ValueError: for a beta below 0.

    Example:
        >>> lamina.nn.functional.smooth_l1_loss(lamina.tensor([0.5, 3.0]), lamina.zeros(2), reduction="none")
        tensor([0.1250, 2.5000])
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("smooth_l1_loss", input=input, target=target)
    if casting.on:
        return in_autocast(smooth_l1_loss, input, target, reduction, beta)
    if not beta >= 0:
        raise ValueError(f"[smooth_l1_loss] expected beta of at least 0, got {beta}")
    return _regression(SMOOTH_L1 if beta else L1, "smooth_l1_loss", input, target, reduction, p=beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``(input - target)^2 / 2`` for differences up to delta, ``delta (|input - target| - delta / 2)`` beyond.

    Huber, Ann. Math. Statist. 1964.

    Args:
        input: any shape.
        target: as in :func:`mse_loss`.
        reduction: ``"mean"`` (over the elements), ``"sum"`` or ``"none"``.
        delta: where the parabola ends.
        weight: in the shape of ``input``, a factor an element.

    Raises:
        ValueError: for a delta that is not above 0.

    Example:
        >>> lamina.nn.functional.huber_loss(lamina.tensor([1.0, 4.0]), lamina.zeros(2), delta=2.0, reduction="none")
        tensor([0.5000, 6.0000])
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("huber_loss", input=input, target=target)
    if weight is not None and not isinstance(weight, Tensor):
        expect_tensors("huber_loss", weight=weight)
    if casting.on:
        return in_autocast(huber_loss, input, target, reduction, delta, weight)
    if not delta > 0:
        raise ValueError(f"[huber_loss] expected delta above 0, got {delta}")
    return _regression(HUBER, "huber_loss", input, target, reduction, weight, delta, weighted_mean=False)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of counts: ``exp(input) - target input``, or ``input - target log(input + eps)``.

    Args:
        input: the logarithm of the rate, or the rate; any shape.
        target: counts, of a shape that broadcasts with it.
        log_input: whether ``input`` is a logarithm.
        full: add Stirling's approximation of ``log(target!)`` for targets above 1.
        eps: keeps the logarithm of a rate of 0 finite.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Example:
        >>> lamina.nn.functional.poisson_nll_loss(lamina.zeros(1), lamina.tensor([3.0]))
        tensor(1.)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("poisson_nll_loss", input=input, target=target)
    if casting.on:
        return in_autocast(poisson_nll_loss, input, target, log_input, full, eps, reduction)
    code = reduction_code(reduction, "poisson_nll_loss")
    return pointwise(POISSON_LOG if log_input else POISSON, input, target, code, p=float(full), q=eps)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of a normal distribution: ``(log(var) + (input - target)^2 / var) / 2``.

    Nix & Weigend, ICNN 1994.

    Args:
        input: means, any shape.
        target: of a shape that broadcasts with it.
        var: variances in the shape of ``input``, or with one size of 1, or without the last dimension; or one number.
        full: add ``log(2 pi) / 2``.
        eps: variances below it count as it (and still have a gradient).
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: for a variance below 0, or of another shape.

    Example:
        >>> lamina.nn.functional.gaussian_nll_loss(lamina.zeros(1), lamina.tensor([2.0]), lamina.ones(1))
        tensor(2.)
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        expect_tensors("gaussian_nll_loss", input=input, target=target)
    var = _variances(input, var)
    bounded = var + (var.detach().clamp(min=eps) - var.detach())
    losses = 0.5 * (bounded.log() + (input - target).square() / bounded)
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduce(losses, reduction, "gaussian_nll_loss")


def _variances(input: Tensor, var: Tensor | float) -> Tensor:
    if not isinstance(var, Tensor):
        var = input.detach().new_full(input.shape, var)
    if bool((var < 0).any()):
        raise ValueError("[gaussian_nll_loss] expected variances of at least 0")
    if var.shape == input.shape:
        return var
    if var.shape == input.shape[:-1]:
        return var.unsqueeze(-1)
    differing = [v for v, x in zip(var.shape, input.shape) if v != x]
    if var.ndim != input.ndim or differing != [1]:
        raise ValueError(
            f"[gaussian_nll_loss] expected variances of shape {tuple(input.shape)}, with one size of 1, or without "
            f"the last, got {tuple(var.shape)}"
        )
    return var
