"""Checkpoints: nested states (model, optimizer, scheduler, loader, metrics …) in one safetensors file.

Tensors go into the file under their path in the state, as ``model.conv.weight``; everything else is a JSON
tree in its metadata. In that tree each object is a tag: {"tensor": name}, {"array": name}, {"tuple": [...]}
or {"dict": [[key, value], ...]}, so that tuples, and keys that are numbers, come back as they were.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina.tensor import Tensor

from .safetensors import read_tensors, write_tensors

_STATE = "lamina.checkpoint"


def save_checkpoint(state: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes a nested state into a safetensors file, atomically: Ctrl-C leaves the old file or the new one.

    Args:
        state: dicts, lists and tuples of tensors, NumPy arrays, numbers, strings, booleans and None.
        path: the file; an old one is replaced once the new one is whole.

    Raises:
        TypeError: a value or key of another type; the message gives its place.

    Example:
        >>> import lamina
        >>> lamina.save_checkpoint({"model": {"w": lamina.ones(3)}, "epoch": 7}, "/tmp/c.safetensors")
        >>> lamina.load_checkpoint("/tmp/c.safetensors")["epoch"]
        7
    """
    tensors: dict[str, Any] = {}
    tree = _encode(state, (), tensors)
    write_tensors(path, tensors, {_STATE: json.dumps(tree)})


def load_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads what ``save_checkpoint`` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or not a checkpoint; the message names it.
    """
    tensors, metadata = read_tensors(path)
    if _STATE not in metadata:
        raise ValueError(
            f"[load_checkpoint] {path}: expected a checkpoint of lamina, got a safetensors file without one; "
            "lamina.load reads its tensors"
        )
    try:
        state = _decode(json.loads(metadata[_STATE]), tensors)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"[load_checkpoint] {path}: expected a whole checkpoint, got {error!r}") from error
    if not isinstance(state, dict):
        raise ValueError(f"[load_checkpoint] {path}: expected a dict, got {type(state).__name__}")
    return state


def _encode(value: Any, path: tuple[str, ...], tensors: dict[str, Any]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (Tensor, np.ndarray)):
        name = ".".join(path)
        while name in tensors or name == "__metadata__":  # the path a.b next to a key "a.b"
            name += "_"
        tensors[name] = value
        return {"tensor" if isinstance(value, Tensor) else "array": name}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, (*path, str(i)), tensors) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, (str, int))]:
            raise TypeError(
                f"[save_checkpoint] {'.'.join(path)}: expected keys of str or int, got {wrong[0]!r}"
            )
        return {"dict": [[key, _encode(item, (*path, str(key)), tensors)] for key, item in value.items()]}
    raise TypeError(
        f"[save_checkpoint] {'.'.join(path)}: expected tensors, arrays, numbers, strings or containers, got "
        f"{type(value).__name__}"
    )


def _decode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, list):
        return [_decode(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    ((tag, content),) = node.items()
    if tag == "dict":
        return {key: _decode(item, tensors) for key, item in content}
    if tag == "tuple":
        return tuple(_decode(item, tensors) for item in content)
    if tag == "tensor":
        return tensors[content]
    if tag == "array":
        return tensors[content].numpy()
    raise ValueError(f"unknown tag {tag!r}")
