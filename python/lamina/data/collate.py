"""Turning samples into batches: the rules of torch's ``default_collate`` and ``default_convert``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import lamina
from lamina.dtypes import bool as bool_
from lamina.dtypes import float64, int64
from lamina.tensor import Tensor


def pinned(data: Any) -> Any:
    """Tensors inside ``data``, and what else has a ``pin_memory`` method, in page-locked memory; the rest stays."""
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, Mapping):
        return {key: pinned(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pinned(value) for value in data))
    if isinstance(data, (list, tuple)):
        return type(data)(pinned(value) for value in data)
    return data


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars inside ``data`` become tensors; everything else stays."""
    if isinstance(data, np.generic):
        return lamina.tensor(data.item(), dtype=lamina.from_numpy(np.empty(0, data.dtype)).dtype)
    if isinstance(data, np.ndarray):
        return data if data.dtype.kind in "SUO" else lamina.from_numpy(data)
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return [default_convert(value) for value in data]
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Batches a list of samples: a new first dimension in front of each tensor, array or number.

    Tensors and arrays of equal shape are stacked, numbers become a tensor (int64, float64, bool), strings a
    list; mappings, named tuples, tuples and lists are collated entry by entry.

    Args:
        batch: the samples, at least one.

    Raises:
        ValueError: samples differ in shape, length or keys, or there are none.
        TypeError: a sample is of a type that has no batch.

    Example:
        >>> import numpy as np, lamina
        >>> images, labels = lamina.data.default_collate([(np.zeros((1, 8, 8)), 3), (np.ones((1, 8, 8)), 5)])
        >>> images.shape, labels.tolist()
        (lamina.Size([2, 1, 8, 8]), [3, 5])
    """
    if not batch:
        raise ValueError("[default_collate] expected at least one sample, got none")
    first = batch[0]
    if isinstance(first, Tensor):
        _check_equal("shape", [tuple(sample.shape) for sample in batch])
        return lamina.stack(list(batch))
    if isinstance(first, (np.ndarray, np.generic)) and first.dtype.kind not in "SUO":
        _check_equal("shape", [np.shape(sample) for sample in batch])
        return lamina.from_numpy(np.stack(batch))
    if isinstance(first, bool):
        return lamina.tensor(list(batch), dtype=bool_)
    if isinstance(first, int):
        return lamina.tensor(list(batch), dtype=int64)
    if isinstance(first, float):
        return lamina.tensor(list(batch), dtype=float64)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        _check_equal("keys", [set(sample) for sample in batch])
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        _check_equal("length", [len(sample) for sample in batch])
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if isinstance(first, tuple) and hasattr(first, "_fields") else columns
    raise TypeError(
        "[default_collate] expected samples of tensors, arrays, numbers, strings, mappings or sequences, got "
        f"{type(first).__name__}; images need the transform ToTensor(), other types a collate_fn of your own"
    )


def _check_equal(what: str, values: list[Any]) -> None:
    for value in values:
        if value != values[0]:
            raise ValueError(
                f"[default_collate] expected samples of equal {what}, got {values[0]} and {value}"
            )
