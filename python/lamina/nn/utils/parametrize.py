"""Parametrizations: a parameter computed from others each time it is read, as in torch.nn.utils.parametrize.

A parametrized module gets a class of its own, derived from the one it had, in which the parameter is a property.  What
it is computed from lives under ``parametrizations``: state-dict keys are ``parametrizations.weight.original`` (or
``original0``, ``original1``, ... where a parametrization takes several tensors) and ``parametrizations.weight.0...``.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, cast

from lamina.autograd.grad_mode import no_grad
from lamina.nn.modules.container import ModuleDict, ModuleList
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Buffer, Parameter
from lamina.tensor import Tensor

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
]


class _Cache(threading.local):
    depth = 0
    values: dict[tuple[int, str], Tensor]

    def __init__(self) -> None:
        self.values = {}


_cache = _Cache()


class cached:  # noqa: N801 (torch's name)
    """Within the block a parametrized tensor is computed once, when it is first read."""

    def __enter__(self) -> None:
        _cache.depth += 1

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.values.clear()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and the tensors that the first one starts from.

    Args:
        parametrizations: modules; the first may have a ``right_inverse`` that gives the tensors to start from.
        original: the tensor that is parametrized.

    Attributes:
        is_tensor: whether the start is one tensor, ``original``; else it is ``original0``, ``original1``, ...
    """

    def __init__(self, parametrizations: list[Module], original: Tensor) -> None:
        super().__init__(parametrizations)
        start: Any = original
        with no_grad():
            for module in reversed(parametrizations):
                if hasattr(module, "right_inverse"):
                    start = module.right_inverse(start)
        self.is_tensor = isinstance(start, Tensor)
        self.ntensors = 1 if self.is_tensor else len(start)
        if self.is_tensor:
            _register(self, "original", _same_parameter(original, start))
            return
        for i, tensor in enumerate(start):
            made: Tensor = tensor.detach().clone()
            if isinstance(original, Parameter):
                made = Parameter(made, original.requires_grad)
            _register(self, f"original{i}", made)

    def originals(self) -> list[Tensor]:
        """What the first parametrization takes."""
        names = ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]
        return [getattr(self, name) for name in names]

    def forward(self) -> Tensor:
        first, *others = list(self)
        result = first(*self.originals())
        for module in others:
            result = module(result)
        return cast(Tensor, result)

    def right_inverse(self, value: Tensor) -> None:
        """Writes the tensors from which the parametrizations compute ``value``."""
        start: Any = value
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(
                    f"[parametrize] {type(module).__name__} has no right_inverse: its tensor can't be assigned"
                )
            with no_grad():
                start = module.right_inverse(start)
        with no_grad():
            for tensor, new in zip(self.originals(), [start] if self.is_tensor else start, strict=True):
                tensor.copy_(new)


def _same_parameter(original: Tensor, start: Tensor) -> Tensor:
    """The very parameter, so that optimizers go on with it, with the values to start from."""
    if start is not original:
        with no_grad():
            original.copy_(start)
    return original


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Makes a parameter or buffer the result of a module.

    Args:
        module: whose tensor it is.
        tensor_name: such as ``"weight"``.
        parametrization: maps the original tensor to the one that ``module`` uses; with a method ``right_inverse``, the
            tensor (or tuple of tensors) that ``right_inverse`` gives.  On a tensor that is parametrized already it
            follows the others.
        unsafe: don't check that shape and dtype stay as they are.

    Returns:
        The module.

    Raises:
        ValueError: if there is no such tensor, or the result has another shape or dtype.

    Example:
        >>> class Symmetric(lamina.nn.Module):
        ...     def forward(self, w):
        ...         return w.triu() + w.triu(1).t()
        >>> layer = lamina.nn.Linear(3, 3)
        >>> _ = lamina.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
        >>> lamina.equal(layer.weight, layer.weight.t())
        True
    """
    present = getattr(module, tensor_name, None)
    if not isinstance(present, Tensor):
        raise ValueError(
            f"[register_parametrization] expected the name of a parameter or buffer of "
            f"{type(module).__name__}, got {tensor_name!r}"
        )
    shape, dtype = tuple(present.shape), present.dtype
    if is_parametrized(module, tensor_name):
        _held_by(module)[tensor_name].append(parametrization)
    else:
        held = ParametrizationList([parametrization], present)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _own_class(module)
            module.register_module("parametrizations", ModuleDict())
        _add_property(type(module), tensor_name)
        _held_by(module)[tensor_name] = held
    if not unsafe:
        with no_grad():
            result = getattr(module, tensor_name)
        if tuple(result.shape) != shape or result.dtype != dtype:
            raise ValueError(
                f"[register_parametrization] expected {type(parametrization).__name__} to keep shape {shape} and "
                f"{dtype}, got {tuple(result.shape)} and {result.dtype}"
            )
    return module


def _held_by(module: Module) -> Any:
    """The lists of parametrizations, by tensor."""
    return module.__dict__["parametrizations"]


def _own_class(module: Module) -> None:
    before = type(module)
    module.__class__ = type(f"Parametrized{before.__name__}", (before,), {"__module__": before.__module__})


def _add_property(cls: type, name: str) -> None:
    def read(self: Any) -> Tensor:
        if not _cache.depth:
            return cast(Tensor, self.parametrizations[name]())
        key = (id(self), name)
        if key not in _cache.values:
            _cache.values[key] = self.parametrizations[name]()
        return _cache.values[key]

    def write(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(cls, name, property(read, write))


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a tensor of a module, or any, is parametrized."""
    held = module.__dict__.get("parametrizations")
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Undoes :func:`register_parametrization`.

    Args:
        module: whose tensor it is.
        tensor_name: such as ``"weight"``.
        leave_parametrized: keep the values that the parametrizations compute; else those of the original tensor.

    Raises:
        ValueError: if the tensor is not parametrized, or starts from several tensors and its values are not kept.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(
            f"[remove_parametrizations] {tensor_name!r} of {type(module).__name__} is not parametrized"
        )
    held = _held_by(module)[tensor_name]
    if not held.is_tensor and not leave_parametrized:
        raise ValueError(
            "[remove_parametrizations] expected leave_parametrized=True for a tensor computed from several"
        )
    result: Tensor = held.original if held.is_tensor else getattr(module, tensor_name)
    if held.is_tensor and leave_parametrized:
        with no_grad():
            result.data = getattr(module, tensor_name).detach()
    elif not held.is_tensor:
        result = Parameter(result.detach()) if result.requires_grad else result.detach()
    delattr(type(module), tensor_name)
    del _held_by(module)[tensor_name]
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    if isinstance(result, (Parameter, Buffer)):
        setattr(module, tensor_name, result)
    else:
        module.register_buffer(tensor_name, result)
    return module
