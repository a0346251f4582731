"""Element types, with torch's names."""

from __future__ import annotations

import builtins


class dtype:  # noqa: N801 (torch's name)
    """The type of a tensor's elements, such as ``lamina.float32``.

    Attributes:
        name: the name after ``lamina.``.
        code: the number that stands for it in the compiled module.
        itemsize: bytes an element.
        is_floating_point: whether it is one of the four floating types.
    """

    __slots__ = ("code", "is_floating_point", "itemsize", "name")

    def __init__(
        self, name: str, code: builtins.int, itemsize: builtins.int, is_floating_point: builtins.bool
    ) -> None:
        self.name = name
        self.code = code
        self.itemsize = itemsize
        self.is_floating_point = is_floating_point

    @property
    def is_complex(self) -> builtins.bool:
        return False

    def __repr__(self) -> str:
        return f"lamina.{self.name}"

    def __reduce__(self) -> tuple[object, ...]:
        return _by_code, (self.code,)


def _by_code(code: builtins.int) -> dtype:
    return BY_CODE[code]


# The order is csrc/core/dtype.h's.
BY_CODE = (
    bool := dtype("bool", 0, 1, False),
    uint8 := dtype("uint8", 1, 1, False),
    int8 := dtype("int8", 2, 1, False),
    int32 := dtype("int32", 3, 4, False),
    int64 := dtype("int64", 4, 8, False),
    float16 := dtype("float16", 5, 2, True),
    bfloat16 := dtype("bfloat16", 6, 2, True),
    float32 := dtype("float32", 7, 4, True),
    float64 := dtype("float64", 8, 8, True),
)
int, long, half, float, double = int32, int64, float16, float32, float64
