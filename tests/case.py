"""How an op is declared for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Input:
    """A tensor argument, drawn with a fixed seed.

    Attributes:
        shape: its sizes.
        kind: ``"normal"``, ``"uniform"`` (0, 1), ``"positive"`` (0.5, 2.5), ``"distinct"`` (a shuffled grid, no ties),
            ``"int"`` (``low`` to ``high``, exclusive), ``"bool"``, or ``"values"`` (as in ``values``).
        grad: whether gradients are checked with respect to it; False for integers.
        dtype: fixed dtype, such as "int64"; None takes the dtype that the test runs in ("int" draws int64, "bool" bool,
            integer and boolean ``values`` stay int64 and bool).
    """

    shape: tuple[int, ...] = ()
    kind: str = "normal"
    low: int = 0
    high: int = 10
    values: Any = None
    grad: bool = True
    dtype: str | None = None


@dataclass(frozen=True)
class Sample:
    """One call: positional arguments and keywords (an Input becomes a tensor; also inside a list, tuple or dict)."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)


def sample(*args: Any, **kwargs: Any) -> Sample:
    return Sample(args, kwargs)


@dataclass(frozen=True)
class Bad:
    """A call that must raise: the exception's exact kind and a regular expression its message holds."""

    error: type[Exception]
    match: str
    sample: Sample


def bad(error: type[Exception], match: str, *args: Any, **kwargs: Any) -> Bad:
    return Bad(error, match, Sample(args, kwargs))


@dataclass(frozen=True)
class Case:
    """An op.

    Attributes:
        name: unique; by convention ``family.op``.
        call: the lamina function; gives a tensor, a number, or a (named) tuple or list of such.
        samples: calls with odd shapes, broadcasting, padding edges and empties among them.
        reference: the same in NumPy, on arrays, in float64; None only where torch alone is the oracle.
        torch: its dotted name there, such as ``"nn.functional.relu"``, or a function of (torch, *args, **kwargs).
        differentiable: whether gradients are checked (of the outputs that require one).
        double: whether second derivatives are checked too.
        dtypes: dtypes of the reference and parity tests; gradients are checked in float64.
        rtol, atol: bounds for float32; float64 is held to 1e-10; bfloat16 and float16 to their own precision.
        benchmarks: named samples that the benchmark times, forward and (if differentiable) backward.
        errors: calls that must raise, as in ``bad(ValueError, r"\\[add\\] expected", Input((2,)), Input((3,)))``.
    """

    name: str
    call: Callable[..., Any]
    samples: Sequence[Sample]
    reference: Callable[..., Any] | None = None
    torch: str | Callable[..., Any] | None = None
    differentiable: bool = True
    double: bool = True
    dtypes: Sequence[str] = ("float32", "float64")
    rtol: float = 1e-5
    atol: float = 1e-6
    benchmarks: dict[str, Sample] = field(default_factory=dict)
    errors: Sequence[Bad] = ()
