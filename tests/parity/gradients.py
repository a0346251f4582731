"""Gradients through both libraries, and the gradients of those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

import lamina
from parity.compare import difference, is_tensor, leaves
from parity.tally import Tally
from parity.twin import Memo, twin

Ours, Theirs = Sequence[Any], Sequence[torch.Tensor]
Pairs = list[tuple[Any, torch.Tensor]]


class _NoneInTorchError(Exception):
    """torch has no such derivative."""


def differentiable(x: Any, memo: Memo) -> tuple[list[Any], list[torch.Tensor]]:
    """lamina's and torch's tensors in an argument that require a gradient, each once."""
    theirs = list({id(t): t for t in leaves(x) if is_tensor(t) and t.requires_grad}.values())
    return [memo[id(t)] for t in theirs], theirs


def check_gradients(
    tally: Tally, where: str, got: Any, want: Any, mine: Ours, theirs: Theirs, second: bool
) -> None:
    """The gradients of the inputs ``mine`` and ``theirs`` for random gradients of every differentiable output.

    With ``second``, then also the gradients of these, by the inputs and by what was sent back.
    """
    outputs = _recorded(got, want)
    if not theirs or not outputs:
        return
    if not all(a.requires_grad for a, _ in outputs):
        tally.add("gradients", where, "the result requires no gradient, torch's does")
        return
    seeds = _seeds(outputs, 0)
    expected = _torch_gradients(outputs, theirs, seeds, retain_graph=second)
    try:
        found = _gradients(outputs, mine, [twin(seed, {}) for seed in seeds], retain_graph=second)
    except Exception as e:
        tally.add("gradients", where, f"{type(e).__name__}: {e}")
        return
    problem = difference(found, expected)
    tally.add("gradients", where, problem)
    if second and problem is None:
        _check_second(tally, where, outputs, mine, theirs, seeds)


def _check_second(
    tally: Tally, where: str, outputs: Pairs, mine: Ours, theirs: Theirs, seeds: list[torch.Tensor]
) -> None:
    seeds = [seed.requires_grad_() for seed in seeds]
    sent = [twin(seed, {}) for seed in seeds]
    expected = _torch_gradients(outputs, theirs, seeds, create_graph=True)
    try:
        found = _gradients(outputs, mine, sent, create_graph=True)
        problem = difference(found, expected)
        slopes = _recorded(found, expected)
        if problem is None and slopes:
            again = _seeds(slopes, 1)
            expected = _torch_gradients(slopes, [*theirs, *seeds], again)
            pairs = [
                (a, b, s) for (a, b), s in zip(slopes, again) if a.requires_grad
            ]  # the others are constant
            back = [twin(seed, {}) for _, _, seed in pairs]
            problem = difference(_gradients([p[:2] for p in pairs], [*mine, *sent], back), expected)
    except _NoneInTorchError:
        return
    except Exception as e:
        problem = f"{type(e).__name__}: {e}"
    tally.add("second", where, problem)


def _recorded(got: Any, want: Any) -> Pairs:
    """The pairs of results that torch has recorded."""
    pairs = zip(leaves(got), leaves(want))
    return [(a, b) for a, b in pairs if is_tensor(b) and b.requires_grad and b.numel() > 0]


def _seeds(outputs: Pairs, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    draws = [torch.randn(b.shape, generator=generator, dtype=torch.float64) for _, b in outputs]
    return [draw.to(b.dtype) for draw, (_, b) in zip(draws, outputs)]


def _torch_gradients(outputs: Pairs, inputs: Theirs, seeds: Theirs, **options: bool) -> Any:
    wanted = [b for _, b in outputs]
    try:
        return torch.autograd.grad(
            wanted, inputs, seeds, allow_unused=True, materialize_grads=True, **options
        )
    except RuntimeError as e:
        if "is not implemented" in str(e):
            raise _NoneInTorchError from None
        raise


def _gradients(outputs: Pairs, inputs: Ours, seeds: Ours, **options: bool) -> list[Any]:
    """lamina's gradients, zeros where there is none."""
    if not outputs:
        return [lamina.zeros_like(x) for x in inputs]
    found = lamina.autograd.grad([a for a, _ in outputs], inputs, seeds, allow_unused=True, **options)
    return [lamina.zeros_like(x) if g is None else g for g, x in zip(found, inputs)]
