"""repr of tensors, as torch prints them."""

from __future__ import annotations

from lamina.tensor import Tensor


def tensor_repr(x: Tensor) -> str:
    return f"tensor({x.tolist()})"
