"""Where a tensor lives."""

from __future__ import annotations

_TYPES = ("cpu", "cuda")


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

    __slots__ = ("code", "index", "type")

    type: str
    index: int | None
    code: int

    def __init__(self, type: str | device, index: int | None = None) -> None:
        name = type if isinstance(type, str) else str(type)
        kind, colon, number = name.partition(":")
        if kind not in _TYPES or (colon and (not number.isdigit() or index is not None)):
            raise ValueError(f"[device] expected 'cpu' or 'cuda', with ':index' or without, got {type!r}")
        self.type = kind
        self.index = int(number) if number else index
        self.code = _TYPES.index(kind) << 8 | (self.index or 0)

    @staticmethod
    def from_code(code: int) -> device:
        kind = _TYPES[code >> 8]
        return device(kind) if kind == "cpu" else device(kind, code & 0xFF)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.code == other.code

    def __hash__(self) -> int:
        return hash(self.code)

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


CPU = device("cpu")
