"""How exactly CUDA devices multiply float32, under torch's names.

Tensor cores multiply TF32: float32 with its mantissa rounded to 10 bits, sums in float32.  That is several times faster
than float32 itself, and about as exact as float16.  By itself lamina rounds nothing: both switches are off, where torch
has the one of convolutions on.
"""

from __future__ import annotations

from lamina import _C

__all__ = ["cudnn", "matmul"]


def _checked(allow: bool, name: str) -> bool:
    if not isinstance(allow, bool):
        raise TypeError(f"[{name}] expected True or False, got {allow!r}")
    return allow


class _Matmul:
    """Of matrix products: ``matmul``, ``linear`` and what is built of them.

    Example:
        >>> lamina.backends.cuda.matmul.allow_tf32
        False
    """

    @property
    def allow_tf32(self) -> bool:
        """Whether factors of type float32 may be rounded to TF32."""
        return _C.cuda_matmul_allows_tf32()

    @allow_tf32.setter
    def allow_tf32(self, allow: bool) -> None:
        _C.cuda_set_matmul_allows_tf32(_checked(allow, "backends.cuda.matmul.allow_tf32"))


class _Convolutions:
    """Of convolutions.  The name is torch's; the kernels are lamina's own.

    Example:
        >>> lamina.backends.cudnn.allow_tf32
        False
    """

    @property
    def allow_tf32(self) -> bool:
        """Whether factors of type float32 may be rounded to TF32."""
        return _C.cuda_conv_allows_tf32()

    @allow_tf32.setter
    def allow_tf32(self, allow: bool) -> None:
        _C.cuda_set_conv_allows_tf32(_checked(allow, "backends.cudnn.allow_tf32"))


matmul = _Matmul()
cudnn = _Convolutions()
