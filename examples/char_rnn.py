"""A language model of characters, with vanilla, LSTM and GRU cells on the same text and the same budget.

    python examples/char_rnn.py                        # the three kinds in turn; some minutes
    python examples/char_rnn.py --kinds lstm --text my.txt --epochs 20

The text is Debian's package `fortunes` where it is installed, else the reference pages that every Python carries
(pydoc_data: 0.46 million characters). Each batch row reads its own stretch of the text window after window and keeps its
state from one to the next; gradients stop at the window's start (truncated backpropagation through time) and are clipped.

RESULT

The run folder gets, for each kind, checkpoint, metrics.csv, samples.txt (at several temperatures: near 0 repeats itself,
above 1 misspells) and cells.png: the units of the last layer that follow best what a person would look for in the text.
curves.png compares the kinds.

Source: Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015; Karpathy, Johnson & Fei-Fei, 2015
(arXiv:1506.02078: interpretable cells); CS231n, "Recurrent neural networks".
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

import lamina
import lamina.nn.functional as F
from lamina import viz
from lamina.models import CharRNN

FORTUNES = Path("/usr/share/games/fortunes")
TEMPERATURES = (0.3, 0.7, 1.0, 1.3)


def read_text(path: Path | None) -> str:
    if path is not None:
        return path.read_text(encoding="utf-8")
    if FORTUNES.is_dir():
        files = sorted(file for file in FORTUNES.iterdir() if file.is_file() and not file.suffix)
        return "".join(file.read_text(encoding="utf-8", errors="replace") for file in files)
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
    starts = np.arange(streams)[:, None] * (count * length) + np.arange(count * length + 1)
    rows = tokens[starts]  # [streams, count * length + 1]
    parts = [rows[:, first : first + length + 1] for first in range(0, count * length, length)]
    return lamina.from_numpy(np.stack(parts))


def detach(state: lamina.Tensor | tuple[lamina.Tensor, ...]) -> lamina.Tensor | tuple[lamina.Tensor, ...]:
    return state.detach() if isinstance(state, lamina.Tensor) else tuple(part.detach() for part in state)


def loss_of(model: CharRNN, window: lamina.Tensor, state: object) -> tuple[lamina.Tensor, object]:
    """Mean nats per character of one window [streams, length + 1], and the state after it."""
    scores, state = model(window[:, :-1], state)
    return F.cross_entropy(scores.flatten(0, 1), window[:, 1:].flatten()), state


def bits_per_character(model: CharRNN, tokens: np.ndarray, device: str) -> float:
    model.eval()
    state, total = None, 0.0
    parts = windows(tokens, streams=8, length=256).to(device)
    with lamina.no_grad():
        for window in parts:
            loss, state = loss_of(model, window, state)
            total += loss.item()
    return total / len(parts) / math.log(2)


def write_samples(model: CharRNN, corpus: Corpus, device: str, length: int, start: str = "\n") -> str:
    model.eval()
    parts = []
    for temperature in TEMPERATURES:
        tokens = model.generate(corpus.encode(start).to(device), length, temperature)
        parts.append(f"--- temperature {temperature} ---\n{corpus.decode(tokens[0])}\n")
    return "\n".join(parts)


# --- Cells that mean something ---------------------------------------------------------------------------------------


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


def activations(model: CharRNN, tokens: lamina.Tensor) -> np.ndarray:
    """Outputs of the last recurrent layer over one text [1, T]: [T, hidden]."""
    model.eval()
    with lamina.no_grad():
        return model.rnn(model.embedding(tokens))[0][0].numpy(force=True)


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


def draw_cells(model: CharRNN, corpus: Corpus, device: str, path: Path, shown: int = 600) -> dict[str, float]:
    """Finds the units on the held-out text, draws them on its start and returns their correlations."""
    tokens = lamina.from_numpy(corpus.test[None, :8000]).to(device)
    text = corpus.decode(tokens[0])
    hidden, wanted = activations(model, tokens), features(text)
    units = best_units(hidden, wanted)
    panels = {
        f"{name}: unit {unit}, correlation {correlation:+.2f}": hidden[:shown, unit]
        for name, (unit, correlation) in units.items()
    }
    viz.plot_text(text[:shown], panels, path=path)
    return {name: correlation for name, (_, correlation) in units.items()}
