"""What a name's samples gave: counts, and each difference in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from parity.compare import is_tensor

Aspect = Literal["values", "gradients", "second", "errors"]
ASPECTS: tuple[Aspect, ...] = ("values", "gradients", "second", "errors")


@dataclass(frozen=True)
class Difference:
    """A sample on which lamina and torch part.

    Attributes:
        name: the name in the database.
        aspect: what was compared.
        text: the form of the call, the dtype and the arguments, and what differs.
    """

    name: str
    aspect: Aspect
    text: str

    def __str__(self) -> str:
        return f"{self.name}, {self.aspect}: {self.text}"


@dataclass
class Tally:
    """The counts of one name.

    Attributes:
        checked: comparisons made, by aspect.
        differences: those that failed.
        left_out: samples that hold what lamina has no counterpart of, such as complex numbers.
        refused: integer dtypes that torch takes and lamina refuses in every sample.
    """

    name: str
    checked: dict[Aspect, int] = field(default_factory=lambda: dict.fromkeys(ASPECTS, 0))
    differences: list[Difference] = field(default_factory=list)
    left_out: int = 0
    refused: list[str] = field(default_factory=list)

    def add(self, aspect: Aspect, where: str, problem: str | None) -> None:
        self.checked[aspect] += 1
        if problem is not None:
            self.differences.append(Difference(self.name, aspect, f"{where}: {problem}"))

    def passed(self, aspect: Aspect) -> int:
        return self.checked[aspect] - sum(d.aspect == aspect for d in self.differences)

    def take(self, part: Tally, dtype: str) -> None:
        """Adds the counts of one dtype's samples, or notes that lamina does not offer that dtype here."""
        refusals = sum(": TypeError: [" in d.text and "expected" in d.text for d in part.differences)
        if "float" not in dtype and refusals == part.checked["values"] > 0:
            self.refused.append(dtype)
            return
        for aspect in ASPECTS:
            self.checked[aspect] += part.checked[aspect]
        self.differences += part.differences
        self.left_out += part.left_out


def brief(x: Any) -> str:
    """An argument in few words: tensors by dtype and shape."""
    if is_tensor(x):
        dtype = str(x.dtype).rpartition(".")[2]
        return f"{dtype}{list(x.shape)}"
    if type(x) is dict:
        return ", ".join(f"{k}={brief(v)}" for k, v in x.items())
    if type(x) in (list, tuple):
        inside = ", ".join(brief(v) for v in x)
        return f"[{inside}]" if type(x) is list else f"({inside})"
    return repr(x)


def brief_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    return ", ".join([brief(x) for x in args] + ([brief(kwargs)] if kwargs else []))
