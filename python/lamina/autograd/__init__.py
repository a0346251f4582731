"""Automatic differentiation: the graph, the engine that walks it, and checks of gradients."""

from lamina.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)

__all__ = [
    "Function",
    "GradcheckError",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "numerical_gradient",
    "once_differentiable",
    "relative_error",
    "set_grad_enabled",
]

_LAZY = {
    "Function": "lamina.autograd.function",
    "GradcheckError": "lamina.autograd.checks",
    "backward": "lamina.autograd.engine",
    "functional": "lamina.autograd.functional",
    "grad": "lamina.autograd.engine",
    "gradcheck": "lamina.autograd.checks",
    "gradgradcheck": "lamina.autograd.checks",
    "numerical_gradient": "lamina.autograd.numeric",
    "once_differentiable": "lamina.autograd.function",
    "relative_error": "lamina.autograd.numeric",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'lamina.autograd' has no attribute {name!r}")
    import importlib

    module = importlib.import_module(_LAZY[name])
    value = getattr(module, name, module)
    globals()[name] = value
    return value
