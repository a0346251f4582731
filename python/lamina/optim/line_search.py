"""Line searches: how far to go along a direction."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lamina.tensor import Tensor


@dataclass(frozen=True)
class Point:
    """What is known a step ``t`` along the direction: the loss, its gradient, and its slope along the direction."""

    t: float
    loss: float
    grad: Tensor
    slope: float


Evaluate = Callable[[float], Point]


def strong_wolfe(
    evaluate: Evaluate,
    origin: Point,
    t: float,
    size: float,
    *,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_trials: int = 25,
) -> tuple[Point, int]:
    """A point with a loss below ``origin.loss + c1 t slope`` and a slope of at most ``c2`` times the origin's.

    Brackets such a point, then narrows the bracket by cubic interpolation (Nocedal & Wright, algorithms 3.5 and 3.6;
    the interpolation's safeguards are those of Schmidt's minFunc, as in torch).

    Args:
        evaluate: gives the point at a step.
        origin: the point at step 0, with a slope below 0.
        t: the step to try first.
        size: the largest element of the direction; a bracket of ``tolerance_change / size`` is narrow enough.
        c1: the share of the decrease promised by the slope that is asked for.
        c2: the share of the slope that may remain.
        tolerance_change: see ``size``.
        max_trials: the most points evaluated after the first.

    Returns:
        The point, and how many were evaluated.
    """
    previous, point, trials = origin, evaluate(t), 0
    bracket = [origin, point]
    while trials < max_trials:
        if point.loss > origin.loss + c1 * point.t * origin.slope or (
            trials > 1 and point.loss >= previous.loss
        ):
            bracket = [previous, point]
            break
        if abs(point.slope) <= -c2 * origin.slope:
            return point, trials + 1
        if point.slope >= 0:
            bracket = [previous, point]
            break
        t = _interpolate(previous, point, point.t + 0.01 * (point.t - previous.t), point.t * 10)
        previous, point = point, evaluate(t)
        trials += 1
        bracket = [origin, point]

    stuck = False  # whether the last trial point lay close to an end of the bracket
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    while trials < max_trials:
        left, right = sorted((bracket[0].t, bracket[1].t))
        if (right - left) * size < tolerance_change:
            break
        t = _interpolate(bracket[0], bracket[1], left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = evaluate(t)
        trials += 1
        if point.loss > origin.loss + c1 * t * origin.slope or point.loss >= bracket[low].loss:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        done = abs(point.slope) <= -c2 * origin.slope
        if not done and point.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = point
        if done:
            break
    return bracket[low], trials + 1


def _interpolate(a: Point, b: Point, lowest: float, highest: float) -> float:
    """Where the cubic through two losses and slopes has its minimum, between bounds; their middle if it has none."""
    if a.t > b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (lowest + highest) / 2
    d2 = math.sqrt(square)
    divisor = b.slope - a.slope + 2 * d2
    if divisor == 0:
        return (lowest + highest) / 2
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / divisor)
    return min(max(t, lowest), highest)


def backtrack(
    loss_at: Callable[[float], float],
    loss: float,
    slope: float,
    t: float,
    *,
    c1: float = 1e-4,
    shrink: float = 0.5,
    max_trials: int = 40,
) -> float:
    """The first of ``t, t shrink, t shrink^2, ...`` with a loss of at most ``loss + c1 t slope``; 0 if none has it.

    Armijo, Pacific J. Math. 1966.
    """
    for _ in range(max_trials):
        if loss_at(t) <= loss + c1 * t * slope:
            return t
        t *= shrink
    return 0.0
