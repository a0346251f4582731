"""Modules that hold modules, and lists and dicts of parameters."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from lamina.nn import fusion
from lamina.nn.modules.module import Module, structure
from lamina.nn.parameter import Parameter
from lamina.tensor import Tensor

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

T = TypeVar("T")


class _Indexed(Module, Generic[T]):
    """Members under the names "0", "1", ...: what lists and sequences share."""

    def _members(self) -> dict[str, T]:
        return self._modules  # type: ignore[return-value]

    def _key(self, index: Any) -> str:
        n, i = len(self), operator.index(index)
        if not -n <= i < n:
            raise IndexError(f"[{type(self).__name__}] index {i} is out of range for {n} members")
        return str(i % n)

    def _replace(self, members: Iterable[T]) -> None:
        members = list(members)
        for key in list(self._members()):
            delattr(self, key)
        for i, member in enumerate(members):
            setattr(self, str(i), member)

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[T]:
        return iter(self._members().values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            result = type(self)()
            result._replace(list(self)[index])
            return result
        return self._members()[self._key(index)]

    def __setitem__(self, index: int, member: T) -> None:
        setattr(self, self._key(index), member)

    def __delitem__(self, index: int | slice) -> None:
        members = list(self)
        del members[index]
        self._replace(members)

    def append(self, member: T) -> Any:
        """Adds a member at the end; returns the container."""
        self.__setattr__(str(len(self)), member)
        return self

    def extend(self, members: Iterable[T]) -> Any:
        """Adds members at the end; returns the container."""
        for member in list(members):
            self.append(member)
        return self

    def insert(self, index: int, member: T) -> Any:
        """Adds a member before ``index``; returns the container."""
        members = list(self)
        members.insert(index, member)
        self._replace(members)
        return self

    def pop(self, index: int = -1) -> T:
        """Removes a member and returns it."""
        member: T = self[index]
        del self[index]
        return member


class Sequential(_Indexed[Module]):
    """Modules run one after another, some of them as one: see :mod:`lamina.nn.fusion`.

    Args:
        args: modules, or one mapping of names to modules.

    Example:
        >>> net = lamina.nn.Sequential(lamina.nn.Linear(4, 8), lamina.nn.ReLU(), lamina.nn.Linear(8, 2))
        >>> net(lamina.ones(1, 4)).shape
        lamina.Size([1, 2])
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def _key(self, index: Any) -> str:
        return list(self._modules)[int(super()._key(index))]

    def _replace(self, members: Iterable[Module]) -> None:
        by_name = self._modules
        if all(name.isdigit() for name in by_name):
            return super()._replace(members)
        kept = list(members)  # named members keep their names
        names = {id(module): name for name, module in by_name.items()}
        for name in by_name:
            delattr(self, name)
        for i, module in enumerate(kept):
            self.add_module(names.get(id(module), str(i)), module)

    def forward(self, input: Any) -> Any:
        row = _rows.get(self)
        if row is None or row[0] is not structure.mark:
            row = _rows[self] = structure.mark, tuple(self._modules.values())
        return fusion.run(row[1], input)


# The members of a Sequential, which would be looked for among its attributes at every call.
_rows: weakref.WeakKeyDictionary[Sequential, tuple[object, tuple[Module, ...]]] = weakref.WeakKeyDictionary()


class ModuleList(_Indexed[Module]):
    """A list of modules that are registered; it has no ``forward``.

    Args:
        modules: what it starts with.
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        for module in modules or ():
            self.append(module)

    def append(self, module: Module) -> ModuleList:
        """Adds a module at the end; returns the list."""
        self.add_module(str(len(self)), module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> ModuleList:
        return self.extend(modules)


class ParameterList(_Indexed[Parameter]):
    """A list of parameters that are registered.

    Args:
        values: tensors, made parameters where they are not.
    """

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        for value in values or ():
            self.append(value)

    def _members(self) -> dict[str, Parameter]:
        return self._parameters

    def append(self, value: Tensor) -> ParameterList:
        """Adds a parameter at the end; returns the list."""
        setattr(self, str(len(self)), value if isinstance(value, Parameter) else Parameter(value))
        return self


class _Named(Module, Generic[T]):
    """Members by name: what dictionaries share."""

    def _members(self) -> dict[str, T]:
        return self._modules  # type: ignore[return-value]

    def __getitem__(self, key: str) -> T:
        return self._members()[key]

    def __setitem__(self, key: str, member: T) -> None:
        setattr(self, key, member)

    def __delitem__(self, key: str) -> None:
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[str]:
        return iter(self._members())

    def __contains__(self, key: str) -> bool:
        return key in self._members()

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._members().keys()

    def values(self) -> Iterable[T]:
        """The members."""
        return self._members().values()

    def items(self) -> Iterable[tuple[str, T]]:
        """Names and members."""
        return self._members().items()

    def update(self, members: Mapping[str, T] | Iterable[tuple[str, T]]) -> None:
        """Adds members, replacing those of the same names."""
        for key, member in dict(members).items():
            self[key] = member

    def pop(self, key: str) -> T:
        """Removes a member and returns it."""
        member = self[key]
        del self[key]
        return member

    def clear(self) -> None:
        """Removes every member."""
        for key in list(self):
            del self[key]


class ModuleDict(_Named[Module]):
    """Modules by name.

    Args:
        modules: a mapping, or pairs of names and modules.
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)


class ParameterDict(_Named[Parameter]):
    """Parameters by name.

    Args:
        parameters: a mapping, or pairs of names and tensors, made parameters where they are not.
    """

    def __init__(self, parameters: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})

    def _members(self) -> dict[str, Parameter]:
        return self._parameters

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value if isinstance(value, Parameter) else Parameter(value))
