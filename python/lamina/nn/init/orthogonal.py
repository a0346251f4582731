"""Orthonormal weights."""

from __future__ import annotations

from lamina import _C
from lamina.nn.init.plain import in_place
from lamina.random import Generator
from lamina.tensor import Tensor

__all__ = ["orthogonal_"]


@in_place
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Makes the rows (or, if there are more rows, the columns) orthonormal (Saxe et al., arXiv 1312.6120).

    Args:
        tensor: at least 2 dimensions; those after the first count as one.
        gain: a factor of the values.
        generator: where the draws come from.
    """
    import numpy as np

    if tensor.ndim < 2:
        raise ValueError(f"[orthogonal_] expected at least 2 dimensions, got shape {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    drawn = (
        tensor.detach().clone().contiguous().normal_(generator=generator).double().numpy().reshape(rows, -1)
    )
    tall = drawn if drawn.shape[0] >= drawn.shape[1] else drawn.T
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))  # makes the decomposition, and so the distribution, unique
    q = q if drawn.shape[0] >= drawn.shape[1] else q.T
    values = np.ascontiguousarray(gain * q).reshape(tuple(tensor.shape))
    _C.copy_to(tensor._array, _C.from_numpy(values))
    return tensor
