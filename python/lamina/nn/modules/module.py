"""Module: the base of every layer and network."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from lamina.autograd.grad_mode import no_grad
from lamina.autograd.watch import now
from lamina.nn.modules._backward_hooks import call_with_backward_hooks
from lamina.nn.parameter import Buffer, Parameter
from lamina.tensor import Tensor

__all__ = ["Module"]

M = TypeVar("M", bound="Module")
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_hooks", "_backward_pre_hooks")


class Structure:
    """``mark`` is another object after any attribute or hook of any module has changed.

    What was found out about modules holds while the mark is the same; what their tensors hold is no part of it."""

    mark = object()

    def changed(self) -> None:
        self.mark = object()


structure = Structure()


class IncompatibleKeys(NamedTuple):
    """What :meth:`Module.load_state_dict` missed in the state dict, and what it found there and has no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class HookHandle:
    """A registered hook; ``remove()`` takes it off again."""

    _ids = itertools.count()

    def __init__(self, module: Module, kind: str, hook: Callable[..., Any]) -> None:
        self._id = next(HookHandle._ids)
        self._module, self._kind = module, kind
        module.__dict__.setdefault(kind, {})[self._id] = hook
        module._hooked = True

    def remove(self) -> None:
        self._module.__dict__[self._kind].pop(self._id, None)
        structure.changed()

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Module:
    """The base class of layers and networks.

    A subclass makes its parameters and submodules in ``__init__`` (after ``super().__init__()``) and computes in
    ``forward``.  Parameters, buffers and submodules are plain attributes; assigning one registers it.

    Attributes:
        training: whether the module is in training mode; see :meth:`train` and :meth:`eval`.

    Example:
        >>> class Net(lamina.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.fc = lamina.nn.Linear(4, 2)
        ...
        ...     def forward(self, x):
        ...         return self.fc(x).relu()
        >>> Net()(lamina.ones(3, 4)).shape
        lamina.Size([3, 2])
    """

    training: bool = True
    _buffer_names: dict[str, bool]
    _hooked: bool = False  # whether a hook was ever registered: calls without hooks stay cheap

    def __init__(self) -> None:
        self.__dict__["_buffer_names"] = {}  # name -> persistent

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooked:
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            _locate(error, self)
            raise
        except AttributeError as error:
            _check_tensor(error, self, args)
            raise

    def _located(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls a function on behalf of this module, whose path errors then name, as if it were called itself."""
        try:
            return function(*args)
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            _locate(error, self)
            raise

    # -- registration

    def __setattr__(self, name: str, value: Any) -> None:
        present = self.__dict__.get(name)
        if isinstance(value, (Parameter, Buffer, Module)) and "_buffer_names" not in self.__dict__:
            raise AttributeError(f"call super().__init__() before assigning {type(value).__name__} {name!r}")
        if isinstance(value, Buffer):
            self._buffer_names[name] = bool(value.persistent)
        elif (
            isinstance(present, Parameter) and isinstance(value, Tensor) and not isinstance(value, Parameter)
        ):
            raise TypeError(
                f"[{type(self).__name__}] attribute {name!r} is a parameter; expected a Parameter or None, got a Tensor"
            )
        object.__setattr__(self, name, value)
        structure.changed()

    def __delattr__(self, name: str) -> None:
        self.__dict__.get("_buffer_names", {}).pop(name, None)
        object.__delattr__(self, name)
        structure.changed()

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter under a name; None says that there is none."""
        _check_name(self, name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"[register_parameter] expected a Parameter or None, got {type(param).__name__}")
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that is state but not trained; ``persistent`` puts it in the state dict."""
        _check_name(self, name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"[register_buffer] expected a tensor or None, got {type(tensor).__name__}")
        self._buffer_names[name] = persistent
        object.__setattr__(self, name, tensor)
        structure.changed()

    def register_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule under a name."""
        self.add_module(name, module)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule under a name."""
        _check_name(self, name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"[add_module] expected a Module or None, got {type(module).__name__}")
        setattr(self, name, module)

    @property
    def _parameters(self) -> dict[str, Parameter]:
        return {k: v for k, v in self.__dict__.items() if isinstance(v, Parameter)}

    @property
    def _buffers(self) -> dict[str, Tensor | None]:
        return {k: self.__dict__[k] for k in self._buffer_names}

    @property
    def _modules(self) -> dict[str, Module]:
        return {k: v for k, v in self.__dict__.items() if isinstance(v, Module)}

    # -- traversal

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct submodules with their names, each once."""
        seen: set[Module] = set()
        for name, child in self._modules.items():
            if child not in seen:
                seen.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """Direct submodules."""
        return (child for _, child in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with dotted names, each once."""
        yield from self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, each once: what an optimizer takes."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with dotted names, each once."""
        yield from self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _named_members(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[Any]:
        seen: set[int] = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, member in getattr(module, kind).items():
                if member is None or (remove_duplicate and id(member) in seen):
                    continue
                seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def get_submodule(self, target: str) -> Module:
        """The submodule at a dotted path.

        Raises:
            AttributeError: if there is none.
        """
        module: Any = self
        for name in target.split(".") if target else []:
            module = getattr(module, name, None)
            if not isinstance(module, Module):
                raise AttributeError(f"{type(self).__name__} has no submodule {target!r}")
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        path, _, name = target.rpartition(".")
        parameter = getattr(self.get_submodule(path), name, None)
        if not isinstance(parameter, Parameter):
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
        return parameter

    def apply(self: M, fn: Callable[[Module], None]) -> M:
        """Calls ``fn`` on every module below and then on this one; returns it."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # -- state

    def state_dict(
        self, *, destination: dict[str, Tensor] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Parameters and persistent buffers by dotted name; the tensors share the module's memory."""
        state = OrderedDict() if destination is None else destination
        for path, module in self.named_modules(None, prefix.removesuffix("."), remove_duplicate=False):
            lead = f"{path}." if path else ""
            members: dict[str, Any] = dict(module._parameters)
            members.update(
                {k: v for k, v in module._buffers.items() if module._buffer_names[k] and v is not None}
            )
            for name, value in members.items():
                state[lead + name] = value if keep_vars else value.detach()
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copies values from a state dict into this module's parameters and buffers.

        Args:
            state_dict: as :meth:`state_dict` gives.
            strict: raise where keys are missing or unexpected.
            assign: take over the given tensors instead of copying their values.

        Raises:
            RuntimeError: listing every missing key, unexpected key and shape that differs; nothing is changed then.
        """
        own = self.state_dict(keep_vars=True)
        missing = [key for key in own if key not in state_dict]
        unexpected = [key for key in state_dict if key not in own]
        problems = [
            f"{key} has shape {tuple(state_dict[key].shape)}, expected {tuple(own[key].shape)}"
            for key in own
            if key in state_dict and tuple(state_dict[key].shape) != tuple(own[key].shape)
        ]
        if strict and missing:
            problems.append(f"missing keys: {', '.join(missing)}")
        if strict and unexpected:
            problems.append(f"unexpected keys: {', '.join(unexpected)}")
        if problems:
            raise RuntimeError(f"[load_state_dict] {type(self).__name__}: " + "; ".join(problems))
        with no_grad():
            for key, value in own.items():
                if key in state_dict:
                    if assign:
                        value.data = state_dict[key]
                    else:
                        value.copy_(state_dict[key])
        return IncompatibleKeys(missing, unexpected)

    # -- modes and conversions

    def train(self: M, mode: bool = True) -> M:
        """Puts this module and all below it into training mode, or out of it."""
        if not isinstance(mode, bool):
            raise ValueError(f"[train] expected a bool, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self: M) -> M:
        """Puts this module and all below it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Whether the parameters are trained."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients of the parameters, or sets them to zero."""
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad.detach_().zero_()

    def _apply(self: M, convert: Callable[[Tensor], Tensor]) -> M:
        for module in self.modules():
            for p in module._parameters.values():
                p.data = convert(p.data)
                if p.grad is not None:
                    p.grad = convert(p.grad)
            for buffer in module._buffers.values():
                if buffer is not None:
                    buffer.data = convert(buffer.data)
        return self

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Moves parameters and buffers to a device, and the floating ones to a floating dtype; as :meth:`Tensor.to`."""
        from lamina.dtypes import dtype

        target = next((a for a in (*args, kwargs.get("dtype")) if isinstance(a, dtype)), None)
        if target is not None and not target.is_floating_point:
            raise TypeError(f"[Module.to] expected a floating dtype, got {target}")
        places = [
            a for a in (*args, kwargs.get("device")) if a is not None and not isinstance(a, (dtype, bool))
        ]

        def convert(t: Tensor) -> Tensor:
            for place in places:
                t = t.to(device=place.device if isinstance(place, Tensor) else place)
            return t.to(target) if target is not None and t.is_floating_point() else t

        return self._apply(convert)

    def float(self: M) -> M:
        """Floating parameters and buffers as float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self: M) -> M:
        """Floating parameters and buffers as float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def cpu(self: M) -> M:
        """Parameters and buffers on the CPU."""
        return self.to("cpu")

    def cuda(self: M, device: Any = None) -> M:
        """Parameters and buffers on a CUDA device; default: the current one."""
        return self._apply(lambda t: t.cuda(device))

    # -- hooks

    def register_forward_pre_hook(self, hook: Callable[..., Any], *, with_kwargs: bool = False) -> HookHandle:
        """Calls ``hook(module, args)`` before ``forward``; what it returns replaces the arguments."""
        return HookHandle(self, "_forward_pre_hooks", _with_kwargs(hook, with_kwargs, pre=True))

    def register_forward_hook(self, hook: Callable[..., Any], *, with_kwargs: bool = False) -> HookHandle:
        """Calls ``hook(module, args, output)`` after ``forward``; what it returns replaces the output."""
        return HookHandle(self, "_forward_hooks", _with_kwargs(hook, with_kwargs, pre=False))

    def register_full_backward_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Calls ``hook(module, grad_input, grad_output)`` once the gradients of the inputs are known; what it returns
        replaces them."""
        return HookHandle(self, "_backward_hooks", hook)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Calls ``hook(module, grad_output)`` before the backward of the module; what it returns replaces them."""
        return HookHandle(self, "_backward_pre_hooks", hook)

    def _hooks_now(self) -> bool:
        """Whether a hook is registered."""
        return self._hooked and any(self.__dict__.get(kind) for kind in _HOOKS)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        own = self.__dict__
        if now.watch is not None:
            now.watch.modules[id(self)] = self
        for hook in list(own.get("_forward_pre_hooks", {}).values()):
            args, kwargs = hook(self, args, kwargs)
        backward_hooks = list(own.get("_backward_hooks", {}).values())
        pre_hooks = list(own.get("_backward_pre_hooks", {}).values())
        if backward_hooks or pre_hooks:
            output = call_with_backward_hooks(self, args, kwargs, backward_hooks, pre_hooks)
        else:
            output = self.forward(*args, **kwargs)
        for hook in list(own.get("_forward_hooks", {}).values()):
            output = hook(self, args, kwargs, output)
        return output

    # -- as printed

    def extra_repr(self) -> str:
        """What stands between the parentheses of the module's repr."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        children = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self._modules.items()]
        extra = self.extra_repr()
        if not children:
            return f"{self._get_name()}({extra})"
        lines = ([extra] if extra else []) + children
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def _check_name(module: Module, name: str) -> None:
    if not isinstance(name, str) or not name or "." in name:
        raise KeyError(f"[{type(module).__name__}] expected a name without dots, got {name!r}")
    if "_buffer_names" not in module.__dict__:
        raise AttributeError("call super().__init__() before registering anything")
    if hasattr(type(module), name):
        raise KeyError(f"[{type(module).__name__}] attribute {name!r} exists already")


def _with_kwargs(hook: Callable[..., Any], with_kwargs: bool, pre: bool) -> Callable[..., Any]:
    """Both kinds of hook behind one signature: (module, args, kwargs) or (module, args, kwargs, output)."""

    def before(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if result is None:
            return args, kwargs
        if with_kwargs:
            return result
        return (result if isinstance(result, tuple) else (result,)), kwargs

    def after(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        result = hook(module, args, kwargs, output) if with_kwargs else hook(module, args, output)
        return output if result is None else result

    return before if pre else after


def _check_tensor(error: AttributeError, module: Module, args: tuple[Any, ...]) -> None:
    """Raises TypeError where what has no such attribute is an argument that is no tensor."""
    culprit = error.obj
    if error.name is None or isinstance(culprit, Tensor) or not any(culprit is a for a in args):
        return
    wrong = TypeError(f"[{type(module).__name__}] expected a tensor, got {type(culprit).__name__}")
    _locate(wrong, module)
    raise wrong from None


def _locate(error: Any, module: Module) -> None:
    """Adds the path of the module where it happened to one of our own errors, one level a call."""
    message = getattr(error, "_lamina_message", None)
    if message is None:
        if not (error.args and isinstance(error.args[0], str) and error.args[0].startswith("[")):
            return
        message = error._lamina_message = error.args[0]
        error._lamina_path, error._lamina_origin = "", module
    else:
        for name, child in module._modules.items():
            if child is error._lamina_child:
                error._lamina_path = f"{name}.{error._lamina_path}".rstrip(".")
    error._lamina_child = module
    origin = error._lamina_origin
    where = f"{error._lamina_path}: {origin!r}" if error._lamina_path else repr(origin)
    error.args = (f"{message} (in {where})",)
