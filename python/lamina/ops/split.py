"""Views of the parts of a tensor along one dimension; the inverse of ``cat`` and ``stack``."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from lamina import _C
from lamina.autograd.graph import Node, record_many, tracks
from lamina.ops.creation import shape_of
from lamina.ops.elementwise import expect_tensors
from lamina.ops.join import cat, stack
from lamina.ops.shape import dim_of
from lamina.tensor import Tensor, method

__all__ = ["chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "unbind", "vsplit"]


@method()
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views at every position of a dimension, without that dimension.

    Example:
        >>> lamina.tensor([[1, 2], [3, 4]]).unbind()
        (tensor([1, 2]), tensor([3, 4]))
    """
    if not isinstance(input, Tensor):
        expect_tensors("unbind", input=input)
    parts = tuple([input._view(a) for a in _C.unbind(input._array, dim)])
    if parts and tracks(input):
        record_many(parts, _unbind_backward, (input,), (dim, parts[0]._array.shape))
    return parts


def _unbind_backward(node: Node, *grads: Tensor | None) -> Tensor:
    dim, shape = node.saved
    return stack(_filled(grads, [shape] * len(grads)), dim)


def _filled(grads: Sequence[Tensor | None], shapes: Sequence[Any]) -> list[Tensor]:
    """Zeros in place of the gradients that nothing sent."""
    present = next(g for g in grads if g is not None)
    return [
        Tensor(_C.new_zeros(present._array, shape)) if g is None else g for g, shape in zip(grads, shapes)
    ]


def _parts(x: Tensor, sizes: Sequence[int], dim: int) -> tuple[Tensor, ...]:
    parts = tuple([x._view(a) for a in _C.split(x._array, sizes, dim)])
    if parts and tracks(x):
        record_many(parts, _split_backward, (x,), (dim, [p._array.shape for p in parts]))
    return parts


def _split_backward(node: Node, *grads: Tensor | None) -> Tensor:
    dim, shapes = node.saved
    return cat(_filled(grads, shapes), dim)


@method()
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of a dimension.

    Args:
        tensor: what to split.
        split_size_or_sections: the size of every part, the last of which may be smaller; or the sizes, which add up.
        dim: the dimension to split.

    Raises:
        ValueError: if sizes do not add up to the dimension's.

    Example:
        >>> lamina.tensor([1, 2, 3]).split(2)
        (tensor([1, 2]), tensor([3]))
    """
    if not isinstance(tensor, Tensor):
        expect_tensors("split", tensor=tensor)
    if not hasattr(split_size_or_sections, "__index__"):
        return _parts(tensor, shape_of((split_size_or_sections,), "split"), dim)
    size, n = int(split_size_or_sections), _size(tensor, dim, "split")
    if size < 0 or (size == 0 and n > 0):
        raise ValueError(f"[split] expected a size of at least 1, got {size}")
    count = max(-(-n // size), 1) if size else 1
    return _parts(tensor, [size] * (count - 1) + [n - size * (count - 1)], dim)


def _size(x: Tensor, dim: int, op: str) -> int:
    if x._array.ndim == 0:
        raise ValueError(f"[{op}] expected at least 1 dimension, got a 0-d tensor")
    return x._array.shape[dim_of(dim, x._array.ndim, op)]


@method()
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """As :func:`lamina.split` with a list of sizes."""
    return _parts(input, shape_of((split_sizes,), "split_with_sizes"), dim)


@method()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most ``chunks`` consecutive parts, all of one size but the last.

    Example:
        >>> [len(c) for c in lamina.zeros(5).chunk(3)]
        [2, 2, 1]
    """
    if not isinstance(input, Tensor):
        expect_tensors("chunk", input=input)
    if chunks < 1:
        raise ValueError(f"[chunk] expected at least 1 chunk, got {chunks}")
    n = _size(input, dim, "chunk")
    return _parts(input, [0] * chunks, dim) if n == 0 else split(input, -(-n // chunks), dim)


_MOST_SECTIONS = 2**24  # beyond, the tensors alone would fill the memory


@method()
def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0
) -> tuple[Tensor, ...]:
    """Views of a number of parts as equal as can be, or of the parts between positions.

    Args:
        input: what to split.
        indices_or_sections: how many parts, the first of them larger by one where need be; or where parts begin.
        dim: the dimension to split.

    Example:
        >>> [len(c) for c in lamina.zeros(5).tensor_split(3)]
        [2, 2, 1]
        >>> [len(c) for c in lamina.zeros(5).tensor_split((1, 4))]
        [1, 3, 1]
    """
    if not isinstance(input, Tensor):
        expect_tensors("tensor_split", input=input)
    n = _size(input, dim, "tensor_split")
    given: Any = (
        indices_or_sections.tolist() if isinstance(indices_or_sections, Tensor) else indices_or_sections
    )
    if isinstance(given, int):
        if given < 1:
            raise ValueError(f"[tensor_split] expected at least 1 section, got {given}")
        if given > _MOST_SECTIONS:
            raise ValueError(f"[tensor_split] expected at most {_MOST_SECTIONS} sections, got {given}")
        small, larger = divmod(n, given)
        return _parts(input, [small + (i < larger) for i in range(given)], dim)
    from lamina.ops.strided import show

    bounds = [0, *given, n]

    def part(start: int, stop: int) -> Tensor:  # as NumPy: parts may overlap where positions go back
        return show(input, lambda a: _C.slice(a, dim, start, stop, 1))

    return tuple([part(start, stop) for start, stop in itertools.pairwise(bounds)])


@method()
def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Splits columns: dimension 1, or 0 of a vector; an integer must divide the size."""
    if not isinstance(input, Tensor):
        expect_tensors("hsplit", input=input)
    return _even_split(input, indices_or_sections, 0 if input._array.ndim == 1 else 1, 1, "hsplit")


@method()
def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Splits rows: dimension 0 of at least two; an integer must divide the size."""
    if not isinstance(input, Tensor):
        expect_tensors("vsplit", input=input)
    return _even_split(input, indices_or_sections, 0, 2, "vsplit")


@method()
def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Splits dimension 2 of at least three; an integer must divide the size."""
    if not isinstance(input, Tensor):
        expect_tensors("dsplit", input=input)
    return _even_split(input, indices_or_sections, 2, 3, "dsplit")


def _even_split(x: Tensor, given: int | Sequence[int], dim: int, least: int, op: str) -> tuple[Tensor, ...]:
    if x._array.ndim < least:
        raise ValueError(f"[{op}] expected at least {least} dimensions, got shape {tuple(x.shape)}")
    if isinstance(given, int) and (given < 1 or x._array.shape[dim] % given):
        raise ValueError(f"[{op}] expected a divisor of {x._array.shape[dim]} parts, got {given}")
    return tensor_split(x, given, dim)
