"""The functions of ``torch.linalg`` that lamina has."""

from __future__ import annotations

from lamina.ops.matmul import matmul
from lamina.ops.moments import vector_norm

__all__ = ["matmul", "vector_norm"]
