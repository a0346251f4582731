"""The same call for lamina: names found under torch's, arguments turned into lamina's."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

import lamina
import lamina.linalg
import lamina.nn  # both load on first use otherwise

Memo = dict[int, Any]


class NotOfferedError(Exception):
    """The sample holds something that lamina leaves out altogether, such as complex numbers."""


def find(root: Any, path: str) -> Any:
    """``root.a.b`` for ``"a.b"``, or None."""
    for name in path.split("."):
        root = getattr(root, name, None)
    return root


def function_for(op: Any, library: Any) -> Callable[..., Any] | None:
    """What an entry of op_db calls, as ``library`` has it; None where it lacks the name.

    Entries that wrap their function (``lambda x: x.T``) are built anew with ``torch`` read as the library, and without
    the seed that some set: lamina draws other numbers, so that a draw is told by seeds that change it.
    """
    own = find(library, op.name)
    if own is None and "." not in op.name:
        own = getattr(library.Tensor, op.name, None)
    if own is None or not wraps(op):
        return own
    code = op.op
    names = {**code.__globals__, "torch": library, "wrapper_set_seed": lambda f, *args, **kw: f(*args, **kw)}
    return types.FunctionType(code.__code__, names, code.__name__, code.__defaults__, code.__closure__)


def wraps(op: Any) -> bool:
    """Whether the entry calls its function inside one of its own."""
    return inspect.isfunction(op.op) and op.op.__name__ == "<lambda>"


def draws(op: Any) -> bool:
    """Whether the entry sets a seed: what it calls may draw."""
    return wraps(op) and "wrapper_set_seed" in op.op.__code__.co_names


def twin(x: Any, memo: Memo) -> Any:
    """lamina's counterpart of an argument; one tensor met twice becomes one tensor."""
    if isinstance(x, torch.Tensor):
        if id(x) not in memo:
            memo[id(x)] = twin_tensor(x)
        return memo[id(x)]
    if isinstance(x, (torch.dtype, torch.memory_format)):
        name = str(x).rpartition(".")[2]
        if not hasattr(lamina, name):
            raise NotOfferedError(f"lamina.{name}")
        return getattr(lamina, name)
    if isinstance(x, torch.device):
        return lamina.device(str(x))
    if isinstance(x, torch.Size):
        return lamina.Size(x)
    if isinstance(x, complex):
        raise NotOfferedError("a complex number")
    if isinstance(x, PackedSequence):
        return lamina.nn.utils.rnn.PackedSequence(*(twin(v, memo) for v in x))
    if isinstance(x, torch.nn.Module):
        return twin_module(x)
    if inspect.isroutine(x) and getattr(torch.nn.functional, x.__name__, None) is x:
        return getattr(lamina.nn.functional, x.__name__)
    if type(x) is dict:
        if "out" in x:
            raise NotOfferedError("out=")
        return {k: twin(v, memo) for k, v in x.items() if not isinstance(v, torch.layout)}
    if type(x) in (list, tuple):
        return type(x)(twin(v, memo) for v in x)
    return x


def twin_tensor(x: torch.Tensor) -> lamina.Tensor:
    """The same view of a copy of the same storage."""
    if x.layout is not torch.strided or x.device.type != "cpu":
        raise NotOfferedError(f"{x.layout} on {x.device}")
    name = str(x.dtype).rpartition(".")[2]
    if not isinstance(getattr(lamina, name, None), lamina.dtype):
        raise NotOfferedError(f"lamina.{name}")
    elements = x.untyped_storage().nbytes() // x.itemsize
    if x.ndim > 64 or (elements < x.numel() and all(x.stride())):
        raise NotOfferedError("more dimensions than NumPy has, or less memory than elements")
    memory = x.detach().as_strided((elements,), (1,), 0)
    if x.dtype is torch.bfloat16:
        y = lamina.from_numpy(memory.float().numpy()).to(lamina.bfloat16)
    else:
        y = lamina.from_numpy(memory.clone().numpy())
    y = lamina.as_strided(y, tuple(x.shape), x.stride(), x.storage_offset()).detach()
    return y.requires_grad_() if x.requires_grad else y


def twin_module(x: torch.nn.Module) -> Any:
    """A module that is an argument: one of the same class and settings."""
    cls = getattr(lamina.nn, type(x).__name__)
    if isinstance(x, torch.nn.TransformerEncoderLayer):
        attention, bias = x.self_attn, x.linear1.bias is not None
        y = cls(
            attention.embed_dim, attention.num_heads, x.linear1.out_features, x.dropout.p, twin(x.activation, {}),
            x.norm1.eps, attention.batch_first, x.norm_first, bias,
        )  # fmt: skip
        load(x, y)
        return y
    y = cls()
    for name, value in vars(x).items():
        if isinstance(value, (int, float)) and name in vars(y):
            setattr(y, name, value)
    return y


def load(x: torch.nn.Module, y: Any) -> None:
    """Gives lamina's module the dtype and the state of torch's: the keys must be equal."""
    parameters = [p for p in x.parameters() if p.is_floating_point()]
    if parameters:
        y.to(twin(parameters[0].dtype, {}))
    y.load_state_dict({k: twin(v, {}) for k, v in x.state_dict().items()})
