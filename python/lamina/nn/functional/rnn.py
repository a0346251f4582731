"""Recurrent layers: one call a layer, over whole sequences, in one direction or both.

In float32 and float64 that is one op with its own backward pass.  Elsewhere, the same in differentiable ops: the
input's part of all gates is one matrix product over the sequence, and a loop over time adds the state's part.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from lamina import _C
from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode as grad_mode
from lamina.autograd.graph import Node, record_many, tracks
from lamina.dtypes import float32, float64
from lamina.nn.functional._rederive import rederive
from lamina.nn.functional.linear import linear
from lamina.nn.functional.rnn_cell import GATES, STEPS, State, Weights
from lamina.ops.cast_policy import in_autocast
from lamina.ops.elementwise import expect_tensors
from lamina.ops.join import cat, stack
from lamina.tensor import Tensor

__all__ = ["recurrent_layer"]

CELLS = {"RNN_TANH": 0, "RNN_RELU": 1, "LSTM": 2, "GRU": 3}  # kernels::RnnCell


def recurrent_layer(
    mode: str, input: Tensor, state: State, weights: Sequence[Weights], batch_sizes: Sequence[int]
) -> tuple[Tensor, State]:
    """One layer over whole sequences, from the first step to the last, and with a second set of weights also back.

    Args:
        mode: ``"RNN_TANH"``, ``"RNN_RELU"``, ``"LSTM"`` or ``"GRU"``.
        input: (sum of the batch sizes, inputs): the steps one after the other.
        state: the first, (D, N, S) of h and (D, N, H) of c for D directions.
        weights: of each direction.
        batch_sizes: how many sequences still run at each step, never rising; the first is N.

    Returns:
        The outputs, (sum of the batch sizes, D S), and the state in which each sequence ends.

    Raises:
        ValueError: if the shapes don't fit.

    Example:
        >>> w = F.rnn_cell.Weights(lamina.ones(4, 3), lamina.ones(4, 4))
        >>> y, (h,) = F.recurrent_layer("RNN_TANH", lamina.ones(5, 3), (lamina.zeros(1, 2, 4),), [w], [2, 2, 1])
        >>> y.shape, h.shape
        (lamina.Size([5, 4]), lamina.Size([1, 2, 4]))
    """
    if not isinstance(input, Tensor):
        expect_tensors("recurrent_layer", input=input)
    if casting.on:
        return in_autocast(recurrent_layer, mode, input, state, weights, batch_sizes)
    sizes = list(batch_sizes)
    if mode not in CELLS:
        raise ValueError(f"[rnn] expected a mode of {', '.join(CELLS)}, got {mode!r}")
    if len(state) != (2 if mode == "LSTM" else 1):
        raise ValueError(f"[rnn] expected h0, and c0 for an LSTM alone, got {len(state)} states")
    given = [*state, *[t for w in weights for t in w if t is not None]]
    if not all([isinstance(t, Tensor) for t in given]):
        for t in given:
            expect_tensors("rnn", state_or_weight=t)
    if not _has_kernel(input, weights):
        _check_layer(mode, input, state, weights, sizes)
        return unfused_layer(mode, input, state, weights, sizes)
    parameters = [t for w in weights for t in w[:4]]
    tracked = tracks(input, *state, *parameters)
    arrays, saved = _C.rnn(CELLS[mode], input._array, sizes, _arrays(state), _arrays(parameters), tracked)
    outputs = [Tensor(a) for a in arrays]
    if tracked:
        inputs = (input, *state, *parameters)
        record_many(outputs, _rnn_backward, inputs, (*inputs, outputs[0], saved, mode, sizes))
    return outputs[0], tuple(outputs[1:])


def _has_kernel(input: Tensor, weights: Sequence[Weights]) -> bool:
    projected = any(w.hr is not None for w in weights)
    return not projected and input.dtype in (float32, float64)


def _check_layer(
    mode: str, input: Tensor, state: State, weights: Sequence[Weights], sizes: list[int]
) -> None:
    """What the op checks where there is one."""
    if len(weights) not in (1, 2):
        raise ValueError(f"[rnn] expected one or two directions, got {len(weights)}")
    if input.ndim != 2 or weights[0].hh.ndim != 2:
        raise ValueError(
            f"[rnn] expected x and w_hh of 2 dimensions, got {tuple(input.shape)} and {tuple(weights[0].hh.shape)}"
        )
    if not sizes or min(sizes) < 0 or any(b > a for a, b in pairwise(sizes)):
        raise ValueError(f"[rnn] expected at least one step, and batch sizes that never rise, got {sizes}")
    size = weights[0].hh.shape[1]
    hidden = size if weights[0].hr is None else weights[0].hr.shape[1]
    rows, directions = GATES[mode] * hidden, len(weights)
    wanted = [("x", input, (sum(sizes), input.shape[1])), ("h0", state[0], (directions, sizes[0], size))]
    wanted += [("c0", c, (directions, sizes[0], hidden)) for c in state[1:]]
    for w in weights:
        wanted += [("w_ih", w.ih, (rows, input.shape[1])), ("w_hh", w.hh, (rows, size))]
        wanted += [("a bias", b, (rows,)) for b in (w.bias_ih, w.bias_hh) if b is not None]
        if (w.bias_ih is None) != (w.bias_hh is None):
            raise ValueError("[rnn] expected both biases or neither")
    for name, tensor, shape in wanted:
        if tuple(tensor.shape) != shape:
            raise ValueError(f"[rnn] expected {name} of shape {shape}, got {tuple(tensor.shape)}")


def _arrays(tensors: Sequence[Tensor | None]) -> list[_C.Array | None]:
    return [None if t is None else t._array for t in tensors]


def _rnn_backward(node: Node, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    *inputs, y, saved, mode, sizes = node.saved
    first = len(grads)  # of the weights: the input and the states before them are as many as the outputs
    if grad_mode.enabled:

        def forward(*given: Any) -> tuple[Tensor, ...]:
            weights = [Weights(*given[i : i + 4]) for i in range(first, len(given), 4)]
            y, ends = unfused_layer(mode, given[0], tuple(given[1:first]), weights, sizes)
            return y, *ends

        return rederive(node, forward, inputs, grads)
    wanted = [node.needs(0)]
    for d in range(first, len(inputs), 4):
        wanted += [node.needs(d), node.needs(d + 1), node.needs(d + 2) or node.needs(d + 3)]
    state, parameters = _arrays(inputs[1:first]), _arrays(inputs[first:])
    found = _C.rnn_backward(
        CELLS[mode], inputs[0]._array, sizes, state, parameters, y._array, saved, _arrays(grads), wanted
    )
    return tuple(None if a is None else Tensor(a) for a in found)


def unfused_layer(
    mode: str, input: Tensor, state: State, weights: Sequence[Weights], batch_sizes: list[int]
) -> tuple[Tensor, State]:
    """:func:`recurrent_layer` in differentiable ops: on any device, with projections, for second derivatives."""
    runs = [
        _unfused_direction(mode, input, tuple(s[d] for s in state), w, batch_sizes, d == 1)
        for d, w in enumerate(weights)
    ]
    outputs, ends = zip(*runs, strict=True)
    y = outputs[0] if len(outputs) == 1 else cat(list(outputs), 1)
    return y, tuple(stack(list(parts)) for parts in zip(*ends, strict=True))


def _unfused_direction(
    mode: str, input: Tensor, state: State, weights: Weights, batch_sizes: list[int], reverse: bool
) -> tuple[Tensor, State]:
    step = STEPS[mode]
    steps = linear(input, weights.ih, weights.bias_ih).split(batch_sizes)
    outputs: list[Tensor] = []
    if reverse:
        running = tuple(s[: batch_sizes[-1]] for s in state)
        for gates in reversed(steps):  # more sequences begin, each from its own first state
            n, begun = gates.shape[0], running[0].shape[0]
            if n > begun:
                running = tuple(cat([r, s[begun:n]]) for r, s in zip(running, state, strict=True))
            running = step(gates, running, weights)
            outputs.append(running[0])
        return cat(outputs[::-1]), running
    ended: list[State] = []  # the shortest sequences first
    running = state
    for gates in steps:
        n, begun = gates.shape[0], running[0].shape[0]
        if n < begun:
            ended.append(tuple(s[n:] for s in running))
            running = tuple(s[:n] for s in running)
        running = step(gates, running, weights)
        outputs.append(running[0])
    if ended:
        running = tuple(cat(list(parts)) for parts in zip(running, *reversed(ended), strict=True))
    return cat(outputs), running
