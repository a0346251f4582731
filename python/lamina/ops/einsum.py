"""Contractions in Einstein's notation, made of permutations, batched products and sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lamina.autograd.cast_mode import casting
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import deliver, expect_tensors, mul
from lamina.ops.matmul import product
from lamina.tensor import Tensor

__all__ = ["einsum", "tensordot"]

Label = str | int  # a letter, or -1, -2, ... for the dimensions of an ellipsis, counted from its right


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum of products of the operands' elements over every index that the result does not have.

    Operands are contracted from left to right, each pair in one batched matrix product.

    Args:
        equation: an index letter for each dimension, operands separated by commas, then optionally ``->`` and the
            result's letters.  Without them the result has the letters that occur once, in alphabetical order.
            ``...`` stands for dimensions that broadcast.  A letter repeated within an operand takes its diagonal.
        operands: tensors, or one sequence of tensors.

    Raises:
        ValueError: if the equation is malformed or does not fit the operands' shapes.

    Example:
        >>> lamina.einsum("ij,kj->ik", lamina.ones(2, 3), lamina.ones(4, 3)).shape
        lamina.Size([2, 4])
    """
    if casting.on:
        return in_autocast(einsum, equation, *operands)
    if not isinstance(equation, str):
        raise TypeError(f"[einsum] expected an equation, got {type(equation).__name__}")
    one_sequence = len(operands) == 1 and isinstance(operands[0], (list, tuple))
    tensors = list(operands[0]) if one_sequence else list(operands)
    for t in tensors:
        if not isinstance(t, Tensor):
            expect_tensors("einsum", operands=t)
    inputs, output = _parse(equation, [t._array.ndim for t in tensors])
    _check_sizes(equation, inputs, tensors)

    result, labels = _diagonal(tensors[0], inputs[0])
    for position in range(1, len(tensors)):
        other, other_labels = _diagonal(tensors[position], inputs[position])
        kept = set(output).union(*inputs[position + 1 :])
        result, labels = _contract(result, labels, other, other_labels, kept)
    result, labels = _sum_out(result, labels, set(output))
    return result.permute([labels.index(x) for x in output]) if labels != output else result


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Any] = 2, *, out: Tensor | None = None) -> Tensor:
    """The sum of products over pairs of dimensions of ``a`` and ``b``; the rest of ``a``'s come before ``b``'s.

    Args:
        a: any tensor.
        b: any tensor.
        dims: the last so many dimensions of ``a`` with the first of ``b``; or a pair of sequences of dimensions.
        out: where to write the result.

    Example:
        >>> lamina.tensordot(lamina.ones(2, 3, 4), lamina.ones(3, 4, 5)).shape
        lamina.Size([2, 5])
    """
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        expect_tensors("tensordot", a=a, b=b)
    if casting.on:
        return in_autocast(tensordot, a, b, dims, out=out)
    rank_a, rank_b = a._array.ndim, b._array.ndim
    if isinstance(dims, int):
        if not 0 <= dims <= min(rank_a, rank_b):
            raise ValueError(f"[tensordot] expected 0 to {min(rank_a, rank_b)} dimensions, got {dims}")
        summed_a, summed_b = list(range(rank_a - dims, rank_a)), list(range(dims))
    else:
        summed_a, summed_b = ([d] if isinstance(d, int) else list(d) for d in dims)
        summed_a = [d + rank_a if d < 0 else d for d in summed_a]
        summed_b = [d + rank_b if d < 0 else d for d in summed_b]
    for d, e in zip(summed_a, summed_b):  # against a size of 1, a dimension is summed by itself
        if 0 <= d < rank_a and 0 <= e < rank_b and a._array.shape[d] != b._array.shape[e]:
            a = a.sum(d, True, dtype=a.dtype) if b._array.shape[e] == 1 else a
            b = b.sum(e, True, dtype=b.dtype) if a._array.shape[d] == 1 else b
    shape_a, shape_b = a._array.shape, b._array.shape
    sizes = [[s[d] for d in ds if 0 <= d < len(s)] for s, ds in ((shape_a, summed_a), (shape_b, summed_b))]
    if sizes[0] != sizes[1] or len(sizes[0]) != len(summed_a) or len(sizes[1]) != len(summed_b):
        raise ValueError(
            f"[tensordot] expected dimensions of equal sizes, got {summed_a} of {shape_a} and {summed_b} of {shape_b}"
        )
    free_a = [d for d in range(rank_a) if d not in summed_a]
    free_b = [d for d in range(rank_b) if d not in summed_b]
    k = math.prod(sizes[0])
    rows = a.permute(free_a + summed_a).reshape(math.prod(shape_a[d] for d in free_a), k)
    columns = b.permute(summed_b + free_b).reshape(k, math.prod(shape_b[d] for d in free_b))
    y = product(rows, columns).reshape([shape_a[d] for d in free_a] + [shape_b[d] for d in free_b])
    return y if out is None else deliver(y, out)


def _parse(equation: str, ranks: list[int]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of every operand's dimensions and of the result's."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"[einsum] {equation!r} names {len(terms)} operands, got {len(ranks)}")
    inputs = [_labels(equation, term, rank) for term, rank in zip(terms, ranks)]
    ellipsis = sorted({x for labels in inputs for x in labels if isinstance(x, int)})
    letters = [x for labels in inputs for x in labels if isinstance(x, str)]
    if not arrow:
        return inputs, [*ellipsis, *sorted(x for x in letters if letters.count(x) == 1)]
    output = _labels(equation, right, None, ellipsis)
    for x in output:
        if isinstance(x, str) and (x not in letters or output.count(x) > 1):
            raise ValueError(f"[einsum] the result of {equation!r} has {x!r} more than once or from nowhere")
    return inputs, output


def _labels(equation: str, term: str, rank: int | None, ellipsis: Sequence[Label] = ()) -> list[Label]:
    """One term's labels; its ellipsis takes the dimensions of ``rank`` that no letter has, or is ``ellipsis``."""
    before, dots, after = term.partition("...")
    letters = before + after
    if not all(x.isascii() and x.isalpha() for x in letters):
        raise ValueError(
            f"[einsum] expected letters and at most one '...' a term in {equation!r}, got {term!r}"
        )
    if rank is not None:
        count = rank - len(letters)
        if count < 0 or (count > 0 and not dots):
            raise ValueError(
                f"[einsum] {term!r} in {equation!r} does not fit an operand of {rank} dimensions"
            )
        ellipsis = range(-count, 0)
    return [*before, *(ellipsis if dots else ()), *after]


def _check_sizes(equation: str, inputs: list[list[Label]], tensors: list[Tensor]) -> None:
    """A label has one size everywhere; 1 broadcasts."""
    sizes: dict[Label, int] = {}
    for labels, t in zip(inputs, tensors):
        for x, size in zip(labels, t._array.shape):
            known = sizes.setdefault(x, size)
            if 1 not in (known, size) and known != size:
                raise ValueError(f"[einsum] index {x!r} of {equation!r} has sizes {known} and {size}")
            sizes[x] = size if known == 1 else known


def _diagonal(x: Tensor, labels: list[Label]) -> tuple[Tensor, list[Label]]:
    """``x`` with each label once."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x._array.shape[first] != x._array.shape[second]:
                raise ValueError(f"[einsum] a diagonal needs equal sizes, got {x._array.shape} for {label!r}")
            x = x.diagonal(0, first, second)  # appended as the last dimension
            labels = [v for i, v in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _sum_out(x: Tensor, labels: list[Label], kept: set[Label]) -> tuple[Tensor, list[Label]]:
    gone = [d for d, label in enumerate(labels) if label not in kept]
    return (x.sum(gone), [label for label in labels if label in kept]) if gone else (x, labels)


def _contract(
    a: Tensor, labels_a: list[Label], b: Tensor, labels_b: list[Label], kept: set[Label]
) -> tuple[Tensor, list[Label]]:
    """The product of two operands, summed over the shared labels that nothing later needs."""
    a, labels_a = _sum_out(a, labels_a, kept.union(labels_b))
    b, labels_b = _sum_out(b, labels_b, kept.union(labels_a))
    summed = [x for x in labels_a if x not in kept]
    batch = [x for x in labels_a if x in kept and x in labels_b]
    rows = [x for x in labels_a if x in kept and x not in labels_b]
    columns = [x for x in labels_b if x not in labels_a]

    def size(x: Label) -> int:
        found = [t._array.shape[ls.index(x)] for t, ls in ((a, labels_a), (b, labels_b)) if x in ls]
        return min(found) if 0 in found else max(found)

    def arranged(t: Tensor, labels: list[Label], order: list[Label]) -> Tensor:
        """Dimensions in the given order, those that ``t`` lacks with size 1, the summed ones at full size."""
        have = t.permute([labels.index(x) for x in order if x in labels])
        shape = [t._array.shape[labels.index(x)] if x in labels else 1 for x in order]
        have = have.reshape(shape)
        return have.expand([size(x) if x in summed else s for x, s in zip(order, shape)])

    result_labels = batch + rows + columns
    shape = [size(x) for x in result_labels]
    if not summed:
        return mul(arranged(a, labels_a, result_labels), arranged(b, labels_b, result_labels)), result_labels
    left, right = (
        arranged(a, labels_a, batch + rows + summed),
        arranged(b, labels_b, batch + summed + columns),
    )
    lead_a, lead_b = left._array.shape[: len(batch)], right._array.shape[: len(batch)]
    m, k, n = (math.prod(size(x) for x in group) for group in (rows, summed, columns))
    y = product(left.reshape((*lead_a, m, k)), right.reshape((*lead_b, k, n)))
    return y.reshape(shape), result_labels
