"""Weight and spectral normalisation by a hook before forward: torch.nn.utils' older form, with its state-dict keys."""

from __future__ import annotations

from typing import Any

from lamina.autograd.grad_mode import no_grad
from lamina.nn.modules.module import HookHandle, Module
from lamina.nn.parameter import Parameter
from lamina.nn.utils.parametrizations import as_matrix, norm_except_dim, rows_of, unit
from lamina.ops.creation import empty
from lamina.ops.matmul import dot, mv
from lamina.tensor import Tensor

__all__ = ["remove_spectral_norm", "remove_weight_norm", "spectral_norm", "weight_norm"]


class _Norm:
    """A hook that sets a weight from other tensors of its module.

    Attributes:
        suffixes: of the tensors' names, after the weight's.
    """

    op: str
    suffixes: tuple[str, ...]
    handle: HookHandle

    def __init__(self, module: Module, name: str) -> None:
        self.name = name
        if _find(module, name, type(self)) is not None:
            raise RuntimeError(f"[{self.op}] parameter {name!r} has this norm already")
        weight = getattr(module, name, None)
        if not isinstance(weight, Parameter):
            raise ValueError(f"[{self.op}] {type(module).__name__} has no parameter {name!r}")
        self.weight = weight

    def apply(self, module: Module) -> Module:
        """Puts the norm on: the parameter gives way to a tensor."""
        delattr(module, self.name)
        self.split(module, self.weight)
        setattr(module, self.name, self.weight.detach())  # until the first forward
        del self.weight
        self.handle = module.register_forward_pre_hook(self)
        module.__dict__.setdefault("_hooked_norms", {})[self.name] = self
        return module

    def remove(self, module: Module) -> Module:
        """Takes it off: the weight is a parameter again."""
        with no_grad():
            weight = self.compute(module, False).detach()
        for suffix in ("", *self.suffixes):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight))
        self.handle.remove()
        del module.__dict__["_hooked_norms"][self.name]
        return module

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module, module.training))

    def parts(self, module: Module) -> list[Tensor]:
        return [getattr(module, self.name + suffix) for suffix in self.suffixes]

    def split(self, module: Module, weight: Parameter) -> None:
        """Registers the tensors that the weight is computed from."""
        raise NotImplementedError

    def compute(self, module: Module, training: bool) -> Tensor:
        raise NotImplementedError


class _WeightNorm(_Norm):
    op, suffixes = "weight_norm", ("_g", "_v")

    def __init__(self, module: Module, name: str, dim: int | None) -> None:
        super().__init__(module, name)
        self.dim = dim

    def split(self, module: Module, weight: Parameter) -> None:
        length = norm_except_dim(weight.detach(), self.dim).clone()
        module.register_parameter(f"{self.name}_g", Parameter(length))
        module.register_parameter(f"{self.name}_v", Parameter(weight.data))

    def compute(self, module: Module, training: bool) -> Tensor:
        g, v = self.parts(module)
        return v * (g / norm_except_dim(v, self.dim))


class _SpectralNorm(_Norm):
    op, suffixes = "spectral_norm", ("_orig", "_u", "_v")

    def __init__(self, module: Module, name: str, iterations: int, eps: float, dim: int) -> None:
        super().__init__(module, name)
        if iterations <= 0:
            raise ValueError(f"[spectral_norm] expected n_power_iterations above 0, got {iterations}")
        self.iterations, self.eps, self.dim = iterations, eps, dim

    def split(self, module: Module, weight: Parameter) -> None:
        module.register_parameter(f"{self.name}_orig", weight)
        matrix = as_matrix(weight.detach(), self.dim)
        for suffix, size in zip(("_u", "_v"), matrix.shape):
            drawn = empty(size, dtype=weight.dtype, device=weight.device).normal_()
            module.register_buffer(self.name + suffix, unit(drawn, self.eps))

    def compute(self, module: Module, training: bool) -> Tensor:
        weight, u, v = self.parts(module)
        matrix = as_matrix(weight, self.dim)
        if training:
            with no_grad():
                for _ in range(self.iterations):
                    v.copy_(unit(mv(matrix.t(), u), self.eps))
                    u.copy_(unit(mv(matrix, v), self.eps))
        return weight / dot(u.clone(), mv(matrix, v.clone()))


def _find(module: Module, name: str, kind: type[_Norm]) -> _Norm | None:
    norm = module.__dict__.get("_hooked_norms", {}).get(name)
    return norm if isinstance(norm, kind) else None


def _remove(module: Module, name: str, kind: type[_Norm]) -> Module:
    norm = _find(module, name, kind)
    if norm is None:
        raise ValueError(f"[remove_{kind.op}] {name!r} of {type(module).__name__} has no such norm")
    return norm.remove(module)


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """:func:`lamina.nn.utils.parametrizations.weight_norm` by a hook: parameters ``weight_g`` and ``weight_v``.

    Example:
        >>> layer = lamina.nn.utils.weight_norm(lamina.nn.Linear(3, 2))
        >>> list(layer.state_dict())
        ['bias', 'weight_g', 'weight_v']
    """
    return _WeightNorm(module, name, dim).apply(module)


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Makes the weight a parameter again.

    Raises:
        ValueError: if it has no weight norm.
    """
    return _remove(module, name, _WeightNorm)


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """:func:`lamina.nn.utils.parametrizations.spectral_norm` by a hook: ``weight_orig``, ``weight_u``, ``weight_v``.

    Example:
        >>> layer = lamina.nn.utils.spectral_norm(lamina.nn.Linear(3, 2))
        >>> list(layer.state_dict())
        ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    rows = rows_of(module) if dim is None else dim
    return _SpectralNorm(module, name, n_power_iterations, eps, rows).apply(module)


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Makes the weight a parameter again.

    Raises:
        ValueError: if it has no spectral norm.
    """
    return _remove(module, name, _SpectralNorm)
