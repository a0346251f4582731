"""Invertible maps of numbers, with the logarithm of their slope: what new densities are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.distributions import constraints
from lamina.distributions.constraints import Constraint
from lamina.nn.functional import logsigmoid, softplus
from lamina.ops import where
from lamina.tensor import Tensor

__all__ = [
    "AffineTransform", "ComposeTransform", "ExpTransform", "PowerTransform", "SigmoidTransform", "SoftplusTransform",
    "TanhTransform", "Transform",
]  # fmt: skip


class Transform:
    """An invertible map of each element, ``transform(x)``; ``transform.inv`` goes back.

    A kind sets ``domain`` and ``codomain`` and writes ``_call``, ``_inverse`` and ``log_abs_det_jacobian``.

    Attributes:
        sign: 1 for a rising map, -1 for a falling one.
    """

    domain: Constraint = constraints.real
    codomain: Constraint = constraints.real
    sign: int | Tensor = 1

    def __call__(self, x: Tensor) -> Tensor:
        return self._call(x)

    @property
    def inv(self) -> Transform:
        """The inverse map."""
        return _Inverse(self)

    def _call(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"[{type(self).__name__}] has no forward map")

    def _inverse(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"[{type(self).__name__}] has no inverse")

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """``log |dy/dx|`` at ``x``, where the map gives ``y``."""
        raise NotImplementedError(f"[{type(self).__name__}.log_abs_det_jacobian] is not known")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Inverse(Transform):
    """A transform backwards."""

    def __init__(self, forward: Transform) -> None:
        self._forward, self.domain, self.codomain = forward, forward.codomain, forward.domain
        self.sign = forward.sign

    @property
    def inv(self) -> Transform:
        return self._forward

    def _call(self, x: Tensor) -> Tensor:
        return self._forward._inverse(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self._forward._call(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self._forward.log_abs_det_jacobian(y, x)


class AffineTransform(Transform):
    """``loc + scale * x``.

    Example:
        >>> lamina.distributions.AffineTransform(1.0, 2.0)(lamina.tensor([0.0, 1.0]))
        tensor([1., 3.])
    """

    def __init__(self, loc: Tensor | float, scale: Tensor | float) -> None:
        self.loc, self.scale = loc, scale

    @property
    def sign(self) -> int | Tensor:  # type: ignore[override]
        if isinstance(self.scale, Tensor):
            return self.scale.sign()
        return (self.scale > 0) - (self.scale < 0)

    def _call(self, x: Tensor) -> Tensor:
        return x * self.scale + self.loc

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        if isinstance(self.scale, Tensor):
            return self.scale.abs().log() + x.detach() * 0
        return x.detach() * 0 + math.log(abs(self.scale))


class ExpTransform(Transform):
    """``exp(x)``."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return x.exp()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x


class PowerTransform(Transform):
    """``x ** exponent`` of positive numbers.

    Args:
        exponent: a tensor or a number, not 0.
    """

    domain = codomain = constraints.positive

    def __init__(self, exponent: Tensor | float) -> None:
        self.exponent = exponent

    @property
    def sign(self) -> int | Tensor:  # type: ignore[override]
        if isinstance(self.exponent, Tensor):
            return self.exponent.sign()
        return (self.exponent > 0) - (self.exponent < 0)

    def _call(self, x: Tensor) -> Tensor:
        return x.pow(self.exponent)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (y * self.exponent / x).abs().log()


class SigmoidTransform(Transform):
    """``1 / (1 + exp(-x))``."""

    codomain = constraints.unit_interval

    def _call(self, x: Tensor) -> Tensor:
        return x.sigmoid()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return logsigmoid(x) + logsigmoid(-x)


class SoftplusTransform(Transform):
    """``log(1 + exp(x))``."""

    codomain = constraints.positive

    def _call(self, x: Tensor) -> Tensor:
        return softplus(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return (-y).expm1().neg().log() + y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return logsigmoid(x)


class TanhTransform(Transform):
    """``tanh(x)``."""

    codomain = constraints.interval(-1.0, 1.0)

    def _call(self, x: Tensor) -> Tensor:
        return x.tanh()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return (math.log(2.0) - x - softplus(-2 * x)) * 2  # log(1 - tanh(x)^2), far out too


class ComposeTransform(Transform):
    """One map after the other, the first of ``parts`` first."""

    def __init__(self, parts: Sequence[Transform]) -> None:
        for part in parts:
            if not isinstance(part, Transform):
                raise TypeError(f"[ComposeTransform] expected transforms, got {type(part).__name__}")
        self.parts = list(parts)
        self.domain = self.parts[0].domain if self.parts else constraints.real
        self.codomain = self.parts[-1].codomain if self.parts else constraints.real

    @property
    def sign(self) -> int | Tensor:  # type: ignore[override]
        result: int | Tensor = 1
        for part in self.parts:
            result = result * part.sign
        return result

    def _call(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Tensor) -> Tensor:
        for part in reversed(self.parts):
            y = part._inverse(y)
        return y

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        total = x.detach() * 0
        for part in self.parts:
            after = part(x)
            total, x = total + part.log_abs_det_jacobian(x, after), after
        return total


def flipped(probability: Tensor, sign: int | Tensor) -> Tensor:
    """The probability of at most y, given that of at most x, where the map has that sign."""
    if isinstance(sign, Tensor):
        return where(sign < 0, 1 - probability, probability)
    return probability if sign > 0 else 1 - probability
