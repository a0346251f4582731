"""Single steps of recurrences, and the rule of each as a function of gates and state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lamina.autograd.cast_mode import casting
from lamina.nn.functional.linear import linear
from lamina.ops.cast_policy import in_autocast
from lamina.ops.unary import relu, sigmoid, tanh
from lamina.tensor import Tensor

__all__ = ["gru_cell", "lstm_cell", "rnn_relu_cell", "rnn_tanh_cell"]

State = tuple[Tensor, ...]  # (h,), or (h, c) of an LSTM: (N, H) each
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}  # rows of the weights a hidden unit


class Weights(NamedTuple):
    """Of one layer and direction; G gates of H hidden units, the state's size S (H without a projection)."""

    ih: Tensor  # (G H, inputs)
    hh: Tensor  # (G H, S)
    bias_ih: Tensor | None = None  # (G H,)
    bias_hh: Tensor | None = None
    hr: Tensor | None = None  # (S, H): the projection of an LSTM


def _elman(activation: Callable[[Tensor], Tensor]) -> Callable[[Tensor, State, Weights], State]:
    def step(gates: Tensor, state: State, w: Weights) -> State:
        return (activation(gates + linear(state[0], w.hh, w.bias_hh)),)

    return step


def _lstm(gates: Tensor, state: State, w: Weights) -> State:
    h, c = state
    i, f, g, o = (gates + linear(h, w.hh, w.bias_hh)).chunk(4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return (h if w.hr is None else linear(h, w.hr)), c


def _gru(gates: Tensor, state: State, w: Weights) -> State:
    (h,) = state
    from_input, from_state = gates.chunk(3, 1), linear(h, w.hh, w.bias_hh).chunk(3, 1)
    r, z = (sigmoid(a + b) for a, b in zip(from_input[:2], from_state[:2], strict=True))
    n = tanh(from_input[2] + r * from_state[2])
    return (n + z * (h - n),)


STEPS = {"RNN_TANH": _elman(tanh), "RNN_RELU": _elman(relu), "LSTM": _lstm, "GRU": _gru}


def rnn_tanh_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """``tanh(w_ih x + b_ih + w_hh h + b_hh)``.

    Args:
        input: (N, inputs).
        hx: (N, H), the state.
        w_ih: (H, inputs).
        w_hh: (H, H).
        b_ih: (H,), or none.
        b_hh: (H,), or none.

    Raises:
        ValueError: if the shapes don't fit.
    """
    if casting.on:
        return in_autocast(rnn_tanh_cell, input, hx, w_ih, w_hh, b_ih, b_hh)
    return _cell("RNN_TANH", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """:func:`rnn_tanh_cell` with relu."""
    if casting.on:
        return in_autocast(rnn_relu_cell, input, hx, w_ih, w_hh, b_ih, b_hh)
    return _cell("RNN_RELU", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM (Hochreiter and Schmidhuber, 1997); its gates are i, f, g, o.

    Args:
        input: (N, inputs).
        hx: the states h and c, (N, H) each.
        w_ih: (4 H, inputs).
        w_hh: (4 H, H).
        b_ih: (4 H,), or none.
        b_hh: (4 H,), or none.

    Returns:
        ``c' = sigmoid(f) c + sigmoid(i) tanh(g)`` after ``h' = sigmoid(o) tanh(c')``.

    Raises:
        ValueError: if the shapes don't fit.
    """
    if casting.on:
        return in_autocast(lstm_cell, input, hx, w_ih, w_hh, b_ih, b_hh)
    h, c = _cell("LSTM", input, tuple(hx), w_ih, w_hh, b_ih, b_hh)
    return h, c


def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """One step of a GRU (Cho et al., arXiv:1406.1078); its gates are r, z, n.

    ``h' = (1 - z) n + z h`` with ``n = tanh(w_in x + b_in + r (w_hn h + b_hn))``; arguments as :func:`lstm_cell`'s,
    with 3 gates and one state.
    """
    if casting.on:
        return in_autocast(gru_cell, input, hx, w_ih, w_hh, b_ih, b_hh)
    return _cell("GRU", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def _cell(
    mode: str,
    input: Tensor,
    state: State,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
) -> State:
    hidden, op = w_hh.shape[1], f"{mode.lower()}_cell"
    if input.ndim != 2 or w_ih.shape != (GATES[mode] * hidden, input.shape[1]):
        raise ValueError(
            f"[{op}] expected an input of (batch, {w_ih.shape[1]}) and weights of {GATES[mode]} x {hidden} rows, "
            f"got shapes {tuple(input.shape)} and {tuple(w_ih.shape)}"
        )
    for s in state:
        if tuple(s.shape) != (input.shape[0], hidden):
            raise ValueError(
                f"[{op}] expected a state of shape {(input.shape[0], hidden)}, got {tuple(s.shape)}"
            )
    return STEPS[mode](linear(input, w_ih, b_ih), state, Weights(w_ih, w_hh, b_ih, b_hh))
