"""Tensor: a compiled array plus its place in the autograd graph.

The class holds what every tensor is; what can be computed with one lives in ``lamina.ops``, whose functions attach
themselves as methods through :func:`method`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from lamina import _C
from lamina.autograd import inplace
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import AccumulateGrad, Edge, Node, leaf_edge, set_tensor_type
from lamina.autograd.hooks import Hook, KeepGrad
from lamina.devices import device
from lamina.dtypes import BY_CODE, dtype
from lamina.size import Size

if TYPE_CHECKING:
    import numpy as np

    from lamina._methods import TensorMethods  # what lamina.ops attaches, as tools/stubs.py found it
else:
    TensorMethods = object

F = TypeVar("F", bound=Callable[..., Any])


class Tensor(TensorMethods):
    """A multi-dimensional array that remembers how it was computed.  Made by :func:`lamina.tensor` and its kin.

    The attributes below are defaults; a tensor that differs has its own.
    """

    _requires_grad: bool = False
    _edge: Edge | None = None
    _grad: Tensor | None = None
    _base: Tensor | None = None  # of a view: the tensor whose memory it shows
    _views: list[weakref.ref[Tensor]] | None = None  # of a base: its views
    _keeper: Hook | None = None  # of a tensor that is no leaf: what keeps its gradient

    def __init__(self, array: _C.Array) -> None:
        self._array = array
        self._requires_grad = False  # every op reads these two: an instance's own are found at once
        self._edge = None

    # -- what it is

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    @property
    def dtype(self) -> dtype:
        return BY_CODE[self._array.dtype]

    @property
    def device(self) -> device:
        return device.from_code(self._array.device)

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.numel * self.dtype.itemsize

    def size(self, dim: int | None = None) -> Size | int:
        """The shape, or the size of one dimension."""
        shape = self.shape
        if dim is None:
            return shape
        if not -len(shape) <= dim < len(shape):
            raise IndexError(f"[size] expected a dimension of shape {tuple(shape)}, got {dim}")
        return shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.numel

    nelement = numel

    def element_size(self) -> int:
        """Bytes an element."""
        return self.dtype.itemsize

    def stride(self, dim: int | None = None) -> tuple[int, ...] | int:
        """How many elements apart neighbours along each dimension lie in memory, or along one."""
        strides = self._array.strides
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """Elements from the start of the storage to the first of this tensor."""
        return self._array.offset

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._array.data_ptr

    def is_contiguous(self) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        return self._array.is_contiguous()

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return False

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    # -- its place in the graph

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Asks for gradients of this leaf, or no longer; returns it."""
        if requires_grad and not self.dtype.is_floating_point:
            raise RuntimeError(f"[requires_grad_] only floating tensors have gradients, got {self.dtype}")
        if not self.is_leaf:
            if not requires_grad:
                raise RuntimeError("[requires_grad_] only a leaf can stop requiring a gradient; use detach()")
            return self
        if not requires_grad:
            self._edge = None
        self._requires_grad = bool(requires_grad)
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward accumulated, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"[grad] expected a tensor or None, got {type(value).__name__}")
            if value is self:
                raise RuntimeError("[grad] a tensor can't be its own gradient")
            if value._array.signature != self._array.signature:
                raise RuntimeError(
                    f"[grad] expected a gradient of shape {tuple(self.shape)}, {self.dtype} on {self.device}, "
                    f"got shape {tuple(value.shape)}, {value.dtype} on {value.device}"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def is_leaf(self) -> bool:
        return self._edge is None or type(self._edge[0]) is AccumulateGrad

    @property
    def grad_fn(self) -> Node | None:
        return None if self.is_leaf else self._edge[0]  # type: ignore[index]

    @property
    def output_nr(self) -> int:
        return self._edge[1] if self._edge is not None else 0

    @property
    def _version(self) -> int:
        return self._array.version

    def detach(self) -> Tensor:
        """The same memory, outside the graph."""
        return Tensor(self._array.alias())

    def detach_(self) -> Tensor:
        """Takes this tensor out of the graph; it becomes a leaf."""
        self._edge, self._requires_grad = None, False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory, outside the graph.  Assigning gives this tensor other memory and keeps its place."""
        return Tensor(self._array.alias())

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"[data] expected a tensor, got {type(value).__name__}")
        if self._requires_grad and not value.dtype.is_floating_point:
            raise RuntimeError(f"[data] a tensor that requires a gradient can't hold {value.dtype}")
        if self.is_leaf:
            self._edge = None  # its accumulator knows the old shape and dtype
        self._array = value._array

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | list[Tensor] | None = None,
    ) -> None:
        """Adds the gradients of this tensor to the ``grad`` of the leaves it depends on.

        Args:
            gradient: the gradient of this tensor; may be omitted for one element.
            retain_graph: keep the graph for another walk; default: as ``create_graph``.
            create_graph: record the backward pass, for higher derivatives.
            inputs: accumulate into these tensors only.
        """
        from lamina.autograd.engine import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Hook:
        """Calls ``hook(grad)`` when this tensor's gradient is computed; what it returns replaces the gradient."""
        if not self._requires_grad:
            raise RuntimeError("[register_hook] a tensor that requires no gradient has none to hook")
        return Hook(*(self._edge or leaf_edge(self)), hook)

    def retain_grad(self) -> None:
        """Keeps the gradient of a tensor that is not a leaf in ``grad``."""
        if not self._requires_grad:
            raise RuntimeError("[retain_grad] a tensor that requires no gradient has none to keep")
        if self._keeper is None and not self.is_leaf:
            assert self._edge is not None
            self._keeper = Hook(*self._edge, KeepGrad(self))

    @property
    def retains_grad(self) -> bool:
        """Whether backward stores the gradient of this tensor, no leaf, in ``grad``."""
        return self._keeper is not None

    def _view(self, array: _C.Array) -> Tensor:
        """Another view of this tensor's memory, not recorded yet."""
        result = Tensor(array)
        base = self if self._base is None else self._base
        result._base = base
        if mode.enabled:
            inplace.add_view(base, result)
        return result

    def _check_inplace(self, op: str, *others: object) -> bool:
        """Whether a write in place must be recorded; raises where it can't be."""
        return inplace.must_record(self, op, others)

    def _become(self, result: Tensor) -> Tensor:
        """Takes over the values and the place in the graph of ``result``: the end of a recorded in-place op."""
        return inplace.become(self, result)

    # -- as Python and NumPy see it

    def item(self) -> float | int | bool:
        """The only element, as a Python number."""
        return self._array.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        from lamina.ops.convert import tolist

        return tolist(self)

    def numpy(self, *, force: bool = False) -> np.ndarray[Any, Any]:
        """A NumPy array on the same memory.

        Args:
            force: detach and copy to the CPU as needed, instead of raising.
        """
        if force:
            return self.detach().cpu().numpy()
        if self._requires_grad:
            raise RuntimeError("[numpy] this tensor requires a gradient; use tensor.detach().numpy()")
        return self._array.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"[__array__] a tensor of {self.dtype} becomes {dtype} only by a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    __array_priority__ = 1000  # numpy_array * tensor is the tensor's to compute

    def __bool__(self) -> bool:
        if self._array.numel != 1:
            raise RuntimeError(
                f"[bool] expected one element, got shape {tuple(self.shape)}; use any() or all()"
            )
        return bool(self._array.item())

    def __int__(self) -> int:
        return int(self._array.item())

    def __float__(self) -> float:
        return float(self._array.item())

    def __index__(self) -> int:
        if self.dtype.is_floating_point or self._array.numel != 1:
            raise TypeError(f"[index] expected one integer, got {self.dtype} of shape {tuple(self.shape)}")
        return int(self._array.item())

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("[len] a 0-d tensor has no length")
        return self._array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self._array.ndim == 0:
            raise TypeError("[iter] a 0-d tensor can't be iterated over")
        return iter([self[i] for i in range(len(self))])

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        from lamina.ops.printing import tensor_repr

        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self._array.ndim == 0 else repr(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("[deepcopy] only leaves can be copied deeply; detach() it first")
        result = type(self).__new__(type(self))
        memo[id(self)] = result
        result.__dict__.update({k: v for k, v in self.__dict__.items() if k not in _PLACE})
        result._array = _C.clone(self._array)
        if self._grad is not None:
            result._grad = self._grad.detach().clone()
        return result

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detach().cpu().numpy(), self._requires_grad)


_PLACE = ("_edge", "_base", "_grad", "_views", "_keeper")  # what a copy does not take along
set_tensor_type(Tensor)


def _rebuild(cls: type[Tensor], values: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    result = cls.__new__(cls)
    result._array = _C.clone(_C.from_numpy(values))
    result._requires_grad = requires_grad
    return result


def method(*names: str) -> Callable[[F], F]:
    """Attaches a function whose first argument is a tensor to Tensor, under its own name or those given."""

    def attach(function: F) -> F:
        for name in names or (function.__name__,):
            setattr(Tensor, name, function)
        return function

    return attach
