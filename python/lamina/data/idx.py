"""Reader of IDX, MNIST's format: the bytes 0 0 type ndim, ndim big-endian 32-bit sizes, the values."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_BYTES = 1 << 40  # a header that claims more is not believed


def read_idx(path: str | Path) -> NDArray[Any]:
    """Reads an IDX file, plain or compressed with gzip.

    Args:
        path: the file.

    Returns:
        Its array, in native byte order.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, too long or not IDX; the message names it.
    """
    path = Path(path)
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            return _read(cast(BinaryIO, gzip.open(raw)) if compressed else raw, path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"[read_idx] {path}: expected a whole gzip file, got {error}") from error


def _read(file: BinaryIO, path: Path) -> NDArray[Any]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise ValueError(
            f"[read_idx] {path}: expected the magic bytes 00 00 type ndim of IDX, got {magic.hex(' ')!r}"
        )
    dtype, ndim = np.dtype(_DTYPES[magic[2]]), magic[3]
    sizes = file.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(f"[read_idx] {path}: expected {ndim} sizes in the header, got {len(sizes)} bytes")
    shape = struct.unpack(f">{ndim}I", sizes)
    expected = math.prod(shape) * dtype.itemsize
    if expected > _MAX_BYTES:
        raise ValueError(f"[read_idx] {path}: expected a plausible shape, got {shape}")
    values = file.read(expected)
    if len(values) < expected or file.read(1):
        got = f"{len(values)}" if len(values) < expected else "more"
        raise ValueError(f"[read_idx] {path}: expected {expected} bytes of values for {shape}, got {got}")
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="))
