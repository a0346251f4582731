"""Jacobians and Hessians of functions, whole or times a vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lamina.autograd.engine import grad
from lamina.autograd.grad_mode import enable_grad
from lamina.tensor import Tensor

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Tensor | Sequence[Tensor]
Func = Callable[..., Any]


def jacobian(
    func: Func,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivative of every output element by every input element.

    Args:
        func: a function of tensors; gives a tensor or a tuple of tensors.
        inputs: its arguments, one tensor or a tuple.
        create_graph: record the result, so that it can be differentiated.
        strict: raise if an output does not depend on an input, instead of giving zeros.
        vectorize: as in torch, which then computes all passes at once; here they run one after another.
        strategy: with ``vectorize``, ``"reverse-mode"`` for a pass an output element or ``"forward-mode"`` for a pass
            an input element, which is sooner where there are fewer of those.

    Returns:
        A tensor of shape (*output, *input); a tuple of them for several inputs or outputs, a tuple of tuples for both.

    Raises:
        RuntimeError: where ``strict`` asks for it, or together with ``vectorize``.
        ValueError: for another strategy, or forward mode without ``vectorize`` or with ``create_graph``.
        TypeError: for inputs or outputs that are no tensors.

    Example:
        >>> lamina.autograd.functional.jacobian(lambda x: x * x, lamina.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    forward = _checked_strategy(strategy, vectorize, create_graph, strict, "jacobian") == "forward-mode"
    with enable_grad():
        xs = _own(inputs, create_graph, "jacobian")
        ys, one_output = _call(func, xs, "jacobian")
        if forward:
            blocks = _columns(ys, xs)
        else:
            blocks = [_rows(y, xs, create_graph, strict, o) for o, y in enumerate(ys)]
    shaped = [_shaped(row, inputs, create_graph) for row in blocks]
    return shaped[0] if one_output else tuple(shaped)


def _checked_strategy(strategy: str, vectorize: bool, create_graph: bool, strict: bool, op: str) -> str:
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(f"[{op}] expected strategy 'reverse-mode' or 'forward-mode', got {strategy!r}")
    if vectorize and strict:
        raise RuntimeError(f"[{op}] expected strict or vectorize, got both")
    if strategy == "forward-mode" and (create_graph or not vectorize):
        raise ValueError(f"[{op}] expected forward-mode with vectorize and without create_graph")
    return strategy


def _units(like: Tensor) -> Iterator[Tensor]:
    """For each element a tensor of zeros with a one there."""
    from lamina.ops.creation import zeros_like

    for index in range(like.numel()):
        unit = zeros_like(like.detach()).contiguous()
        unit.reshape(-1)[index] = 1.0
        yield unit


def _rows(y: Tensor, xs: list[Tensor], create_graph: bool, strict: bool, output: int) -> list[Tensor]:
    """The Jacobians of one output by each input, a backward pass an output element."""
    from lamina.ops.join import stack

    rows: list[list[Tensor]] = [[] for _ in xs]
    for unit in _units(y):
        found = _grad([y], xs, [unit], create_graph, strict, f"output {output}")
        for row, g in zip(rows, found):
            row.append(g)
    return [
        stack(row).reshape((*y.shape, *x.shape)) if row else y.new_zeros((*y.shape, *x.shape))
        for row, x in zip(rows, xs)
    ]


def _columns(ys: list[Tensor], xs: list[Tensor]) -> list[list[Tensor]]:
    """The Jacobians of each output by each input, a product with the Jacobian an input element."""
    from lamina.ops.creation import zeros_like
    from lamina.ops.join import stack

    duals = [zeros_like(y).requires_grad_() for y in ys]
    back = _grad(ys, xs, duals, True, False, "the output")
    blocks: list[list[Tensor]] = [[] for _ in ys]
    for x, g in zip(xs, back):
        columns = [_grad([g], duals, [unit], False, False, "the gradient") for unit in _units(x)]
        for k, y in enumerate(ys):
            shape = (*y.shape, *x.shape)
            column = [c[k] for c in columns]
            blocks[k].append(stack(column, -1).reshape(shape) if column else y.new_zeros(shape))
    return blocks


def hessian(
    func: Func,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of a function with one output element; arguments as :func:`jacobian`.

    Returns:
        A tensor of shape (*input, *input), or a tuple of tuples of (*input i, *input j) for several inputs.

    Example:
        >>> lamina.autograd.functional.hessian(lambda x: (x * x * x).sum(), lamina.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    strategy = _checked_strategy(outer_jacobian_strategy, vectorize, create_graph, strict, "hessian")
    gradient = _Gradient(func, isinstance(inputs, Tensor), strict, "hessian")
    return jacobian(gradient, inputs, create_graph, strict, vectorize, strategy)


def vjp(
    func: Func, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of a vector ``v`` with the Jacobian: what backward computes.

    Args:
        func: as in :func:`jacobian`.
        inputs: as in jacobian.
        v: a tensor in the shape of each output; may be omitted for one output of one element.
        create_graph: as in jacobian.
        strict: as in jacobian.

    Returns:
        ``(outputs, vjp)``, the second in the shapes of the inputs.
    """
    with enable_grad():
        xs = _own(inputs, create_graph, "vjp")
        ys, one_output = _call(func, xs, "vjp")
        products = _grad(ys, xs, _vector(v, ys, "vjp"), create_graph, strict, "the output")
    return _finished(ys, create_graph, one_output), _shaped(products, inputs, create_graph)


def jvp(
    func: Func, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The outputs, and the product of the Jacobian with a vector ``v``, the derivative along v.

    Computed by differentiating the vector-Jacobian product, which is linear in its vector, by that vector.

    Args:
        func: as in :func:`jacobian`.
        inputs: as in jacobian.
        v: a tensor in the shape of each input; may be omitted for one input of one element.
        create_graph: as in jacobian.
        strict: as in jacobian.

    Returns:
        ``(outputs, jvp)``, both in the shapes of the outputs.
    """
    from lamina.ops.creation import zeros_like

    with enable_grad():
        xs = _own(inputs, create_graph, "jvp")
        ys, one_output = _call(func, xs, "jvp")
        along = _vector(v, xs, "jvp")
        duals = [zeros_like(y).requires_grad_() for y in ys]
        back = _grad(ys, xs, duals, True, strict, "the output")
        products = _grad(back, duals, along, create_graph, False, "the gradient")
    return _finished(ys, create_graph, one_output), _finished(products, create_graph, one_output)


def vhp(
    func: Func, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output, and the product of a vector with the Hessian; arguments as :func:`jvp`.

    Returns:
        ``(output, vhp)``, the second in the shapes of the inputs.
    """
    gradient = _Gradient(func, isinstance(inputs, Tensor), strict, "vhp")
    _, product = vjp(gradient, inputs, v, create_graph)
    return _finished(gradient.output, create_graph, True), product


def hvp(
    func: Func, inputs: Tensors, v: Tensors | None = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The output, and the product of the Hessian with a vector; arguments as :func:`jvp`.

    The Hessian of a function with continuous second derivatives is symmetric, and :func:`vhp` gives the same sooner.

    Returns:
        ``(output, hvp)``, the second in the shapes of the inputs.
    """
    gradient = _Gradient(func, isinstance(inputs, Tensor), strict, "hvp")
    _, product = jvp(gradient, inputs, v, create_graph)
    return _finished(gradient.output, create_graph, True), product


class _Gradient:
    """The gradient of a function with one output element, as a function; remembers the last output."""

    def __init__(self, func: Func, one_input: bool, strict: bool, op: str) -> None:
        self.func, self.one_input, self.strict, self.op = func, one_input, strict, op
        self.output: list[Tensor] = []

    def __call__(self, *xs: Tensor) -> Any:
        self.output, _ = _call(self.func, xs, self.op)
        if len(self.output) != 1 or self.output[0].numel() != 1:
            shapes = [tuple(y.shape) for y in self.output]
            raise RuntimeError(
                f"[{self.op}] expected a function with one output element, got shapes {shapes}"
            )
        found = _grad(self.output, xs, [None], True, self.strict, "the output")
        return found[0] if self.one_input else tuple(found)


def _own(inputs: Tensors, create_graph: bool, op: str) -> list[Tensor]:
    """Tensors in place of the inputs, so that gradients are taken with respect to these uses of them alone."""
    return [
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
        for x in _listed(inputs, f"[{op}] expected a tensor or a tuple of tensors as inputs")
    ]


def _call(func: Func, xs: Sequence[Tensor], op: str) -> tuple[list[Tensor], bool]:
    result = func(*xs)
    outputs = _listed(result, f"[{op}] expected a function that returns tensors")
    return outputs, isinstance(result, Tensor)


def _listed(value: Any, expected: str) -> list[Tensor]:
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    for t in values:
        if not isinstance(t, Tensor):
            raise TypeError(f"{expected}, got {type(t).__name__}")
    return values


def _grad(
    ys: Sequence[Tensor],
    xs: Sequence[Tensor],
    seeds: Sequence[Tensor | None],
    create_graph: bool,
    strict: bool,
    what: str,
) -> list[Tensor]:
    """Gradients, zeros where nothing depends on an input."""
    from lamina.ops.creation import zeros_like

    starts = [(y, seed) for y, seed in zip(ys, seeds) if y.requires_grad]
    found: Sequence[Tensor | None] = [None] * len(xs)
    if starts:
        roots, grads = zip(*starts)
        found = grad(roots, xs, grads, retain_graph=True, create_graph=create_graph, allow_unused=True)
    for k, g in enumerate(found):
        if g is None and strict:
            raise RuntimeError(f"[functional] strict: {what} does not depend on input {k}")
    return [zeros_like(x) if g is None else g for x, g in zip(xs, found)]


def _vector(v: Tensors | None, like: Sequence[Tensor], op: str) -> list[Tensor]:
    from lamina.ops.creation import ones_like

    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            shapes = [tuple(x.shape) for x in like]
            raise RuntimeError(
                f"[{op}] v can be left out only for one tensor of one element, got shapes {shapes}"
            )
        return [ones_like(like[0])]
    vectors = [v] if isinstance(v, Tensor) else list(v)
    if [x.shape for x in vectors] != [x.shape for x in like]:
        raise RuntimeError(
            f"[{op}] expected v of shapes {[tuple(x.shape) for x in like]}, got {[tuple(x.shape) for x in vectors]}"
        )
    return vectors


def _finished(tensors: Sequence[Tensor], create_graph: bool, one: bool) -> Any:
    done = tuple(t if create_graph else t.detach() for t in tensors)
    return done[0] if one else done


def _shaped(tensors: Sequence[Tensor], inputs: Tensors, create_graph: bool) -> Any:
    """One tensor where the caller gave one input, else a tuple."""
    return _finished(tensors, create_graph, isinstance(inputs, Tensor))
