"""Tensors in safetensors files, through the safetensors library and NumPy.

NumPy has no bfloat16: such tensors pass through the library as their 16-bit patterns, and the header, which
is JSON behind an 8-byte length, is then given the right dtype.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

import lamina
from lamina.dtypes import bfloat16
from lamina.tensor import Tensor

from .files import write_atomically

_DTYPES = {
    "BOOL": np.bool_,
    "U8": np.uint8,
    "I8": np.int8,
    "I32": np.int32,
    "I64": np.int64,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}


def save(state_dict: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Writes a flat state dict into a safetensors file, atomically.

    Args:
        state_dict: tensors (or NumPy arrays) by name, as from ``Module.state_dict()``.
        path: the file; an old one is replaced once the new one is whole.

    Raises:
        TypeError: a key is not a string or a value not a tensor.

    Example:
        >>> import lamina
        >>> lamina.save({"weight": lamina.ones(2, 3)}, "/tmp/layer.safetensors")
        >>> lamina.load("/tmp/layer.safetensors")["weight"].shape
        lamina.Size([2, 3])
    """
    for name, value in state_dict.items():
        if not isinstance(name, str) or not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(
                f"[save] expected tensors by name, got {type(value).__name__} under {name!r}; "
                "save_checkpoint takes nested states"
            )
    write_tensors(path, state_dict, None)


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Reads all tensors of a safetensors file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, not safetensors, or holds a dtype that lamina lacks; the message
            names it.
    """
    return read_tensors(path)[0]


def write_tensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, Tensor | NDArray[Any]],
    metadata: dict[str, str] | None,
) -> None:
    """Writes tensors by name, and strings that describe them."""
    patterns = {name: _to_numpy(value) for name, value in tensors.items()}
    bf16_names = [name for name, value in tensors.items() if value.dtype == bfloat16]
    data = memoryview(safetensors.numpy.save(patterns, metadata))
    if not bf16_names:
        return write_atomically(path, [data])
    header, end = _header(data)
    for name in bf16_names:
        header[name]["dtype"] = "BF16"
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the values stay aligned
    write_atomically(path, [len(text).to_bytes(8, "little"), text, data[end:]])


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads tensors by name, and the strings that describe them."""
    data = Path(path).read_bytes()
    try:
        entries = safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise ValueError(f"[load] {path}: expected a whole safetensors file, got {error}") from error
    tensors = {}
    for name, entry in entries:
        is_bf16 = entry["dtype"] == "BF16"
        if not is_bf16 and entry["dtype"] not in _DTYPES:
            raise ValueError(
                f"[load] {path}: expected a dtype that lamina has, got {entry['dtype']} of {name}"
            )
        values: NDArray[Any] = np.frombuffer(entry["data"], np.uint16 if is_bf16 else _DTYPES[entry["dtype"]])
        tensors[name] = _from_numpy(values.reshape(entry["shape"]), is_bf16)
    return tensors, _header(memoryview(data))[0].get("__metadata__", {})


def _header(data: memoryview) -> tuple[dict[str, Any], int]:
    """The header of a valid file, and where it ends."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(bytes(data[8:end])), end


def _to_numpy(value: Tensor | NDArray[Any]) -> NDArray[Any]:
    """Contiguous array; of bfloat16 the upper half of the bits of float32, which is the same number."""
    if not isinstance(value, Tensor):
        return np.asarray(value, order="C")
    value = value.detach().cpu()
    values: NDArray[Any] = (value.float() if value.dtype == bfloat16 else value).numpy()
    values = np.asarray(values, order="C")  # unlike ascontiguousarray, it leaves 0-d arrays 0-d
    return np.asarray(values.view(np.uint32) >> 16, np.uint16) if value.dtype == bfloat16 else values


def _from_numpy(values: NDArray[Any], is_bf16: bool) -> Tensor:
    if not is_bf16:
        return lamina.tensor(values)
    wide = np.asarray(values.astype(np.uint32) << 16)  # of a 0-d array << makes a scalar
    return lamina.from_numpy(wide.view(np.float32)).to(bfloat16)
