"""Sequences of different lengths as one tensor: packed (no padding, step by step) or padded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lamina import dtypes
from lamina.ops.creation import full, tensor
from lamina.ops.gather import index_copy, scatter
from lamina.ops.join import cat
from lamina.ops.ranges import arange
from lamina.ops.sort import sort
from lamina.tensor import Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence", "pad_packed_sequence",
    "pad_sequence", "unpad_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


class PackedSequence(_Packed):
    """The elements of sequences, the longest first, step by step: what :func:`pack_padded_sequence` makes.

    Attributes:
        data: (sum of the lengths, ...): first every sequence's first element, then every second one, ...
        batch_sizes: int64 on the CPU, how many sequences have an element at each step.
        sorted_indices: where each sequence, the longest first, stood in the batch; None: there.
        unsorted_indices: the inverse of it.
    """

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with its data on another device or of another dtype; arguments as :meth:`Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        orders = [None if i is None else i.to(data.device) for i in self[2:]]
        return PackedSequence(data, self.batch_sizes, *orders)

    def cpu(self) -> PackedSequence:
        return self.to("cpu")

    def cuda(self) -> PackedSequence:
        return self.to("cuda")

    def double(self) -> PackedSequence:
        return self.to(dtypes.float64)

    def float(self) -> PackedSequence:
        return self.to(dtypes.float32)

    def half(self) -> PackedSequence:
        return self.to(dtypes.float16)

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes one."""
    if permutation is None:
        return None
    n, device = permutation.shape[0], permutation.device
    return scatter(full((n,), 0, dtype=dtypes.int64, device=device), 0, permutation, arange(n, device=device))


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Packs sequences that lie side by side, padded to one length.

    Args:
        input: (T, N, ...), or (N, T, ...) with ``batch_first``.
        lengths: how long each sequence is, at least 1.
        batch_first: how the input lies.
        enforce_sorted: require that lengths never rise; otherwise sequences are sorted here and put back by
            :func:`pad_packed_sequence`.

    Raises:
        ValueError: if lengths don't fit the input, or rise.

    Example:
        >>> x = lamina.tensor([[1, 4], [2, 5], [3, 0]])  # (T, N)
        >>> nn.utils.rnn.pack_padded_sequence(x, [3, 2]).data
        tensor([1, 4, 2, 5, 3])
    """
    sizes = (lengths.cpu() if isinstance(lengths, Tensor) else tensor(list(lengths))).to(dtypes.int64)
    steps = input.transpose(0, 1) if batch_first else input
    longest, n = steps.shape[0], steps.shape[1]
    if tuple(sizes.shape) != (n,):
        raise ValueError(
            f"[pack_padded_sequence] expected a length for each of {n} sequences, got shape {tuple(sizes.shape)}"
        )
    if n == 0 or int(sizes.min().item()) < 1 or int(sizes.max().item()) > longest:
        raise ValueError(f"[pack_padded_sequence] expected lengths from 1 to {longest}, got {sizes.tolist()}")
    order = None
    if not enforce_sorted:
        sizes, order = sort(sizes, descending=True, stable=True)
        order = order.to(input.device)
        steps = steps[:, order]
    elif bool((sizes[1:] > sizes[:-1]).any()):
        raise ValueError(
            "[pack_padded_sequence] expected lengths that never rise (or enforce_sorted=False), "
            f"got {sizes.tolist()}"
        )
    runs = arange(int(sizes[0].item())).unsqueeze(1) < sizes.unsqueeze(0)  # (T, N)
    return PackedSequence(steps[: runs.shape[0]][runs.to(input.device)], runs.sum(1), order)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The inverse of :func:`pack_padded_sequence`.

    Args:
        sequence: what was packed.
        batch_first: give (N, T, ...) instead of (T, N, ...).
        padding_value: what stands after the end of a sequence.
        total_length: T; default: the longest sequence's length.

    Returns:
        The padded sequences, and their lengths.

    Raises:
        ValueError: if ``total_length`` is less than the longest sequence.

    Example:
        >>> packed = nn.utils.rnn.pack_sequence([lamina.tensor([1, 2, 3]), lamina.tensor([4])])
        >>> nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 2, 3],
                [4, 0, 0]]), tensor([3, 1]))
    """
    data, batch_sizes, _, back = sequence
    longest, n = batch_sizes.shape[0], int(batch_sizes[0].item())
    total = longest if total_length is None else total_length
    if total < longest:
        raise ValueError(
            f"[pad_packed_sequence] expected total_length of at least {longest}, got {total_length}"
        )
    runs = arange(n).unsqueeze(0) < batch_sizes.unsqueeze(1)  # (T, N)
    places = runs.flatten().nonzero().flatten().to(data.device)
    rest = tuple(data.shape[1:])
    padding = full((total * n, *rest), padding_value, dtype=data.dtype, device=data.device)
    padded = index_copy(padding, 0, places, data).reshape(total, n, *rest)
    lengths = runs.sum(0)
    if back is not None:
        padded, lengths = padded[:, back], lengths[back.cpu()]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences (length, ...) side by side, padded to the longest.

    Args:
        sequences: equal but for their lengths.
        batch_first: give (N, T, ...) instead of (T, N, ...).
        padding_value: what fills up.
        padding_side: ``"right"``, after a sequence's end, or ``"left"``, before its start.

    Raises:
        ValueError: without sequences, or for another side.

    Example:
        >>> nn.utils.rnn.pad_sequence([lamina.tensor([1, 2]), lamina.tensor([3])], batch_first=True)
        tensor([[1, 2],
                [3, 0]])
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f"[pad_sequence] expected padding_side 'right' or 'left', got {padding_side!r}")
    if len(sequences) == 0:
        raise ValueError("[pad_sequence] expected at least one sequence")
    longest, rest = max(len(s) for s in sequences), tuple(sequences[0].shape[1:])
    rows = []
    for s in sequences:
        padding = full((longest - len(s), *rest), padding_value, dtype=s.dtype)
        rows.append(cat([s, padding] if padding_side == "right" else [padding, s]).unsqueeze(0))
    padded = cat(rows)
    return padded if batch_first else padded.transpose(0, 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The inverse of :func:`pad_sequence`: views of the sequences, without their padding."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(rows, lengths.tolist(), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences (length, ...); arguments as :func:`pad_sequence` and :func:`pack_padded_sequence`.

    Example:
        >>> nn.utils.rnn.pack_sequence([lamina.tensor([1, 2, 3]), lamina.tensor([4, 5])]).batch_sizes
        tensor([2, 2, 1])
    """
    return pack_padded_sequence(pad_sequence(sequences), [len(s) for s in sequences], False, enforce_sorted)
