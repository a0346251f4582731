"""Weight and spectral normalisation as parametrizations, as in torch.nn.utils.parametrizations."""

from __future__ import annotations

from lamina.autograd.grad_mode import no_grad
from lamina.nn.modules.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from lamina.nn.modules.module import Module
from lamina.nn.utils.parametrize import register_parametrization
from lamina.ops.creation import empty
from lamina.ops.matmul import dot, mv
from lamina.tensor import Tensor

__all__ = ["spectral_norm", "weight_norm"]


def norm_except_dim(v: Tensor, dim: int | None) -> Tensor:
    """The 2-norm of each slice of ``v`` at an index of ``dim``; of all of it for None or -1."""
    if dim is None or dim == -1:
        return v.norm()
    keep = dim % v.ndim
    return v.norm(dim=[d for d in range(v.ndim) if d != keep], keepdim=True) if v.ndim > 1 else v.abs()


def unit(x: Tensor, eps: float) -> Tensor:
    """A vector of length 1."""
    return x / x.norm().clamp(min=eps)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """(the size of ``dim``, everything else)."""
    return weight.movedim(dim, 0).flatten(1)


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learns a weight's length and direction apart: ``w = g v / |v|`` (Salimans and Kingma, arXiv:1602.07868).

    Args:
        module: whose weight it is.
        name: the weight's.
        dim: the dimension along which each index has a length of its own; None or -1 for one length in all.

    Returns:
        The module; its state dict has ``parametrizations.weight.original0`` (g) and ``original1`` (v) for the weight.

    Raises:
        ValueError: if there is no such weight.

    Example:
        >>> layer = lamina.nn.utils.parametrizations.weight_norm(lamina.nn.Linear(3, 2))
        >>> layer.parametrizations.weight.original0.shape
        lamina.Size([2, 1])
    """
    return register_parametrization(module, name, _WeightNorm(dim))


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"[spectral_norm] dimension {dim} is out of range for shape {tuple(weight.shape)}"
            )
        if n_power_iterations <= 0:
            raise ValueError(f"[spectral_norm] expected n_power_iterations above 0, got {n_power_iterations}")
        self.dim, self.eps, self.n_power_iterations = dim % weight.ndim, eps, n_power_iterations
        if weight.ndim > 1:
            with no_grad():
                matrix = as_matrix(weight, self.dim)
                for side, size in (("_u", matrix.shape[0]), ("_v", matrix.shape[1])):
                    drawn = empty(size, dtype=weight.dtype, device=weight.device).normal_()
                    self.register_buffer(side, unit(drawn, eps))
                self._power_method(matrix, 15)

    def _power_method(self, matrix: Tensor, iterations: int) -> None:
        with no_grad():  # in place: the buffers are the module's state
            for _ in range(iterations):
                self._u.copy_(unit(mv(matrix, self._v), self.eps))
                self._v.copy_(unit(mv(matrix.t(), self._u), self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return unit(weight, self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._power_method(matrix, self.n_power_iterations)
        # Copies: another forward pass before this one's backward changes the buffers.
        return weight / dot(self._u.clone(), mv(matrix, self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divides a weight, as a matrix, by its largest singular value (Miyato et al., arXiv:1802.05957).

    Args:
        module: whose weight it is.
        name: the weight's.
        n_power_iterations: steps of the power method each time the weight is read in training mode.
        eps: the least length that a vector is divided by.
        dim: the rows of the matrix; None for 0, or 1 in transposed convolutions.

    Returns:
        The module; its state dict has ``parametrizations.weight.original`` for the weight and the singular vectors
        ``parametrizations.weight.0._u`` and ``_v``.

    Raises:
        ValueError: if there is no such weight, or for no iterations.
        IndexError: if the weight has no such dimension.

    Example:
        >>> layer = lamina.nn.utils.parametrizations.spectral_norm(lamina.nn.Linear(20, 40), n_power_iterations=50)
        >>> bool((np.linalg.norm(layer.weight.detach().numpy(), 2) - 1) < 1e-2)
        True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"[spectral_norm] {type(module).__name__} has no parameter or buffer {name!r}")
    parametrization = _SpectralNorm(weight, n_power_iterations, rows_of(module) if dim is None else dim, eps)
    return register_parametrization(module, name, parametrization)


def rows_of(module: Module) -> int:
    """The dimension of a layer's weight that counts its outputs."""
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0
