"""Full backward hooks: identity nodes on both sides of a module's forward see its gradients as they pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.autograd.graph import Node, record_many, tracks
from lamina.tensor import Tensor


def call_with_backward_hooks(
    module: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    hooks: Sequence[Callable[..., Any]],
    pre_hooks: Sequence[Callable[..., Any]],
) -> Any:
    """``module.forward(*args, **kwargs)`` with hooks on the gradients of its tensors."""
    seen: dict[str, tuple[Tensor | None, ...]] = {"output": ()}

    def entering(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        return _run(hooks, module, grads, lambda hook, g: hook(module, g, seen["output"]))

    def leaving(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        seen["output"] = _run(pre_hooks, module, grads, lambda hook, g: hook(module, g))
        return seen["output"]

    args = _through(args, entering)
    output = module.forward(*args, **kwargs)
    if isinstance(output, tuple):
        return _through(output, leaving)
    return _through((output,), leaving)[0]


def _run(
    hooks: Sequence[Callable[..., Any]],
    module: Any,
    grads: tuple[Tensor | None, ...],
    call: Callable[..., Any],
) -> tuple[Tensor | None, ...]:
    for hook in hooks:
        result = call(hook, grads)
        if result is not None:
            grads = result if isinstance(result, tuple) else (result,)
    return grads


def _through(values: tuple[Any, ...], rule: Callable[..., Any]) -> tuple[Any, ...]:
    """``values`` with the tensors that need gradients passed through one identity node with this rule."""
    tensors = [v for v in values if isinstance(v, Tensor) and v._requires_grad]
    if not tracks(*tensors):
        return values
    outputs = [Tensor(t._array) for t in tensors]
    record_many(outputs, rule, tensors)
    replaced = iter(outputs)
    return tuple(next(replaced) if isinstance(v, Tensor) and v._requires_grad else v for v in values)
