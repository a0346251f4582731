"""autocast: ops choose between 16-bit floats and float32."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from lamina import cuda
from lamina.autograd.cast_mode import DEVICE_TYPES, casting, enable
from lamina.dtypes import bfloat16, dtype, float16, float32
from lamina.tensor import Tensor

__all__ = [
    "autocast",
    "clear_autocast_cache",
    "custom_bwd",
    "custom_fwd",
    "get_autocast_dtype",
    "is_autocast_available",
    "is_autocast_cache_enabled",
    "is_autocast_enabled",
    "set_autocast_cache_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])

SUPPORTED = {"cpu": (bfloat16, float16), "cuda": (bfloat16, float16, float32)}


class autocast:  # noqa: N801 (torch's name)
    """Within the block, or the decorated function, ops run in the dtype that suits each.

    Matrix products and convolutions take their float32 arguments in ``dtype``; exponentials, logarithms, norms,
    sums and losses take 16-bit arguments in float32; the rest takes what comes: ``lamina/ops/cast_policy.py`` has the
    lists.
    Parameters stay float32, and so do their gradients. A parameter's cast is made once a block. Leave the block before
    ``backward``, which computes in the dtypes of forward. It is a setting of each thread.

    Convolutions on the CPU, and recurrent layers on CUDA, compute in float32 what they take and give in ``dtype``.

    Args:
        device_type: ``"cuda"`` or ``"cpu"``: tensors elsewhere are not cast.
        dtype: bfloat16 or float16; default: float16 on CUDA, bfloat16 on the CPU.
        enabled: False turns casting off within the block.
        cache_enabled: whether casts of parameters are kept; default: as around the block.

    Raises:
        ValueError: if ``device_type`` is not a string.
        RuntimeError: for another type of device.

    Warns:
        UserWarning: where the dtype is not supported, or there is no CUDA device; then the block casts nothing.

    Source:
        Micikevicius et al., Mixed Precision Training, arXiv:1710.03740.

    Example:
        >>> x, w = lamina.ones(2, 3), lamina.ones(3, 3, requires_grad=True)
        >>> with lamina.autocast("cpu"):
        ...     y = x @ w
        >>> y.dtype
        lamina.bfloat16
        >>> y.float().sum().backward()
        >>> w.grad.dtype
        lamina.float32
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        self.device = _checked(device_type)
        self.fast_dtype = casting.dtypes[device_type] if dtype is None else dtype
        self._cache_enabled = casting.cache_enabled if cache_enabled is None else bool(cache_enabled)
        self._enabled = bool(enabled) and self._can_cast()
        self._outer: list[Any] = []  # what held before; a block may be entered again within itself

    def _can_cast(self) -> bool:
        if self.device == "cuda" and not cuda.is_available():
            warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=3)
            return False
        supported = SUPPORTED[self.device]
        if self.fast_dtype in supported:
            return True
        warnings.warn(
            f"In {self.device.upper()} autocast, but the target dtype is not supported. Disabling autocast.\n"
            f"{self.device.upper()} Autocast only supports dtypes of {', '.join(map(str, supported))} currently.",
            stacklevel=3,
        )
        return False

    def __enter__(self) -> autocast:
        outer = (casting.on, casting.enabled[self.device], casting.dtypes[self.device], casting.cache_enabled)
        self._outer.append(outer)
        casting.dtypes[self.device] = self.fast_dtype
        casting.cache_enabled = self._cache_enabled
        casting.nesting += 1
        enable(self.device, self._enabled)
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        on, enabled, casting.dtypes[self.device], casting.cache_enabled = self._outer.pop()
        casting.enabled[self.device] = enabled
        casting.on = on
        casting.nesting -= 1
        if casting.nesting == 0:
            clear_autocast_cache()

    def __call__(self, function: F) -> F:
        if not callable(function):
            raise TypeError(f"[autocast] expected a function to decorate, got {type(function).__name__}")

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]


def _checked(device_type: str) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"[autocast] expected device_type as a string, got {type(device_type).__name__}")
    if device_type not in DEVICE_TYPES:
        raise RuntimeError(f"[autocast] expected device_type 'cpu' or 'cuda', got {device_type!r}")
    return device_type


def is_autocast_available(device_type: str) -> bool:
    """Whether :class:`autocast` knows this type of device."""
    return device_type in DEVICE_TYPES


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether ops of this thread on this type of device choose their dtype."""
    return casting.enabled[_checked(device_type)]


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Turns casting on or off until it is set again; :class:`autocast` does so for a block."""
    enable(_checked(device_type), bool(enabled))


def get_autocast_dtype(device_type: str) -> dtype:
    """The lower precision of this type of device."""
    return casting.dtypes[_checked(device_type)]


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Sets the lower precision of this type of device.

    Raises:
        ValueError: for a dtype that autocast does not support there.
    """
    if dtype not in SUPPORTED[_checked(device_type)]:
        names = ", ".join(map(str, SUPPORTED[device_type]))
        raise ValueError(f"[set_autocast_dtype] expected one of {names}, got {dtype}")
    casting.dtypes[device_type] = dtype


def is_autocast_cache_enabled() -> bool:
    """Whether casts of parameters are kept."""
    return casting.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Sets whether casts of parameters are kept."""
    casting.cache_enabled = bool(enabled)


def clear_autocast_cache() -> None:
    """Drops the casts of parameters; the end of the outermost block does so."""
    casting.cache.clear()


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: dtype | None = None
) -> Callable[..., Any]:
    """Decorates ``forward`` of a :class:`lamina.autograd.Function`, which then says what autocast does to it.

    Args:
        fwd: the forward.
        device_type: whose autocast counts.
        cast_inputs: within autocast, floating tensors on that device come in this dtype and the body runs without
            autocast; None runs it with the autocast that there is.

    Example:
        >>> class Product(lamina.autograd.Function):
        ...     @staticmethod
        ...     @lamina.amp.custom_fwd(device_type="cpu", cast_inputs=lamina.float32)
        ...     def forward(ctx, a, b):
        ...         ctx.save_for_backward(a, b)
        ...         return a @ b
        ...
        ...     @staticmethod
        ...     @lamina.amp.custom_bwd(device_type="cpu")
        ...     def backward(ctx, grad):
        ...         a, b = ctx.saved_tensors
        ...         return grad @ b.T, a.T @ grad
        >>> with lamina.autocast("cpu"):
        ...     Product.apply(lamina.ones(2, 2), lamina.ones(2, 2)).dtype
        lamina.float32
    """
    _checked(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        ctx._dtype = casting.dtypes[device_type]
        within = casting.enabled[device_type]
        ctx._fwd_used_autocast = within and cast_inputs is None
        if not within or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                ctx,
                *_cast(args, device_type, cast_inputs),
                **{k: _cast(v, device_type, cast_inputs) for k, v in kwargs.items()},
            )

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Callable[..., Any]:
    """Decorates ``backward`` of a Function, which then runs with the autocast that its :func:`custom_fwd` ran with."""
    _checked(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, ctx._dtype, enabled=ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return backward


def _cast(value: Any, device_type: str, to: dtype) -> Any:
    """The value with its floating tensors on the device in another dtype; float64 stays."""
    if isinstance(value, Tensor):
        fits = value.dtype in (bfloat16, float16, float32) and value.device.type == device_type
        return value.to(to) if fits else value
    if isinstance(value, (list, tuple)):
        return type(value)([_cast(v, device_type, to) for v in value])
    if isinstance(value, dict):
        return {k: _cast(v, device_type, to) for k, v in value.items()}
    return value
