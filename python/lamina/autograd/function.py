"""Function: users' own differentiable operations."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from lamina.autograd import inplace
from lamina.autograd.grad_mode import mode, no_grad
from lamina.autograd.graph import Node, record_many, tracks
from lamina.dtypes import BY_CODE
from lamina.tensor import Tensor


class FunctionCtx:
    """What ``forward`` hands to ``backward``; any attribute may be set on it besides these methods."""

    def __init__(self, function: type[Function], args: tuple[Any, ...]) -> None:
        self._function = function
        self._is_tensor = tuple([isinstance(a, Tensor) for a in args])
        self._needs = tuple([isinstance(a, Tensor) and a._requires_grad for a in args])
        self._to_save: tuple[Tensor | None, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._materialize = True
        self._node: Callable[[], Node | None] = lambda: None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs, outputs or other tensors for backward, which finds them in ``saved_tensors``."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"[save_for_backward] expected tensors or None, got {type(t).__name__}; "
                    "keep other values as attributes of ctx"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` kept; raises if it was freed, or changed in place since."""
        node = self._node()
        return self._to_save if node is None else tuple(node.saved)

    @property
    def needs_input_grad(self) -> tuple[bool, ...]:
        """For each argument of ``apply`` whether a gradient is wanted."""
        node = self._node()
        return self._needs if node is None else tuple([edge is not None for edge in node.edges])

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Says which inputs forward changed in place; it must also return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Says which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (the default) or None for an output that no gradient reached."""
        self._materialize = value


class Function:
    """A differentiable operation with a forward and a backward of its own, used through ``apply``.

    Subclasses define ``forward(ctx, *args)``, or ``forward(*args)`` with ``setup_context(ctx, inputs, output)``, and
    ``backward(ctx, *grads)``: one gradient an output comes in, one an argument goes out (None where there is none).
    Backward written with differentiable functions can be differentiated again.

    Example:
        >>> class Cube(lamina.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x * x
        ...
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return grad * x * x * 3
        >>> x = lamina.tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs, a tensor or a tuple; nothing in it is recorded."""
        raise NotImplementedError("[Function] a subclass must define forward")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Fills ``ctx`` after a ``forward`` that does not take one."""
        raise NotImplementedError(
            "[Function] this forward takes no ctx, so that setup_context must be defined"
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Computes the gradient of each argument from the gradient of each output."""
        raise NotImplementedError("[Function] a subclass that is differentiated must define backward")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs ``forward`` and records ``backward``, which has a gradient for each positional argument."""
        separate = cls.setup_context is not Function.setup_context
        if separate:
            args = _positional(cls.forward, args, kwargs)
        elif tracks(*kwargs.values()):
            raise TypeError(
                f"[{cls.__name__}] a tensor that requires a gradient must be a positional argument"
            )
        ctx = FunctionCtx(cls, args)
        with no_grad():
            if separate:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args, **kwargs)
        outputs = result if isinstance(result, tuple) else (result,)
        if any(not any(t is y for y in outputs) for t in ctx._dirty):
            raise RuntimeError(
                f"[{cls.__name__}] every input that mark_dirty names must be returned from forward"
            )
        if not tracks(*args):
            return result
        recorded = _record(ctx, args, outputs)
        return recorded if isinstance(result, tuple) else recorded[0]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a backward that must not be differentiated again, because not all of it is recorded.

    It runs as under ``no_grad``; differentiating its result raises RuntimeError.
    """

    @functools.wraps(backward)
    def wrapper(ctx: FunctionCtx, *grads: Any) -> Any:
        with no_grad():
            result = backward(ctx, *grads)
        if not tracks(*grads):
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        barred = [None if g is None else g.detach() for g in outputs]
        record_many(
            [g for g in barred if g is not None], _twice_backward, [g for g in grads if g is not None]
        )
        return tuple(barred) if isinstance(result, tuple) else barred[0]

    return wrapper


def _twice_backward(node: Node, *grads: Tensor | None) -> None:
    raise RuntimeError("[once_differentiable] this backward can't be differentiated again")


class _FunctionNode(Node):
    """The node of a Function; like every node it refers to no tensor."""

    __slots__ = ("context", "count", "positions")

    context: FunctionCtx
    count: int  # how many values forward returned
    positions: list[int]  # of the tensors among them

    def name(self) -> str:
        return f"{self.context._function.__name__}Backward"


def _record(ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """``outputs`` as results of one node over ``args``."""
    dirty = [t for t in ctx._dirty if inplace.must_record(t, ctx._function.__name__, args)]
    # Handles of their own: forward may return an input, or another tensor that has a place in the graph.
    handles = [_handle(y, args, ctx._dirty) if isinstance(y, Tensor) else None for y in outputs]
    tensors = [y for y in handles if y is not None]
    node = _FunctionNode(
        _function_backward, [a if isinstance(a, Tensor) else None for a in args], tensors, ()
    )
    node.context = ctx
    node.count = len(outputs)
    node.positions = [k for k, y in enumerate(handles) if y is not None]
    results: list[Any] = []
    for output, handle in zip(outputs, handles):
        if handle is None:
            results.append(output)
        elif not handle.dtype.is_floating_point or any(output is t for t in ctx._non_differentiable):
            handle._requires_grad, handle._edge = False, None
            results.append(handle)
        elif any(output is t for t in dirty):
            inplace.take_place(output, handle)
            results.append(output)
        else:
            results.append(handle)
    given = {id(old): new for old, new in zip(outputs, results)}
    node.keep([given.get(id(t), t) for t in ctx._to_save])
    ctx._to_save = ()
    ctx._node = weakref.ref(node)
    return tuple(results)


def _handle(output: Tensor, args: Sequence[Any], dirty: Sequence[Tensor]) -> Tensor:
    """A tensor on the output's memory; of a view of an input, a view."""
    for a in args:
        if isinstance(a, Tensor) and not any(a is t for t in dirty) and _same_storage(a, output):
            return a._view(output._array.alias())
    return output.detach() if output._requires_grad else output


def _same_storage(a: Tensor, b: Tensor) -> bool:
    return bool(a._array.storage_id == b._array.storage_id)


def _function_backward(node: _FunctionNode, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    ctx = node.context
    given: list[Tensor | None] = [None] * node.count
    for index, (position, grad) in enumerate(zip(node.positions, grads)):
        if grad is None and ctx._materialize:
            grad = _zeros(node.signatures[index])
        elif grad is not None and not mode.enabled:
            grad = Tensor(grad._array.alias())  # so that memory that the user keeps is seen to be shared
        given[position] = grad
    result = ctx._function.backward(ctx, *given)
    return _checked(node, result if isinstance(result, tuple) else (result,))


def _zeros(signature: tuple[int, ...]) -> Tensor:
    from lamina.devices import device
    from lamina.ops.creation import zeros

    place, dtype, *shape = signature
    return zeros(shape, dtype=BY_CODE[dtype], device=device.from_code(place))


def _checked(node: _FunctionNode, grads: tuple[Any, ...]) -> tuple[Tensor | None, ...]:
    """The gradients that a backward returned, one an argument; torch lets it return more if those are None."""
    name, is_tensor = node.context._function.__name__, node.context._is_tensor
    n = len(is_tensor)
    if len(grads) < n or any(g is not None for g in grads[n:]):
        raise RuntimeError(f"[{name}] backward must return one gradient an argument, {n}, got {len(grads)}")
    for k, (grad, tensor, edge) in enumerate(zip(grads, is_tensor, node.edges)):
        if grad is None:
            continue
        if not isinstance(grad, Tensor):
            raise TypeError(
                f"[{name}] backward must return tensors or None, got {type(grad).__name__} at {k}"
            )
        if not tensor:
            raise RuntimeError(f"[{name}] backward returned a gradient for argument {k}, which is no tensor")
        if edge is not None:
            shape, want = grad._array.shape, edge[0].signatures[edge[1]][2:]
            lead = len(shape) - len(want)
            if lead < 0 or any(w not in (s, 1) for s, w in zip(shape[lead:], want)):
                raise RuntimeError(
                    f"[{name}] backward returned a gradient of shape {tuple(shape)} for argument {k} of shape "
                    f"{tuple(want)}"
                )
    return grads[:n]


def _positional(
    forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    """Keywords and defaults as positional arguments, so that each has a place for its gradient."""
    import inspect

    bound = inspect.signature(forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args
