"""Batches to learn from."""

from __future__ import annotations

from typing import Any

from lamina.data import DataLoader


def train_loader(data: Any, batch_size: int, **options: Any) -> DataLoader:
    """Shuffled batches of one size; the samples left over come in another epoch.

    Args:
        data: a data set.
        batch_size: samples of a step.
        options: more of :class:`lamina.data.DataLoader`'s.

    Raises:
        SystemExit: a batch is more than the data, of which no step would be left; its message is shown.

    Example:
        >>> len(lamina.training.train_loader(range(10), 4))
        2
    """
    if batch_size > len(data):
        raise SystemExit(f"a batch of {batch_size} is more than the {len(data)} training samples")
    return DataLoader(data, batch_size, shuffle=True, drop_last=True, **options)
