"""Where a tensor lives."""

from __future__ import annotations

from lamina import _C

_TYPES = ("cpu", "cuda")
_MOST = 127  # the greatest index that an array can name


class device:  # noqa: N801 (torch's name)
    """A place for tensors: ``lamina.device("cpu")``, ``lamina.device("cuda", 1)`` or ``lamina.device("cuda:1")``.

    Args:
        type: ``"cpu"`` or ``"cuda"``, with ``":index"`` or without.
        index: which device of that type.

    Raises:
        ValueError: if the name is of no device.

    Example:
        >>> lamina.device("cpu").type
        'cpu'
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | device, index: int | None = None) -> None:
        name = type if isinstance(type, str) else str(type)
        kind, colon, number = name.partition(":")
        if kind not in _TYPES or (colon and (not number.isdigit() or index is not None)):
            raise ValueError(f"[device] expected 'cpu' or 'cuda', with ':index' or without, got {type!r}")
        self.type = kind
        self.index = int(number) if number else index
        if self.index is not None and not 0 <= self.index <= _MOST:
            raise ValueError(f"[device] expected an index from 0 to {_MOST}, got {self.index}")

    @property
    def code(self) -> int:
        """How the compiled part names it; ``"cuda"`` is the current device."""
        if self.type == "cpu":
            return 0
        return 1 << 8 | (_C.cuda_current_device() if self.index is None else self.index)

    @staticmethod
    def from_code(code: int) -> device:
        kind = _TYPES[code >> 8]
        return device(kind) if kind == "cpu" else device(kind, code & 0xFF)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, int | None]:
        return self.type, 0 if self.type == "cpu" else self.index

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


CPU = device("cpu")
