"""Text to learn characters from, as windows that continue each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import lamina

FORTUNES = Path("/usr/share/games/fortunes")


def read_text(path: Path | None) -> str:
    """A file's text; without one that of Debian's fortunes; where they are not installed Python's reference pages.

    Raises:
        SystemExit: the file is not there, or no text.
    """
    if path is not None:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SystemExit(f"--text {path}: expected a file of UTF-8 text: {error}") from error
    # Beside each collection lie its index (.dat) and a link to it (.u8).
    files = sorted(f for f in FORTUNES.glob("*") if f.is_file() and not f.suffix)
    if files:
        print(f"text: {len(files)} files of {FORTUNES}")
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
    print(
        f"text: Python's reference pages, for there are no fortunes in {FORTUNES}; "
        "sudo apt install fortunes, or --text FILE, gives another"
    )
    from pydoc_data import topics

    return "\n".join(topics.topics[name] for name in sorted(topics.topics))


class Corpus:
    """The text as numbers; the last tenth is held out."""

    def __init__(self, text: str) -> None:
        self.characters = sorted(set(text))
        number = {character: i for i, character in enumerate(self.characters)}
        tokens = np.array([number[character] for character in text])
        cut = len(tokens) * 9 // 10
        self.train, self.test = tokens[:cut], tokens[cut:]

    def encode(self, text: str) -> lamina.Tensor:
        return lamina.tensor([[self.characters.index(character) for character in text]])

    def decode(self, tokens: lamina.Tensor) -> str:
        return "".join(self.characters[i] for i in tokens.tolist())


def windows(tokens: np.ndarray, streams: int, length: int) -> lamina.Tensor:
    """[windows, streams, length + 1]: row s of window w goes on where row s of window w - 1 ended."""
    count = (len(tokens) - 1) // (streams * length)
    if not count:
        raise SystemExit(f"expected a text of more than {streams * length} characters, got {len(tokens)}")
    starts = np.arange(streams)[:, None] * (count * length) + np.arange(count * length + 1)
    rows = tokens[starts]  # [streams, count * length + 1]
    parts = [rows[:, first : first + length + 1] for first in range(0, count * length, length)]
    return lamina.from_numpy(np.stack(parts))
