"""Losses of distances between vectors."""

from __future__ import annotations

from collections.abc import Callable

from lamina.autograd.cast_mode import casting
from lamina.dtypes import bool as bool_
from lamina.dtypes import uint8
from lamina.nn.functional.loss_reduction import reduce
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.ops.select import minimum, where
from lamina.tensor import Tensor

__all__ = ["cosine_embedding_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss"]

Distance = Callable[[Tensor, Tensor], Tensor]


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, reduction: str = "mean"
) -> Tensor:
    """``1 - cos(input1, input2)`` where the target is 1, ``max(0, cos(input1, input2) - margin)`` where it is -1.

    Args:
        input1: vectors (N, d) or (d,).
        input2: likewise.
        target: 1 or -1, (N,) or 0-d.
        margin: the cosine up to which unlike vectors cost nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> a, b = lamina.tensor([[1.0, 0.0]]), lamina.tensor([[0.0, 2.0]])
        >>> lamina.nn.functional.cosine_embedding_loss(a, b, lamina.tensor([1.0]))
        tensor(1.)
    """
    if not (isinstance(input1, Tensor) and isinstance(input2, Tensor) and isinstance(target, Tensor)):
        expect_tensors("cosine_embedding_loss", input1=input1, input2=input2, target=target)
    if casting.on:
        return in_autocast(cosine_embedding_loss, input1, input2, target, margin, reduction)
    if target.ndim not in (0, 1) or not input1.ndim == input2.ndim == target.ndim + 1:
        raise ValueError(
            f"[cosine_embedding_loss] expected vectors (N, d) and targets (N,), or (d,) and 0-d, got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    tiny = 1e-12  # keeps the cosine of a vector of zeros finite
    products = (input1 * input2).sum(-1)
    cosine = products / (((input1 * input1).sum(-1) + tiny) * ((input2 * input2).sum(-1) + tiny)).sqrt()
    losses = where(target == 1, 1 - cosine, 0.0)
    if target.dtype not in (uint8, bool_):  # these hold no -1
        losses = losses + where(target == -1, (cosine - margin).clamp(min=0), 0.0)
    return reduce(losses, reduction, "cosine_embedding_loss")


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, d(anchor, positive) - d(anchor, negative) + margin)``, d the p-norm of the difference plus eps.

    Balntas et al., BMVC 2016.

    Args:
        anchor: vectors (..., d).
        positive: what each must be near.
        negative: what each must be farther from.
        margin: by how much, above 0.
        p: the norm.
        eps: added to each difference, so that the norm has a gradient at equal vectors.
        swap: take the negative's distance from the positive where that is smaller.
        reduction: ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ValueError: if the shapes do not fit, or for a margin that is not above 0.

    Example:
        >>> a, p, n = lamina.zeros(1, 2), lamina.ones(1, 2), lamina.tensor([[3.0, 4.0]])
        >>> round(lamina.nn.functional.triplet_margin_loss(a, p, n, margin=5.0).item(), 4)  # sqrt 2
        1.4142
    """
    if not (isinstance(anchor, Tensor) and isinstance(positive, Tensor) and isinstance(negative, Tensor)):
        expect_tensors("triplet_margin_loss", anchor=anchor, positive=positive, negative=negative)
    if casting.on:
        return in_autocast(triplet_margin_loss, anchor, positive, negative, margin, p, eps, swap, reduction)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a - b + eps).norm(p, dim=-1)

    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Distance | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """:func:`triplet_margin_loss` with any distance of two tensors; by default that one's.

    Example:
        >>> a, p, n = lamina.zeros(1, 2), lamina.ones(1, 2), lamina.tensor([[3.0, 4.0]])
        >>> lamina.nn.functional.triplet_margin_with_distance_loss(
        ...     a, p, n, distance_function=lambda x, y: (x - y).abs().sum(-1), margin=6.0)
        tensor(1.)
    """

    if not (isinstance(anchor, Tensor) and isinstance(positive, Tensor) and isinstance(negative, Tensor)):
        expect_tensors(
            "triplet_margin_with_distance_loss", anchor=anchor, positive=positive, negative=negative
        )

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return (a - b + 1e-6).norm(2, dim=-1)

    op = "triplet_margin_with_distance_loss"
    return _triplet(op, anchor, positive, negative, distance_function or distance, margin, swap, reduction)


def _triplet(
    op: str,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Distance,
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    if not margin > 0:
        raise ValueError(f"[{op}] expected a margin above 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ValueError(
            f"[{op}] expected as many dimensions everywhere, got shapes {tuple(anchor.shape)}, "
            f"{tuple(positive.shape)} and {tuple(negative.shape)}"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduce((near - far + margin).clamp(min=0), reduction, op)
