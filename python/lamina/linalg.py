"""The functions of ``torch.linalg`` that lamina has."""

from __future__ import annotations

from lamina.ops.moments import vector_norm

__all__ = ["vector_norm"]
