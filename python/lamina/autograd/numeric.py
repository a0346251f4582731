"""Gradients by finite differences: slow, approximate, and right; what analytic gradients are held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lamina.autograd.grad_mode import no_grad
from lamina.tensor import Tensor

if TYPE_CHECKING:
    import numpy as np

    Values = np.ndarray[Any, Any]


def numerical_gradient(
    f: Callable[[Tensor], Any], x: Tensor, h: float = 1e-5, grad_output: Tensor | None = None
) -> Tensor:
    """The gradient of ``f`` at ``x``, an element at a time, by centred differences (f(x + h) - f(x - h)) / 2h.

    Args:
        f: a function of a tensor; its result is a number or a tensor.
        x: where; float64, or the difference is mostly rounding.  It is moved in place and put back.
        h: the step.
        grad_output: weights of the elements of f's result, in its shape; may be omitted where that is one number.

    Returns:
        A tensor of the shape and dtype of ``x``.

    Raises:
        ValueError: if f's result has several elements and ``grad_output`` is missing or of another shape.

    Source: the central difference formula; Stanford's CS231n, "Gradient checks".

    Example:
        >>> x = lamina.tensor([1.0, 2.0], dtype=lamina.float64)
        >>> g = lamina.autograd.numerical_gradient(lambda x: (x * x).sum(), x)
        >>> lamina.autograd.relative_error(g, 2 * x) < 1e-8
        True
    """
    import numpy as np

    from lamina.ops.creation import from_numpy

    weights = None if grad_output is None else values_of(grad_output)
    gradient = np.zeros(tuple(x.shape))
    direction = np.zeros(tuple(x.shape))
    for index in np.ndindex(gradient.shape):
        direction[index] = 1.0
        (slope,) = central_difference(lambda: (f(x),), x, direction, h)
        direction[index] = 0.0
        if weights is None and slope.size != 1:
            raise ValueError(
                f"[numerical_gradient] expected grad_output for a result of shape {slope.shape}, got none"
            )
        if weights is not None and weights.shape != slope.shape:
            raise ValueError(
                f"[numerical_gradient] expected grad_output of shape {slope.shape}, got {weights.shape}"
            )
        gradient[index] = slope.sum() if weights is None else np.sum(weights * slope)
    return from_numpy(gradient).to(x.dtype)


def relative_error(a: Any, b: Any) -> float:
    """The largest |a - b| / max(|a| + |b|, 1e-8) over all elements.

    By CS231n's rule of thumb for float64: above 1e-2 the gradient is probably wrong, 1e-4 is fine only for functions
    with kinks, 1e-7 and less is good.

    Args:
        a: a tensor, an array or a number.
        b: the same, of the same shape.

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> lamina.autograd.relative_error(lamina.tensor([1.0, 2.0]), lamina.tensor([1.0, 2.0]))
        0.0
    """
    import numpy as np

    x, y = values_of(a), values_of(b)
    if x.shape != y.shape:
        raise ValueError(f"[relative_error] expected equal shapes, got {x.shape} and {y.shape}")
    if x.size == 0:
        return 0.0
    return float(np.max(np.abs(x - y) / np.maximum(np.abs(x) + np.abs(y), 1e-8)))


def central_difference(
    f: Callable[[], tuple[Any, ...]], x: Tensor, direction: Values, h: float
) -> list[Values]:
    """The slope of each result of ``f``, a function that reads ``x``, as x moves along ``direction``."""
    above, below = (values_at(f, x, step * direction) for step in (h, -h))
    return [(a - b) / (2 * h) for a, b in zip(above, below, strict=True)]


def values_at(f: Callable[[], tuple[Any, ...]], x: Tensor, step: Values) -> list[Values]:
    """The results of ``f``, in float64, while ``x`` is moved by ``step``; x is put back whatever happens."""
    import numpy as np

    from lamina.ops.creation import from_numpy

    home = x.detach().clone()
    with no_grad():
        try:
            x.copy_(from_numpy(np.asarray(values_of(home) + step)))
            return [values_of(y) for y in f()]
        finally:
            x.copy_(home)


def values_of(x: Any) -> Values:
    """A float64 copy of a tensor, an array or a number."""
    import numpy as np

    return np.array(x.numpy(force=True) if isinstance(x, Tensor) else x, dtype=np.float64)
