"""Activations across a dimension: softmax and its kin, GLU, Maxout."""

from __future__ import annotations

from lamina.nn import functional as F
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["GLU", "LogSoftmax", "Maxout", "Softmax", "Softmax2d", "Softmin"]


class _Along(Module):
    """A function along one dimension.

    Args:
        dim: the dimension.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_Along):
    """``exp(x) / sum(exp(x))`` along a dimension.

    Example:
        >>> lamina.nn.Softmax(dim=0)(lamina.zeros(2))
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class LogSoftmax(_Along):
    """``log(softmax(x))`` along a dimension."""

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)


class Softmin(_Along):
    """``softmax(-x)`` along a dimension."""

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)


class GLU(Module):
    """``a * sigmoid(b)``, a and b the halves along a dimension.

    Args:
        dim: the dimension.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W), at each place.

    Raises:
        ValueError: for other numbers of dimensions.
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"[Softmax2d] expected 3 or 4 dimensions, got shape {tuple(input.shape)}")
        return F.softmax(input, -3)


class Maxout(Module):
    """The greatest of every ``pieces`` neighbouring maps; see :func:`lamina.nn.functional.maxout`.

    Args:
        pieces: how many maps compete for one output.
        dim: the dimension of the maps.

    Example:
        >>> unit = nn.Sequential(nn.Linear(4, 6), nn.Maxout(2))
        >>> unit(lamina.ones(5, 4)).shape
        lamina.Size([5, 3])
    """

    def __init__(self, pieces: int, dim: int = 1) -> None:
        super().__init__()
        if pieces < 1:
            raise ValueError(f"[Maxout] expected at least 1 piece, got {pieces}")
        self.pieces, self.dim = pieces, dim

    def forward(self, input: Tensor) -> Tensor:
        return F.maxout(input, self.pieces, self.dim)

    def extra_repr(self) -> str:
        return f"pieces={self.pieces}, dim={self.dim}"
