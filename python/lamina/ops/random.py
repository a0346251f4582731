"""Random tensors.  A draw depends on the generator's seed, the call's number and the element's index alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamina import _C
from lamina.autograd.graph import Node, record, tracks
from lamina.dtypes import dtype, int64
from lamina.ops.creation import empty, empty_like, shape_of
from lamina.random import Generator
from lamina.tensor import Tensor, method

__all__ = [
    "bernoulli",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
]


@method()
def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills with draws from the uniform distribution on [a, b).

    Args:
        a: the lower bound.
        b: the upper bound.
        generator: where the draws come from; default: the process's.

    Raises:
        ValueError: if b is below a.
    """
    _begin(self, "uniform_")
    _C.uniform(self._array, float(a), float(b), generator)
    return self


@method()
def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fills with draws from the normal distribution."""
    _begin(self, "normal_")
    _C.normal(self._array, float(mean), float(std), generator)
    return self


@method()
def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fills with draws from the exponential distribution of rate ``lambd``."""
    _begin(self, "exponential_")
    _C.exponential(self._array, float(lambd), generator)
    return self


@method()
def random_(
    self: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Fills with integers from ``low`` to below ``high``; one argument is ``high``."""
    if high is None:
        low, high = 0, low or 2**31
    _begin(self, "random_")
    _C.randint(self._array, low, high, generator)
    return self


@method()
def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fills with ones with probability ``p`` (a number, or a tensor that broadcasts), else zeros."""
    _begin(self, "bernoulli_")
    if isinstance(p, Tensor):
        _C.copy_to(self._array, _C.bernoulli_each(p.expand(self.shape).contiguous()._array, generator))
    else:
        _C.bernoulli(self._array, float(p), generator)
    return self


def _begin(x: Tensor, op: str) -> None:
    if x._check_inplace(op):
        x._edge, x._requires_grad = None, False  # what it was computed from no longer matters


def _finished(x: Tensor, requires_grad: bool) -> Tensor:
    return x.requires_grad_() if requires_grad else x


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draws from the uniform distribution on [0, 1).

    Args:
        size: sizes, or one sequence of sizes.
        generator: where the draws come from; default: the process's.
        dtype: floating; default: the default dtype.
        device: default: the CPU.
        requires_grad: whether backward gives it a gradient.

    Example:
        >>> lamina.rand(2, 3).shape
        lamina.Size([2, 3])
    """
    x = empty(shape_of(size, "rand"), dtype=dtype, device=device)
    return _finished(uniform_(x, generator=generator), requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Draws from the standard normal distribution; arguments as :func:`lamina.rand`."""
    x = empty(shape_of(size, "randn"), dtype=dtype, device=device)
    return _finished(normal_(x, generator=generator), requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers from ``low`` (default 0) to below ``high``.

    Args:
        low: the smallest value; left out, the first argument is ``high``.
        high: above the largest value.
        size: a sequence of sizes.
        generator: where the draws come from.
        dtype: default int64.
        device: default: the CPU.
        requires_grad: for floating dtypes.

    Raises:
        ValueError: if ``high`` is not above ``low``.
    """
    if not isinstance(high, int):
        low, high, size = 0, low, high if size is None else size
    if size is None:
        raise TypeError("[randint] expected a size")
    x = empty(tuple(size), dtype=int64 if dtype is None else dtype, device=device)
    _C.randint(x._array, low, high, generator)
    return _finished(x, requires_grad)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The integers from 0 to n - 1 in random order.

    Args:
        n: how many.
        generator: where the draws come from.
        dtype: default int64.
        device: default: the CPU.
        requires_grad: for floating dtypes.
    """
    x = Tensor(_C.randperm(n, generator)).to(dtype=dtype, device=device)
    return _finished(x, requires_grad)


def rand_like(
    input: Tensor, *, dtype: dtype | None = None, requires_grad: bool = False, **options: Any
) -> Tensor:
    """Uniform draws in the shape of ``input``."""
    return _finished(uniform_(empty_like(input, dtype=dtype, **options)), requires_grad)


def randn_like(
    input: Tensor, *, dtype: dtype | None = None, requires_grad: bool = False, **options: Any
) -> Tensor:
    """Normal draws in the shape of ``input``."""
    return _finished(normal_(empty_like(input, dtype=dtype, **options)), requires_grad)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    dtype: dtype | None = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Random integers in the shape of ``input``."""
    return _finished(random_(empty_like(input, dtype=dtype, **options), low, high), requires_grad)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal draws whose mean and standard deviation are numbers (with ``size``) or tensors that broadcast."""
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        scale = std if isinstance(std, Tensor) else mean * 0 + std
        shape = (scale + mean).shape
        return randn(shape, generator=generator, dtype=scale.dtype) * std + mean
    if size is None:
        raise TypeError("[normal] expected a size with numbers for mean and std")
    x = empty(tuple(size), dtype=dtype, device=device)
    return _finished(normal_(x, mean, std, generator=generator), requires_grad)


@method()
def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Ones with the probabilities in ``input``, else zeros; its gradient is zero."""
    y = Tensor(_C.bernoulli_each(input._array, generator))
    if tracks(input):
        record(y, _bernoulli_backward, (input,))
    return y


def _bernoulli_backward(node: Node, grad: Tensor) -> Tensor:
    return grad * 0


@method()
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn with probabilities in proportion to each row of ``input``.

    Args:
        input: weights (N, categories) or (categories,), not negative.
        num_samples: draws a row.
        replacement: whether an index may come twice.
        generator: where the draws come from.

    Raises:
        ValueError: if a weight is negative or not finite, or there are too few to draw from.
    """
    return Tensor(_C.multinomial(input._array, num_samples, replacement, generator))
