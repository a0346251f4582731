"""Recurrent layers over whole sequences, in one direction and in both."""

import numpy as np
from case import Case, Input, bad, sample

from lamina.nn import functional as F
from lamina.nn.functional.rnn_cell import GATES, Weights


def layer(mode, x, sizes, states, weights):
    """All outputs in one row; ``weights``: w_ih, w_hh and the biases, or None, of each direction in turn."""
    sets = [Weights(*weights[i : i + 4]) for i in range(0, len(weights), 4)]
    y, ends = F.recurrent_layer(mode, x, tuple(states), sets, sizes)
    return y, *ends


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cell(mode, x, states, w_ih, w_hh, b_ih, b_hh):
    h = states[0]
    a, b = (m @ w.T + (0 if bias is None else bias) for m, w, bias in ((x, w_ih, b_ih), (h, w_hh, b_hh)))
    if mode == "LSTM":
        i, f, g, o = np.split(a + b, 4, 1)
        c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    if mode == "GRU":
        (r, z, n), (r2, z2, n2) = np.split(a, 3, 1), np.split(b, 3, 1)
        n, z = np.tanh(n + sigmoid(r + r2) * n2), sigmoid(z + z2)
        return ((1 - z) * n + z * h,)
    return (np.tanh(a + b) if mode == "RNN_TANH" else np.maximum(a + b, 0),)


def reference(mode, x, sizes, states, weights):
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    directions = len(weights) // 4
    ys = [np.zeros((len(x), states[0].shape[2]), x.dtype) for _ in range(directions)]
    ends = [s.copy() for s in states]
    for d in range(directions):
        for t in reversed(range(len(sizes))) if d else range(len(sizes)):
            n, rows = sizes[t], slice(offsets[t], offsets[t + 1])
            after = cell(mode, x[rows], [e[d, :n] for e in ends], *weights[4 * d : 4 * d + 4])
            for end, state in zip(ends, after):
                end[d, :n] = state
            ys[d][rows] = after[0]
    return np.concatenate(ys, 1), *ends


def torch_layer(torch, mode, x, sizes, states, weights):
    function = getattr(torch._VF, mode.lower())
    hx = tuple(states) if mode == "LSTM" else states[0]
    given, biased = [w for w in weights if w is not None], weights[2] is not None
    options = (biased, 1, 0.0, True, len(weights) == 8)
    if len(set(sizes)) == 1:  # where it is fastest
        y, *ends = function(x.reshape(len(sizes), sizes[0], x.shape[1]), hx, given, *options, False)
        return y.reshape(len(x), y.shape[2]), *ends
    return function(x, torch.tensor(sizes), hx, given, *options)


def call(mode, sizes, inputs, hidden, directions=1, bias=True):
    """A layer at these sizes; sizes may be (T, N) for T steps of N sequences."""
    sizes = [sizes[1]] * sizes[0] if isinstance(sizes, tuple) else sizes
    rows = GATES[mode] * hidden
    shapes = [(rows, inputs), (rows, hidden), (rows,) if bias else None, (rows,) if bias else None]
    weights = [s and parameter(s, hidden, i) for i, s in enumerate(shapes * directions)]
    states = [Input((directions, sizes[0], hidden))] * (2 if mode == "LSTM" else 1)
    return sample(mode, Input((sum(sizes), inputs)), sizes, states, weights)


def parameter(shape, hidden, seed):
    """Drawn as a layer draws it: larger ones would make states of a long sequence chaotic."""
    rng = np.random.default_rng(seed)
    return Input(shape, "values", values=rng.uniform(-1, 1, shape) / np.sqrt(hidden))


def samples(mode):
    return [
        call(mode, [3, 2, 2], 4, 5),
        call(mode, [4, 4, 3, 1], 3, 7, directions=2),
        call(mode, (3, 2), 2, 16, bias=False),
        call(mode, (2, 15), 5, 17),  # two tiles of rows
        call(mode, (3, 3), 1, 33, directions=2),  # groups that fill no panel
        call(mode, (4, 1), 3, 67),  # one row, several panels at a time
        call(mode, [2, 1, 1], 3, 129, directions=2),
        call(mode, (1, 1), 1, 1),
        call(mode, [2, 1, 0], 2, 3, directions=2),  # a step that nothing runs at
        call(mode, (2, 2), 0, 3),  # no inputs
        call(mode, (2, 0), 3, 2),  # no sequences
    ]


def wrong(mode):
    x, h, w = Input((4, 3)), Input((1, 2, 5)), [Input((5, 3)), Input((5, 5)), None, None]
    return [
        bad(ValueError, r"\[rnn\] expected at least one step", mode, x, [], [h], w),
        bad(ValueError, r"\[rnn\] expected 3 rows of x", mode, x, [2, 1], [h], w),
        bad(ValueError, r"never rise, got 3 at step 1", mode, x, [1, 3], [h], w),
        bad(ValueError, r"never rise, got -1 at step 0", mode, x, [-1], [h], w),
        bad(ValueError, r"expected h0 of shape \(1, 2, 5\)", mode, x, [2, 2], [Input((1, 3, 5))], w),
        bad(ValueError, r"expected w_ih of shape \(5, 3\)", mode, x, [2, 2], [h], [Input((5, 4)), *w[1:]]),
        bad(ValueError, r"expected w_hh of shape \(5, 5\)", mode, x, [2, 2], [h], [w[0], Input((6, 5)), None, None]),
        bad(ValueError, r"expected b_hh of shape \(5,\)", mode, x, [2, 2], [h], [*w[:2], Input((5,)), Input((4,))]),
        bad(ValueError, r"both biases or neither", mode, x, [2, 2], [h], [*w[:3], Input((5,))]),
        bad(ValueError, r"expected h0, and c0 for an LSTM alone, got 2", mode, x, [2, 2], [h, h], w),
        bad(ValueError, r"\[rnn\] expected a mode of RNN_TANH, RNN_RELU, LSTM, GRU", "ELMAN", x, [2, 2], [h], w),
        bad(ValueError, r"one or two directions, got 0", mode, x, [2, 2], [h], []),
        bad(ValueError, r"x and w_hh of 2 dimensions", mode, Input((4, 3, 1)), [2, 2], [h], w),
    ]  # fmt: skip


SHAPES = {  # T, N, I, H
    "T35 N20 200>200": ((35, 20), 200, 200),
    "T35 N64 512>512": ((35, 64), 512, 512),
    "T100 N32 128>256": ((100, 32), 128, 256),
    "T256 N64 64>128": ((256, 64), 64, 128),
    "T100 N1 128>256": ((100, 1), 128, 256),
}


CASES = [
    Case(
        f"rnn.{mode.lower()}",
        layer,
        samples(mode),
        reference,
        torch_layer,
        rtol=1e-4,
        atol=1e-5,
        errors=wrong(mode) if mode == "RNN_TANH" else [],
        benchmarks={name: call(mode, *shape) for name, shape in SHAPES.items()},
    )
    for mode in GATES
]
