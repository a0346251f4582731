"""Making tensors: from Python numbers, NumPy arrays and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamina import _C
from lamina.devices import CPU, device
from lamina.dtypes import BY_CODE, dtype
from lamina.tensor import Tensor, method

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "as_tensor",
    "empty",
    "empty_like",
    "from_numpy",
    "full",
    "full_like",
    "get_default_dtype",
    "ones",
    "ones_like",
    "set_default_dtype",
    "tensor",
    "zero_",
    "zeros",
    "zeros_like",
]

Device = device | str | None


def tensor(
    data: Any, *, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A new tensor with a copy of ``data``.

    Args:
        data: a number, nested sequences of numbers, a NumPy array or a tensor.
        dtype: default: bool, int64 or the default floating dtype for Python numbers; else the data's own.
        device: where it lives; default: where ``data`` is.
        requires_grad: whether backward gives it a gradient.

    Raises:
        ValueError: if nested sequences have unequal lengths.
        TypeError: if an element is no number.

    Example:
        >>> lamina.tensor([[1, 2], [3, 4]]).dtype
        lamina.int64
    """
    result = Tensor(_copy_of(data, dtype)).to(device=device)
    return result.requires_grad_() if requires_grad else result


def as_tensor(data: Any, dtype: dtype | None = None, device: Device = None) -> Tensor:
    """``data`` as a tensor, sharing its memory where that can be done."""
    if isinstance(data, Tensor):
        result = data
    elif hasattr(data, "__cuda_array_interface__"):
        from lamina.ops.interchange import from_cuda_array

        result = from_cuda_array(data)
    elif hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        import numpy as np

        result = from_numpy(np.asarray(data))
    else:
        return tensor(data, dtype=dtype, device=device)
    return result.to(device=device, dtype=dtype)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor on the memory of a NumPy array.

    Args:
        array: bool, uint8, int8, int32, int64, float16, float32 or float64, any strides.

    Raises:
        TypeError: for anything that is no NumPy array, and for other dtypes.

    Example:
        >>> a = np.zeros(2)
        >>> t = lamina.from_numpy(a)
        >>> t.add_(1)
        tensor([1., 1.], dtype=lamina.float64)
        >>> a
        array([1., 1.])
    """
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise TypeError(f"[from_numpy] expected a NumPy array, got {type(array).__name__}")
    return Tensor(_C.from_numpy(array))


def empty(
    *size: Any, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of the given sizes whose elements are whatever the memory held.

    Args:
        size: sizes, or one sequence of sizes.
        dtype: default: the default dtype.
        device: default: the CPU.
        requires_grad: whether backward gives it a gradient.
    """
    result = Tensor(_C.empty(shape_of(size, "empty"), _code(dtype), _device(device).code))
    return result.requires_grad_() if requires_grad else result


def full(
    size: Sequence[int],
    fill_value: float,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of the given sizes, every element ``fill_value``, whose type decides the default dtype.

    Example:
        >>> lamina.full((2,), 7)
        tensor([7, 7])
    """
    if dtype is None:
        dtype = tensor(fill_value).dtype
    result = empty(size, dtype=dtype, device=device)
    _C.fill(result._array, fill_value)
    return result.requires_grad_() if requires_grad else result


def zeros(
    *size: Any, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of zeros; arguments as :func:`lamina.empty`.

    Example:
        >>> lamina.zeros(2, 3).shape
        lamina.Size([2, 3])
    """
    return full(
        shape_of(size, "zeros"), 0, dtype=dtype or _default(), device=device, requires_grad=requires_grad
    )


def ones(
    *size: Any, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of ones; arguments as :func:`lamina.empty`."""
    return full(
        shape_of(size, "ones"), 1, dtype=dtype or _default(), device=device, requires_grad=requires_grad
    )


def empty_like(
    input: Tensor, *, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """An uninitialised tensor of the shape, memory order and (by default) dtype of ``input``."""
    code = input._array.dtype if dtype is None else dtype.code
    result = Tensor(_C.empty_like(input._array, code))
    if device is not None:
        result = result.to(device)
    return result.requires_grad_() if requires_grad else result


def full_like(
    input: Tensor,
    fill_value: float,
    *,
    dtype: dtype | None = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor like ``input``, every element ``fill_value``."""
    result = empty_like(input, dtype=dtype, device=device)
    _C.fill(result._array, fill_value)
    return result.requires_grad_() if requires_grad else result


def zeros_like(
    input: Tensor, *, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape of ``input``."""
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(
    input: Tensor, *, dtype: dtype | None = None, device: Device = None, requires_grad: bool = False
) -> Tensor:
    """Ones in the shape of ``input``."""
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


@method()
def fill_(self: Tensor, value: Any) -> Tensor:
    """Sets every element to ``value``, a number or a 0-d tensor."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise ValueError(f"[fill_] expected a number or a 0-d tensor, got shape {tuple(value.shape)}")
        return self.copy_(value.expand(self.shape))
    if self._check_inplace("fill_"):
        return self._become(full_like(self.detach(), value))
    _C.fill(self._array, value)
    return self


@method()
def zero_(input: Tensor) -> Tensor:
    """Sets every element to 0."""
    return fill_(input, 0)


def _like_self(self: Tensor, dtype: dtype | None, device: Device) -> dict[str, Any]:
    return {
        "dtype": self.dtype if dtype is None else dtype,
        "device": self.device if device is None else device,
    }


@method()
def new_empty(self: Tensor, *size: Any, dtype: dtype | None = None, device: Device = None) -> Tensor:
    """An uninitialised tensor of this one's dtype and device."""
    return empty(shape_of(size, "new_empty"), **_like_self(self, dtype, device))


@method()
def new_full(
    self: Tensor, size: Sequence[int], fill_value: float, *, dtype: dtype | None = None, device: Device = None
) -> Tensor:
    """A tensor of this one's dtype and device, every element ``fill_value``."""
    return full(size, fill_value, **_like_self(self, dtype, device))


@method()
def new_zeros(self: Tensor, *size: Any, dtype: dtype | None = None, device: Device = None) -> Tensor:
    """Zeros of this tensor's dtype and device."""
    return zeros(shape_of(size, "new_zeros"), **_like_self(self, dtype, device))


@method()
def new_ones(self: Tensor, *size: Any, dtype: dtype | None = None, device: Device = None) -> Tensor:
    """Ones of this tensor's dtype and device."""
    return ones(shape_of(size, "new_ones"), **_like_self(self, dtype, device))


@method()
def new_tensor(self: Tensor, data: Any, *, dtype: dtype | None = None, device: Device = None) -> Tensor:
    """A tensor with a copy of ``data``, of this one's dtype and device."""
    return tensor(data, **_like_self(self, dtype, device))


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats and of ``zeros``, ``rand`` and their kin."""
    return _default()


def set_default_dtype(d: dtype) -> None:
    """Sets what :func:`get_default_dtype` gives; ``d`` must be floating."""
    _C.set_default_dtype(d.code)


def shape_of(size: Sequence[Any], op: str) -> tuple[int, ...]:
    """Sizes given as ``f(2, 3)`` or ``f((2, 3))``, as one tuple of integers."""
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        size = size[0]
    try:
        return tuple([s.__index__() for s in size])
    except (AttributeError, TypeError):
        raise TypeError(f"[{op}] expected integer sizes, got {size!r}") from None


def _default() -> dtype:
    return BY_CODE[_C.default_dtype()]


def _code(dtype: dtype | None) -> int:
    return _C.default_dtype() if dtype is None else dtype.code


def _device(place: Device) -> device:
    return CPU if place is None else device(place)


def _copy_of(data: Any, dtype: dtype | None) -> _C.Array:
    import numpy as np

    if isinstance(data, Tensor):
        array = data._array
        return _C.cast(array, dtype.code) if dtype and dtype.code != array.dtype else _C.clone(array)
    if isinstance(data, (np.ndarray, np.generic)):
        values = np.asarray(data)
    else:
        values = _from_sequence(data)
        if dtype is None and values.dtype == np.float64:
            dtype = _default()
    array = _C.from_numpy(values)
    return _C.clone(array) if dtype is None or dtype.code == array.dtype else _C.cast(array, dtype.code)


def _from_sequence(data: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    if isinstance(data, (list, tuple)):
        data = _plain(data)
    try:
        values = np.array(data)
    except ValueError as error:
        raise ValueError(f"[tensor] expected sequences of equal lengths: {error}") from None
    if values.size == 0 and values.dtype == np.float64:
        return values
    if values.dtype.kind not in "biuf":
        raise TypeError(f"[tensor] expected numbers, got {values.dtype.name} from {type(data).__name__}")
    return values.astype(np.int64) if values.dtype.kind in "iu" else values


def _plain(data: Any) -> Any:
    """Nested sequences with tensors in them as nested sequences of NumPy arrays."""
    if isinstance(data, Tensor):
        return data.detach().cpu().numpy()
    return [_plain(x) for x in data] if isinstance(data, (list, tuple)) else data
