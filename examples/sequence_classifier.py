"""A classifier of sequences of any length: what kind of character does a Unicode name belong to?

    python examples/sequence_classifier.py             # 30,000 names
    python examples/sequence_classifier.py --limit 4000 --epochs 2   # a quick look

Every Python carries the data: `unicodedata` knows the names of all characters ("LATIN SMALL LETTER A WITH ACUTE",
"CIRCLED DIGIT ONE", "ARABIC COMMA"), from 2 letters to 88, and the category of each. A bidirectional LSTM reads a name
letter by letter and tells upper case, lower case, modifier, other letter, mark, number, punctuation or symbol. Batches
hold names of about equal length, packed (pack_padded_sequence), so that no step is spent on padding.

The run folder gets checkpoint, metrics.csv, curves.png and confusion.png.

Result: 98.1 % of the 6,069 held-out names of Python 3.11 right, 93.6 % as a mean over the classes, which are of very
unequal size; nearly half of the names are other letters'.

Time: 17 seconds on two cores.

Source: Graves, "Supervised sequence labelling with recurrent neural networks", 2012; CS231n, "Recurrent neural
networks".
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

import lamina
import lamina.nn.functional as F
from lamina import nn, training, viz
from lamina.nn.utils.rnn import pack_padded_sequence, pad_sequence
from lamina.training import Run, accuracy, positive

CLASSES = {  # by Unicode's categories
    **{"Lu": "upper case", "Lt": "upper case", "Ll": "lower case", "Lm": "modifier", "Lo": "other letter"},
    **{"Mn": "mark", "Mc": "mark", "Me": "mark", "Nd": "number", "Nl": "number", "No": "number"},
    **dict.fromkeys(("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po"), "punctuation"),
    **dict.fromkeys(("Sm", "Sc", "Sk", "So"), "symbol"),
}
NAMES = tuple(dict.fromkeys(CLASSES.values()))
ALPHABET = " -0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # token 0 is the padding
NUMBERED = re.compile("-[0-9A-F]+$|^HANGUL SYLLABLE")  # names made by a rule say nothing


def character_names() -> tuple[list[str], list[int]]:
    """All names and the number of their class."""
    texts, labels = [], []
    for code in range(sys.maxunicode + 1):
        text, category = unicodedata.name(chr(code), ""), unicodedata.category(chr(code))
        if text and category in CLASSES and not NUMBERED.search(text):
            texts.append(text)
            labels.append(NAMES.index(CLASSES[category]))
    return texts, labels


class Names(lamina.data.Dataset):
    """(tokens int64 [T], label); every fifth name is held out."""

    def __init__(self, train: bool, limit: int | None) -> None:
        texts, labels = character_names()
        order = np.random.default_rng(0).permutation(len(texts))[:limit]
        chosen = [i for place, i in enumerate(order) if (place % 5 != 0) == train]
        self.texts, self.labels = [texts[i] for i in chosen], [labels[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[lamina.Tensor, int]:
        tokens = [ALPHABET.index(letter) + 1 for letter in self.texts[index]]
        return lamina.tensor(tokens), self.labels[index]


class AboutEqualLengths(lamina.data.Sampler):
    """Batches of names of about one length, in a random order: a shuffle, a sort by length and noise, a shuffle."""

    def __init__(self, lengths: Sequence[int], batch_size: int) -> None:
        self.lengths, self.batch_size, self.epoch = np.array(lengths), batch_size, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng(self.epoch)
        order = np.argsort(self.lengths + rng.uniform(0, 4, len(self.lengths)), kind="stable")
        batches = np.split(order, range(self.batch_size, len(order), self.batch_size))
        for i in rng.permutation(len(batches)):
            yield batches[i].tolist()


def collate(samples: list[tuple[lamina.Tensor, int]]) -> tuple[lamina.Tensor, lamina.Tensor, lamina.Tensor]:
    """Tokens [N, T] filled up with 0, lengths [N], labels [N]."""
    sequences, labels = zip(*samples, strict=True)
    lengths = lamina.tensor([len(sequence) for sequence in sequences])
    return pad_sequence(sequences, batch_first=True), lengths, lamina.tensor(labels)


class NameClassifier(nn.Module):
    """Embedding, bidirectional LSTM, and a linear layer on where both directions end."""

    def __init__(self, hidden: int, embedding: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(ALPHABET) + 1, embedding, padding_idx=0)
        self.rnn = nn.LSTM(embedding, hidden, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(2 * hidden, len(NAMES))

    def forward(self, tokens: lamina.Tensor, lengths: lamina.Tensor) -> lamina.Tensor:
        """[N, T] and [N] on the CPU -> scores [N, classes]."""
        packed = pack_padded_sequence(self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.rnn(packed)  # [2, N, hidden]: after the last letter, and after the first
        return self.classifier(lamina.cat([last[0], last[1]], 1))


def predict(
    model: nn.Module, loader: lamina.data.DataLoader, device: str
) -> tuple[lamina.Tensor, lamina.Tensor]:
    model.eval()
    with lamina.no_grad():
        pairs = [(model(x.to(device), lengths).cpu(), y) for x, lengths, y in loader]
    scores, labels = (lamina.cat(parts) for parts in zip(*pairs, strict=True))
    return scores, labels


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    parser = training.parser(__doc__, "runs/sequence_classifier", epochs=8)
    parser.add_argument("--hidden", type=positive(int), default=96)
    parser.add_argument("--batch-size", type=positive(int), default=64)
    parser.add_argument("--lr", type=positive(float), default=4e-3)
    args = training.start(parser, argv)
    train_set, test_set = Names(True, args.limit), Names(False, args.limit)
    batches = AboutEqualLengths([len(text) for text in train_set.texts], args.batch_size)
    loader = lamina.data.DataLoader(train_set, batch_sampler=batches, collate_fn=collate)
    in_order = AboutEqualLengths([len(text) for text in test_set.texts], 256)
    test_loader = lamina.data.DataLoader(test_set, batch_sampler=in_order, collate_fn=collate)
    model = NameClassifier(args.hidden).to(args.device)
    optimizer = lamina.optim.Adam(model.parameters(), args.lr)
    schedule = lamina.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs * len(loader))
    run = Run(args, unit="names", model=model, optimizer=optimizer, schedule=schedule, loader=loader)
    for _ in run.epochs(args.epochs):
        model.train()
        for tokens, lengths, labels in run.steps(loader, total=len(train_set)):
            scores = model(tokens.to(args.device), lengths)
            loss = F.cross_entropy(scores, labels.to(args.device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            run.log(len(labels), loss=loss.item(), accuracy=accuracy(scores, labels))
        run.record(test_accuracy=accuracy(*predict(model, test_loader, args.device)))

    scores, labels = predict(model, test_loader, args.device)
    matrix = viz.confusion_matrix(labels, scores.argmax(1), len(NAMES))
    viz.plot_confusion_matrix(matrix, NAMES, run.folder / "confusion.png")
    balanced = float(np.mean(np.diag(matrix) / np.maximum(matrix.sum(1), 1)))
    right = accuracy(scores, labels)
    run.finish(f"{right:.2%} of {len(labels)} held-out names right, {balanced:.2%} balanced")
    return {"accuracy": right, "balanced": balanced}


if __name__ == "__main__":
    main()
