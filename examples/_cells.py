"""Units of a recurrent network that follow something a person would look for in a text.

Source: Karpathy, Johnson & Fei-Fei, 2015 (arXiv:1506.02078: interpretable cells).
"""

from __future__ import annotations

import numpy as np


def features(text: str) -> dict[str, np.ndarray]:
    """What a person might look for, one number per character [T]."""
    depth, quoted, column, word, indented = 0, False, 0, 0, True
    rows = []
    for character in text:
        if character == "\n":
            depth, quoted, column, indented = 0, False, 0, True  # a stray bracket should not count for ever
        else:
            depth = max(0, depth + (character in "([{") - (character in ")]}"))
            quoted ^= character == '"'
            column += 1
            indented &= character == " "
        word = word + 1 if character.isalnum() else 0
        rows.append((quoted, depth > 0, column, word, indented, character.isupper()))
    names = ("inside quotes", "inside brackets", "column", "place in the word", "indentation", "upper case")
    return dict(zip(names, np.array(rows, float).T, strict=True))


def best_units(hidden: np.ndarray, wanted: dict[str, np.ndarray]) -> dict[str, tuple[int, float]]:
    """For each feature the unit with the largest correlation over the text, and that correlation."""
    centred = hidden - hidden.mean(0)
    spread = np.linalg.norm(centred, axis=0) + 1e-12
    found = {}
    for name, series in wanted.items():
        series = series - series.mean()
        if not series.any():
            continue  # the text never has it
        correlation = series @ centred / (np.linalg.norm(series) * spread)
        unit = int(np.abs(correlation).argmax())
        found[name] = unit, float(correlation[unit])
    return found
