"""Recurrent layers and packed sequences against torch's: outputs, states, gradients, names, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn
from lamina.autograd import gradcheck, gradgradcheck
from lamina.nn.functional.rnn import recurrent_layer, unfused_layer
from lamina.nn.functional.rnn_cell import Weights
from lamina.nn.utils import rnn as packing

RNG = np.random.default_rng(0)
LAYERS = [
    ("RNN", {}), ("RNN", {"nonlinearity": "relu", "num_layers": 2}), ("LSTM", {}), ("GRU", {}),
    ("LSTM", {"num_layers": 2, "bidirectional": True}), ("GRU", {"num_layers": 2, "bidirectional": True}),
    ("RNN", {"bidirectional": True, "batch_first": True}), ("LSTM", {"bias": False, "batch_first": True}),
    ("LSTM", {"proj_size": 2, "num_layers": 2, "bidirectional": True}),
]  # fmt: skip
IDS = ["-".join([name, *(f"{k}={v}" for k, v in o.items())]) for name, o in LAYERS]


def pair(name, arguments, options, torch):
    """The same layer in both libraries, in float64."""
    theirs = getattr(torch.nn, name)(*arguments, **options, dtype=torch.float64)
    ours = getattr(nn, name)(*arguments, **options, dtype=lamina.float64)
    assert repr(ours) == repr(theirs)
    assert {k: tuple(v.shape) for k, v in ours.state_dict().items()} == {
        k: tuple(v.shape) for k, v in theirs.state_dict().items()
    }
    ours.load_state_dict({k: lamina.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()})
    return ours, theirs


def flat(result):
    """The tensors in nested results; of packed sequences the data."""
    if isinstance(result, tuple) and not hasattr(result, "batch_sizes"):
        return [t for part in result for t in flat(part)]
    return [result.data if hasattr(result, "batch_sizes") else result]


def compare(ours, theirs, mine, other):
    got, want = flat(ours(*mine)), flat(theirs(*other))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)
    sum((t * t).sum() for t in got).backward()
    sum((t * t).sum() for t in want).backward()
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)


def states(name, options, n, torch, batched=True, hidden=5):
    runs = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    sizes = [options.get("proj_size", 0) or hidden, hidden][: 2 if name == "LSTM" else 1]
    values = [RNG.standard_normal((runs, n, s) if batched else (runs, s)) for s in sizes]
    both = [[library.from_numpy(v.copy()) for v in values] for library in (lamina, torch)]
    return [tuple(s) if name == "LSTM" else s[0] for s in both]


@pytest.mark.parametrize("name, options", LAYERS, ids=IDS)
def test_sequences(name, options, torch):
    for with_state in (False, True):
        ours, theirs = pair(name, (3, 5), options, torch)
        x = RNG.standard_normal((4, 6, 3))
        extra = states(name, options, 4 if options.get("batch_first") else 6, torch) if with_state else None
        mine, other = ([library.from_numpy(x.copy())] for library in (lamina, torch))
        if extra:
            mine.append(extra[0])
            other.append(extra[1])
        compare(ours, theirs, mine, other)


@pytest.mark.parametrize("name, options", LAYERS, ids=IDS)
def test_packed_sequences(name, options, torch):
    x, lengths = RNG.standard_normal((5, 4, 3)), [2, 5, 1, 5]  # (T, N, features), out of order
    for with_state in (False, True):
        ours, theirs = pair(name, (3, 5), options, torch)
        mine = [packing.pack_padded_sequence(lamina.from_numpy(x.copy()), lengths, enforce_sorted=False)]
        pack = torch.nn.utils.rnn.pack_padded_sequence
        other = [pack(torch.from_numpy(x.copy()), lengths, enforce_sorted=False)]
        if with_state:
            extra = states(name, options, 4, torch)
            mine.append(extra[0])
            other.append(extra[1])
        compare(ours, theirs, mine, other)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_without_a_batch(name, torch):
    ours, theirs = pair(name, (3, 5), {"bidirectional": True}, torch)
    x, (mine, other) = RNG.standard_normal((4, 3)), states(name, {"bidirectional": True}, 0, torch, False)
    compare(ours, theirs, [lamina.from_numpy(x.copy()), mine], [torch.from_numpy(x.copy()), other])


@pytest.mark.parametrize("name, options", [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}),
                                           ("GRUCell", {"bias": False}), ("GRUCell", {})])  # fmt: skip
def test_cells(name, options, torch):
    ours, theirs = pair(name, (3, 5), options, torch)
    x = RNG.standard_normal((4, 3))
    compare(ours, theirs, [lamina.from_numpy(x)], [torch.from_numpy(x)])
    state = [RNG.standard_normal((5,)) for _ in range(2 if name == "LSTMCell" else 1)]
    given = [
        [library.from_numpy(s) for s in state] if len(state) > 1 else library.from_numpy(state[0])
        for library in (lamina, torch)
    ]
    ours.zero_grad(), theirs.zero_grad()
    compare(ours, theirs, [lamina.from_numpy(x[0]), given[0]], [torch.from_numpy(x[0]), given[1]])


@pytest.mark.parametrize("mode, gates", [("RNN_TANH", 1), ("RNN_RELU", 1), ("LSTM", 4), ("GRU", 3)])
@pytest.mark.parametrize("directions", [1, 2])
def test_gradients_of_a_layer(mode, gates, directions):
    states = 2 if mode == "LSTM" else 1
    shapes = [(6, 2), *[(directions, 3, 3)] * states]
    shapes += [(3 * gates, 2), (3 * gates, 3), (3 * gates,), (3 * gates,)] * directions
    given = [lamina.from_numpy(RNG.standard_normal(s)).requires_grad_() for s in shapes]

    def layer(x, *rest):
        weights = [Weights(*rest[i : i + 4]) for i in range(states, len(rest), 4)]
        output, end = recurrent_layer(mode, x, rest[:states], weights, [3, 2, 1])
        return output, *end

    assert gradcheck(layer, given) and gradgradcheck(layer, given, fast_mode=True)


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_long_sequences(name, torch):
    """More steps than the kernels take at once, of sequences that end at different times."""
    options = {"bidirectional": True}
    ours, theirs = pair(name, (3, 64), options, torch)
    lengths = [400, 400, 399, 301, 12, 1]
    x, (mine, other) = RNG.standard_normal((400, 6, 3)), states(name, options, 6, torch, hidden=64)
    pack = torch.nn.utils.rnn.pack_padded_sequence
    compare(
        ours,
        theirs,
        [packing.pack_padded_sequence(lamina.from_numpy(x.copy()), lengths), mine],
        [pack(torch.from_numpy(x.copy()), lengths), other],
    )


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_lengths(name, batch_first, torch):
    """Plain lengths in any order are packing and padding again."""
    options = {"num_layers": 2, "bidirectional": True, "batch_first": batch_first}
    ours, theirs = pair(name, (3, 5), options, torch)
    x, lengths = RNG.standard_normal((4, 6, 3) if batch_first else (6, 4, 3)), [2, 5, 1, 5]
    mine, other = states(name, options, 4, torch)
    given = torch.nn.utils.rnn.pack_padded_sequence(torch.from_numpy(x.copy()), lengths, batch_first, False)

    def padded(packed, state):
        y, ends = theirs(packed, state)
        return torch.nn.utils.rnn.pad_packed_sequence(y, batch_first, total_length=6)[0], ends

    padded.parameters = theirs.parameters
    compare(ours, padded, [lamina.from_numpy(x.copy()), mine, lengths], [given, other])
    as_tensor = ours(lamina.from_numpy(x), mine, lamina.tensor(lengths))[0]
    assert lamina.equal(as_tensor, ours(lamina.from_numpy(x), mine, lengths)[0])


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_truncated_backward(name, torch):
    """A detached state carries values, not gradients, into the next piece of a sequence."""
    ours, theirs = pair(name, (3, 5), {}, torch)
    pieces = [RNG.standard_normal((4, 2, 3)) for _ in range(3)]

    def run(layer, library):
        total, state = 0.0, None
        for piece in pieces:
            y, state = layer(library.from_numpy(piece.copy()), state)
            state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            total = total + (y * y).sum()
        total.backward()
        return [p.grad.numpy() for p in layer.parameters()]

    for a, b in zip(run(ours, lamina), run(theirs, torch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("mode, gates", [("RNN_TANH", 1), ("RNN_RELU", 1), ("LSTM", 4), ("GRU", 3)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_stay_in_their_sequence(mode, gates, bad):
    """And in their units: padding of the kernels' vectors spreads nothing.  The loop of plain ops is the measure."""
    hidden = 21
    values = [
        RNG.standard_normal((6, 2)),
        *[RNG.standard_normal((1, 3, hidden))] * (2 if mode == "LSTM" else 1),
    ]
    values += [RNG.standard_normal(s) / 5 for s in ((gates * hidden, 2), (gates * hidden, hidden))]
    values[0][4, 1] = bad
    results = []
    for function in (recurrent_layer, unfused_layer):
        given = [lamina.from_numpy(v.astype(np.float32)).requires_grad_() for v in values]
        y, ends = function(mode, given[0], tuple(given[1:-2]), [Weights(*given[-2:])], [3, 3])
        results.append([y, *ends, *lamina.autograd.grad(y.sum() + ends[0].sum(), given[:-2])])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_results_that_were_changed_are_refused():
    y, _ = nn.GRU(2, 3)(lamina.ones(4, 1, 2))
    y += 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


def test_dropout_between_layers():
    layer = nn.LSTM(3, 4, num_layers=2, dropout=1.0)
    x = lamina.ones(2, 1, 3)
    silent = layer(x)[0]
    layer.weight_ih_l0.data = layer.weight_ih_l0.data * 5  # all of the first layer's output is dropped
    assert lamina.equal(layer(x)[0], silent) and not lamina.equal(layer.eval()(x)[0], silent)


def test_packing_is_torchs(torch):
    theirs = torch.nn.utils.rnn
    parts = [RNG.standard_normal((n, 2)) for n in (3, 5, 1)]
    mine, other = ([library.from_numpy(p) for p in parts] for library in (lamina, torch))
    for options in ({}, {"batch_first": True, "padding_value": 7.0}, {"padding_side": "left"}):
        got, want = packing.pad_sequence(mine, **options), theirs.pad_sequence(other, **options)
        np.testing.assert_array_equal(got.numpy(), want.numpy())
    got, want = packing.pack_sequence(mine, False), theirs.pack_sequence(other, False)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for options in ({}, {"batch_first": True, "padding_value": -1.0, "total_length": 7}):
        for a, b in zip(
            packing.pad_packed_sequence(got, **options),
            theirs.pad_packed_sequence(want, **options),
            strict=True,
        ):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    back = packing.unpad_sequence(packing.pad_sequence(mine), lamina.tensor([3, 5, 1]))
    assert all(lamina.equal(a, b) for a, b in zip(back, mine, strict=True))
    assert got.double().data.dtype is lamina.float64 and not got.is_cuda


def test_packing_has_gradients():
    x = lamina.from_numpy(RNG.standard_normal((4, 3, 2))).requires_grad_()

    def there_and_back(x):
        return packing.pad_packed_sequence(packing.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False))[
            0
        ]

    assert gradcheck(there_and_back, [x])


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: nn.LSTM(3, 0), ValueError, r"\[LSTM\] expected hidden_size of at least 1, got 0"),
        (lambda: nn.GRU(3, 4, dropout=1.5), ValueError, r"\[GRU\] expected dropout from 0 to 1"),
        (lambda: nn.GRU(3, 4, dropout="a"), ValueError, r"\[GRU\] expected dropout from 0 to 1, got 'a'"),
        (lambda: nn.LSTM(3, 4, bias=0), TypeError, r"\[LSTM\] expected bias to be True or False, got 0"),
        (lambda: nn.RNN(3, 4, batch_first=1), TypeError, r"\[RNN\] expected batch_first to be True or False, got 1"),
        (lambda: nn.LSTM(0, 4), ValueError, r"\[LSTM\] expected input_size of at least 1, got 0"),
        (lambda: nn.GRU(3, 0), ValueError, r"\[GRU\] expected hidden_size of at least 1, got 0"),
        (lambda: nn.GRU(3, 4, 0), ValueError, r"\[GRU\] expected num_layers of at least 1, got 0"),
        (lambda: nn.RNN(3, 4.0), TypeError, r"\[RNN\] expected an integer hidden_size, got 4.0"),
        (lambda: nn.LSTM(3, 4, proj_size=True), TypeError, r"\[LSTM\] expected an integer proj_size, got True"),
        (lambda: nn.LSTM(3, 4, dtype=lamina.int64), RuntimeError, "only floating tensors have gradients"),
        (lambda: nn.LSTM(3, 4)(lamina.ones(5, 2, 3).long()), ValueError, "input of .*float32.*got .*int64"),
        (lambda: nn.LSTM(3, 4)(lamina.ones(5, 2, 3).double()), ValueError, "input of .*float32.*got .*float64"),
        (lambda: nn.GRU(3, 4)(lamina.ones(5, 2, 3), lamina.ones(1, 2, 4).double()), ValueError,
         "a state of shape .*float32, got .*float64"),
        (lambda: nn.LSTMCell(-3, 4), ValueError, r"\[LSTMCell\] expected input_size of at least 0, got -3"),
        (lambda: nn.GRUCell(3, 4.0), TypeError, r"\[GRUCell\] expected an integer hidden_size, got 4.0"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, r"\[LSTM\] expected proj_size"),
        (lambda: nn.RNN(3, 4, nonlinearity="elu"), ValueError, r"\[RNN\] expected nonlinearity"),
        (lambda: nn.LSTM(3, 4)(lamina.ones(5, 2, 2)), ValueError, r"\[LSTM\] expected an input of 2 or 3 dim"),
        (lambda: nn.LSTM(3, 4)(lamina.ones(0, 2, 3)), ValueError, r"\[LSTM\] expected at least one step"),
        (lambda: nn.GRU(3, 4)(lamina.ones(5, 2, 3), lamina.ones(1, 3, 4)), ValueError, "a state of shape"),
        (lambda: nn.GRU(3, 4)(lamina.ones(5, 3), lamina.ones(1, 1, 4)), ValueError, "a state of 2 dimensions"),
        (lambda: nn.GRU(3, 4, 1, True, False, 0, False, 2), ValueError, r"\[GRU\] proj_size belongs to LSTM"),
        (lambda: nn.GRU(3, 4)(lamina.ones(5, 3), None, [5]), ValueError, r"\[GRU\] expected a batch where"),
        (lambda: nn.GRU(3, 4)(lamina.ones(5, 2, 3), None, [5, 6]), ValueError, "lengths from 1 to 5"),
        (lambda: nn.GRU(3, 4)(packing.pack_sequence([lamina.ones(5, 3)]), None, [5]), ValueError, "PackedSequence has"),
        (lambda: nn.GRUCell(3, 4)(lamina.ones(5, 2)), ValueError, r"\[gru_cell\] expected an input"),
        (lambda: nn.GRUCell(3, 4)(lamina.ones(5, 3), lamina.ones(4, 4)), ValueError, "expected a state of"),
        (lambda: packing.pack_padded_sequence(lamina.ones(3, 2), [2, 3]), ValueError, "never rise"),
        (lambda: packing.pack_padded_sequence(lamina.ones(3, 2), [3, 0]), ValueError, "lengths from 1 to 3"),
        (lambda: packing.pack_padded_sequence(lamina.ones(3, 2), [3]), ValueError, "a length for each of 2"),
        (lambda: packing.pad_sequence([]), ValueError, "at least one sequence"),
    ],
)  # fmt: skip
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_a_recorded_gradient_counts_no_path_twice(name: str) -> None:
    """Where the first state is made from the input, the layer's gradient for the input is not that of the state too."""
    lamina.manual_seed(0)
    layer = getattr(nn, name)(3, 3).double()
    x = lamina.randn(4, 2, 3, dtype=lamina.float64).requires_grad_()

    def slope(create_graph: bool) -> lamina.Tensor:
        h = (x[0] * 2).unsqueeze(0)
        y, _ = layer(x, (h, h) if name == "LSTM" else h)
        return lamina.autograd.grad((y * y).sum(), x, create_graph=create_graph)[0]

    np.testing.assert_allclose(slope(True).detach().numpy(), slope(False).numpy(), rtol=1e-10)
