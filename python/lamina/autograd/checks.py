"""Checks of analytic gradients against finite differences, with a report of the worst element."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lamina.autograd.engine import grad
from lamina.autograd.grad_mode import enable_grad
from lamina.autograd.numeric import central_difference, values_at, values_of
from lamina.dtypes import float64
from lamina.tensor import Tensor

if TYPE_CHECKING:
    import numpy as np

    Values = np.ndarray[Any, Any]


class GradcheckError(RuntimeError):
    """An analytic gradient disagrees with finite differences."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """Whether the gradients of ``func`` agree with centred differences: |a - n| <= atol + rtol |n|.

    Every output is differentiated alone, the gradients of the others left undefined.

    Args:
        func: a function of the inputs; gives a tensor or a tuple of tensors.
        inputs: its arguments; those that require gradients are checked and should be float64.
        eps: the step of the difference.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise on failure, with a report, instead of returning False.
        nondet_tol: how much two runs of backward may differ.
        fast_mode: compare along one random direction instead of every element: quick, for large inputs; a failure is
            then located element by element.

    Raises:
        GradcheckError: (a RuntimeError) naming input, output, the worst index and both values, and whether the function
            has a kink there.
        ValueError: if no input requires a gradient, or one has elements that share memory.

    Example:
        >>> x = lamina.tensor([1.0, 2.0], dtype=lamina.float64, requires_grad=True)
        >>> lamina.autograd.gradcheck(lambda x: x * x, x)
        True
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    check = _Check(func, arguments, eps, atol, rtol, nondet_tol)
    try:
        if not fast_mode or not check.agrees_along_random_direction():
            check.every_element()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """Whether second derivatives agree with centred differences of the first ones; arguments as :func:`gradcheck`.

    Args:
        func: as in gradcheck.
        inputs: as in gradcheck.
        grad_outputs: the gradients of func's outputs at which to check; default: random.

    Example:
        >>> x = lamina.tensor([1.0, 2.0], dtype=lamina.float64, requires_grad=True)
        >>> lamina.autograd.gradgradcheck(lambda x: x * x * x, x)
        True
    """
    arguments = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    varied = [k for k, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]
    if grad_outputs is None:
        seeds = _random_seeds(func, arguments)
    else:
        seeds = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    seeds = [g.detach().requires_grad_() for g in seeds]

    def gradients(*values: Any) -> tuple[Tensor, ...]:
        own = list(values[: len(arguments)])
        with enable_grad():
            roots = [y for y in _floating(func(*own)) if y.requires_grad]
            found = grad(
                roots,
                [own[k] for k in varied],
                values[len(arguments) :],
                create_graph=True,
                allow_unused=True,
            )
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        [*arguments, *seeds],
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
    )


def _random_seeds(func: Callable[..., Any], arguments: list[Any]) -> list[Tensor]:
    import numpy as np

    from lamina.ops.creation import from_numpy

    rng = np.random.default_rng(0)
    outputs = [y for y in _floating(func(*arguments)) if y.requires_grad]
    return [from_numpy(rng.standard_normal(tuple(y.shape))).to(y.dtype) for y in outputs]


def _floating(result: Any) -> tuple[Tensor, ...]:
    outputs = (result,) if isinstance(result, Tensor) else tuple(result)
    return tuple(y for y in outputs if isinstance(y, Tensor) and y.dtype.is_floating_point)


class _Check:
    """One function at one point."""

    def __init__(
        self,
        func: Callable[..., Any],
        arguments: list[Any],
        eps: float,
        atol: float,
        rtol: float,
        nondet_tol: float,
    ) -> None:
        self.func, self.arguments = func, arguments
        self.eps, self.atol, self.rtol, self.nondet_tol = eps, atol, rtol, nondet_tol
        self.varied = [(k, x) for k, x in enumerate(arguments) if isinstance(x, Tensor) and x.requires_grad]
        if not self.varied:
            raise ValueError("[gradcheck] expected at least one input that requires a gradient")
        for k, x in self.varied:
            if x.dtype is not float64:
                warnings.warn(
                    f"[gradcheck] input {k} is {x.dtype}; finite differences need float64 to mean anything",
                    stacklevel=3,
                )
            if x.numel() and any(size > 1 and stride == 0 for size, stride in zip(x.shape, x.stride())):  # type: ignore[arg-type]
                raise ValueError(
                    f"[gradcheck] expected inputs whose elements have memory of their own, got input {k} with "
                    f"strides {x.stride()}; clone() it"
                )

    def run(self) -> tuple[Tensor, ...]:
        return _floating(self.func(*self.arguments))

    def tolerates(self, analytic: Values, numeric: Values) -> Any:
        import numpy as np

        with np.errstate(invalid="ignore"):
            return np.abs(analytic - numeric) <= self.atol + self.rtol * np.abs(numeric)

    def backward(self, output: Tensor, seed: Values) -> list[Values]:
        """The gradient of every varied input for the gradient ``seed`` of one output; twice, and the same."""
        import numpy as np

        from lamina.ops.creation import from_numpy

        tensors = [x for _, x in self.varied]
        if not output.requires_grad:
            return [np.zeros(tuple(x.shape)) for x in tensors]
        g = from_numpy(np.array(seed)).to(output.dtype)
        first, second = (
            [
                np.zeros(tuple(x.shape)) if found is None else values_of(found)
                for x, found in zip(tensors, grad(output, tensors, g, retain_graph=True, allow_unused=True))
            ]
            for _ in range(2)
        )
        for (k, _), a, b in zip(self.varied, first, second):
            if a.size and not np.all((np.abs(a - b) <= self.nondet_tol) | (np.isnan(a) & np.isnan(b))):
                raise GradcheckError(
                    f"[gradcheck] backward is not deterministic: two runs give input {k} gradients that differ by "
                    f"{np.max(np.abs(a - b)):g}"
                )
        return first

    def agrees_along_random_direction(self) -> bool:
        """Compares v'Ju for every input and output with one random u and v of plus and minus ones."""
        import numpy as np

        rng = np.random.default_rng(1)
        with enable_grad():
            outputs = self.run()
            seeds = [rng.choice([-1.0, 1.0], tuple(y.shape)) for y in outputs]
            analytic = [self.backward(y, v) for y, v in zip(outputs, seeds)]
        for i, (_, x) in enumerate(self.varied):
            u = rng.choice([-1.0, 1.0], tuple(x.shape))
            slopes = central_difference(self.run, x, u, self.eps)
            for gradients, slope, v in zip(analytic, slopes, seeds, strict=True):
                if not self.tolerates(np.sum(gradients[i] * u), np.sum(v * slope)):
                    return False
        return True

    def every_element(self) -> None:
        """Compares the Jacobians of every output by every input."""
        import numpy as np

        numeric = [self.numeric_jacobians(x) for _, x in self.varied]
        with enable_grad():
            outputs = self.run()
        for o, output in enumerate(outputs):
            shape = tuple(output.shape)
            analytic = [np.zeros((*shape, *x.shape)) for _, x in self.varied]
            seed = np.zeros(shape)
            for at in np.ndindex(shape):
                seed[at] = 1.0
                for jacobian, g in zip(analytic, self.backward(output, seed)):
                    jacobian[at] = g
                seed[at] = 0.0
            for i, jacobian in enumerate(analytic):
                bad = ~self.tolerates(jacobian, numeric[i][o])
                if np.any(bad):
                    raise GradcheckError(self.report(i, o, jacobian, numeric[i][o], bad))

    def numeric_jacobians(self, x: Tensor) -> list[Values]:
        """For each output its slopes along every element of x, of shape (*output, *x)."""
        import numpy as np

        shape = tuple(x.shape)
        jacobians = [np.zeros((*y.shape, *shape)) for y in self.run()]
        direction = np.zeros(shape)
        for at in np.ndindex(shape):
            direction[at] = 1.0
            for jacobian, slope in zip(jacobians, central_difference(self.run, x, direction, self.eps)):
                jacobian[(..., *at)] = slope
            direction[at] = 0.0
        return jacobians

    def report(self, i: int, o: int, analytic: Values, numeric: Values, bad: Values) -> str:
        import numpy as np

        error = np.where(bad, np.nan_to_num(np.abs(analytic - numeric), nan=np.inf), -1.0)
        worst = tuple(int(n) for n in np.unravel_index(np.argmax(error), error.shape))
        k, x = self.varied[i]
        split = len(worst) - x.ndim
        lines = [
            f"[gradcheck] the gradient of output {o} by input {k} is wrong in {int(np.sum(bad))} of {bad.size} "
            f"elements (atol {self.atol:g}, rtol {self.rtol:g})",
            f"  worst: output {o} at {worst[:split]} by input {k} at {worst[split:]}",
            f"  analytic {analytic[worst]:.10g}, numerical {numeric[worst]:.10g}",
        ]
        left, right = self.one_sided(x, o, worst[:split], worst[split:])
        if abs(right - left) > self.atol + 0.01 * max(abs(left), abs(right)):
            lines.append(
                f"  the function has a kink there: its slope is {left:.6g} from below and {right:.6g} from above, "
                "so that no gradient is right; move the input away from it"
            )
        return "\n".join(lines)

    def one_sided(
        self, x: Tensor, o: int, row: tuple[int, ...], column: tuple[int, ...]
    ) -> tuple[float, float]:
        import numpy as np

        step = np.zeros(tuple(x.shape))
        step[column] = self.eps
        below, here, above = (values_at(self.run, x, sign * step)[o][row] for sign in (-1, 0, 1))
        return float((here - below) / self.eps), float((above - here) / self.eps)
