"""Recurrent layers, and their cells."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

from lamina.autograd.cast_mode import casting
from lamina.nn import functional as F
from lamina.nn import init
from lamina.nn.functional.rnn import recurrent_layer
from lamina.nn.functional.rnn_cell import GATES, State, Weights
from lamina.nn.modules.module import Module
from lamina.nn.parameter import Parameter
from lamina.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from lamina.ops.creation import empty
from lamina.ops.join import cat
from lamina.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell"]


def _check_sizes(name: str, least: int, **sizes: int) -> None:
    for size, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"[{name}] expected an integer {size}, got {value!r}")
        if value < least:
            raise ValueError(f"[{name}] expected {size} of at least {least}, got {value}")


def _check_dropout(name: str, dropout: Any) -> None:
    if isinstance(dropout, bool) or not isinstance(dropout, Real) or not 0 <= float(dropout) <= 1:
        raise ValueError(f"[{name}] expected dropout from 0 to 1, got {dropout!r}")


class RNNBase(Module):
    """Layers and directions of the recurrence that a subclass names in ``mode``; documented at :class:`LSTM`."""

    mode: str  # a key of GATES
    weight_ih_l0: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        _check_sizes(name, 1, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if num_layers > 2**16:  # a mistake, and would fill the memory layer by layer
            raise ValueError(f"[{name}] expected at most {2**16} layers, got {num_layers}")
        _check_sizes(name, 0, proj_size=proj_size)
        for option, value in {"bias": bias, "batch_first": batch_first}.items():
            if not isinstance(value, bool):
                raise TypeError(f"[{name}] expected {option} to be True or False, got {value!r}")
        _check_dropout(name, dropout)
        if proj_size >= hidden_size:
            raise ValueError(f"[{name}] expected proj_size from 0 to below hidden_size, got {proj_size}")
        if proj_size and self.mode != "LSTM":
            raise ValueError(f"[{name}] proj_size belongs to LSTM, got {proj_size} for {self.mode}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                self._make_parameters(layer, suffix, device, dtype)
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self._directions]

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _state_size(self) -> int:
        return self.proj_size or self.hidden_size

    def _make_parameters(self, layer: int, suffix: str, device: Any, dtype: Any) -> None:
        rows = GATES[self.mode] * self.hidden_size
        inputs = self.input_size if layer == 0 else self._state_size * self._directions
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, inputs),
            "weight_hh": (rows, self._state_size),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        for name, shape in shapes.items():
            setattr(self, name + suffix, Parameter(empty(*shape, device=device, dtype=dtype)))

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Does nothing: the weights lie as the kernels want them.  torch has it for cuDNN."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction, in the order in which they were made."""
        return [
            [w for w in self._weights(suffix) if w is not None]
            for layer in range(self.num_layers)
            for suffix in self._suffixes(layer)
        ]

    def _weights(self, suffix: str) -> list[Any]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return [getattr(self, name + suffix, None) for name in names]

    def forward(self, input: Any, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        if isinstance(input, PackedSequence):
            if lengths is not None:
                raise ValueError(f"[{type(self).__name__}] a PackedSequence has its lengths, got others")
            sizes = input.batch_sizes.tolist()
            given = self._permuted(self._states(hx, True), input.sorted_indices)
            data, ends = self._run(input.data, given, sizes)
            return PackedSequence(data, *input[1:]), self._public(
                self._permuted(ends, input.unsorted_indices), True
            )
        batched = self._check_input(input)
        if lengths is not None:
            return self._run_lengths(input, hx, lengths)
        steps = input if batched else input.unsqueeze(1)
        if batched and self.batch_first:
            steps = steps.transpose(0, 1)
        length, n, features = steps.shape
        data, ends = self._run(steps.reshape(length * n, features), self._states(hx, batched), [n] * length)
        output = data.reshape(length, n, data.shape[1])
        if not batched:
            output = output.squeeze(1)
        elif self.batch_first:
            output = output.transpose(0, 1)
        return output, self._public(ends, batched)

    def _run_lengths(self, input: Tensor, hx: Any, lengths: Any) -> tuple[Tensor, Any]:
        """Padded sequences of these lengths, in any order; outputs beyond a sequence's end are zero."""
        if input.ndim != 3:
            raise ValueError(
                f"[{type(self).__name__}] expected a batch where there are lengths, got shape {tuple(input.shape)}"
            )
        packed = pack_padded_sequence(input, lengths, self.batch_first, enforce_sorted=False)
        outputs, ends = self.forward(packed, hx)
        total = input.shape[1 if self.batch_first else 0]
        return pad_packed_sequence(outputs, self.batch_first, total_length=total)[0], ends

    def _check_input(self, input: Tensor) -> bool:
        """Whether the input, (T, N, features) or (T, features), has a batch."""
        name = type(self).__name__
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"[{name}] expected an input of 2 or 3 dimensions with {self.input_size} features, "
                f"got shape {tuple(input.shape)}"
            )
        if input.shape[1 if input.ndim == 3 and self.batch_first else 0] == 0:
            raise ValueError(f"[{name}] expected at least one step, got shape {tuple(input.shape)}")
        return input.ndim == 3

    def _states(self, hx: Any, batched: bool) -> State | None:
        """The first states as (layers x directions, N, size) each."""
        if hx is None:
            return None
        parts = tuple(hx) if self.mode == "LSTM" else (hx,)
        if len(parts) != (2 if self.mode == "LSTM" else 1):
            raise ValueError(f"[LSTM] expected the states h and c, got {len(parts)}")
        wanted = 3 if batched else 2
        for part in parts:
            if part.ndim != wanted:
                raise ValueError(
                    f"[{type(self).__name__}] expected a state of {wanted} dimensions, got shape {tuple(part.shape)}"
                )
        return parts if batched else tuple(p.unsqueeze(1) for p in parts)

    def _permuted(self, states: State | None, order: Tensor | None) -> Any:
        return states if states is None or order is None else tuple(s[:, order] for s in states)

    def _public(self, states: State, batched: bool) -> Any:
        parts = states if batched else tuple(s.squeeze(1) for s in states)
        return parts if self.mode == "LSTM" else parts[0]

    def _run(self, data: Tensor, given: State | None, sizes: list[int]) -> tuple[Tensor, State]:
        """All layers over packed data; the states at the ends, (layers x directions, N, size) each."""
        dtype = self.weight_ih_l0.dtype
        if data.dtype != dtype and not casting.on:  # autocast makes one dtype of them
            raise ValueError(
                f"[{type(self).__name__}] expected an input of {dtype}, the dtype of the weights, got {data.dtype}"
            )
        first = self._first(given, data, sizes[0])
        if self.num_layers == 1:
            return recurrent_layer(self.mode, data, first, self._layer_weights(0), sizes)
        ends: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                data = F.dropout(data, self.dropout, self.training)
            begin, end = layer * self._directions, (layer + 1) * self._directions
            state = tuple(s[begin:end] for s in first)
            data, after = recurrent_layer(self.mode, data, state, self._layer_weights(layer), sizes)
            ends.append(after)
        return data, tuple(cat(list(parts)) for parts in zip(*ends, strict=True))

    def _layer_weights(self, layer: int) -> list[Weights]:
        return [Weights(*self._weights(suffix)) for suffix in self._suffixes(layer)]

    def _first(self, given: State | None, data: Tensor, n: int) -> State:
        runs = self.num_layers * self._directions
        shapes = [(runs, n, self._state_size), (runs, n, self.hidden_size)]
        shapes = shapes if self.mode == "LSTM" else shapes[:1]
        if given is None:
            return tuple(data.new_zeros(shape) for shape in shapes)
        for part, shape in zip(given, shapes, strict=True):
            if tuple(part.shape) != shape or part.dtype != data.dtype:
                raise ValueError(
                    f"[{type(self).__name__}] expected a state of shape {shape} and {data.dtype}, "
                    f"got {tuple(part.shape)} and {part.dtype}"
                )
        return given

    def extra_repr(self) -> str:
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        changed = [f"{k}={getattr(self, k)}" for k, v in defaults.items() if getattr(self, k) != v]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


class RNN(RNNBase):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` over sequences (Elman, 1990).

    Args:
        input_size, hidden_size, num_layers: as :class:`LSTM`.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias, batch_first, dropout, bidirectional, device, dtype: as :class:`LSTM`.

    Example:
        >>> output, h = lamina.nn.RNN(3, 4)(lamina.ones(7, 2, 3))
        >>> output.shape, h.shape
        (lamina.Size([7, 2, 4]), lamina.Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"[RNN] expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
        self.mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory over sequences (Hochreiter and Schmidhuber, 1997); see :func:`lamina.lstm_cell`.

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        num_layers: how many layers run on top of each other.
        bias: whether there are biases.
        batch_first: whether input and output are (N, T, features), not (T, N, features).
        dropout: the probability of a zero between layers while training.
        bidirectional: run each layer in both directions, their outputs side by side.
        proj_size: S: the state h and the output are projected to it; 0: S is H (Sak et al., arXiv:1402.1128).
        device: where the parameters live.
        dtype: of the parameters.

    The input is (T, N, input_size), (T, input_size) or a PackedSequence; the states h and c, which start at zero unless
    given, are (num_layers * directions, N, S) and (..., N, H).  Gives the outputs (T, N, directions * S), and (h, c).
    ``layer(input, hx, lengths)`` takes padded sequences of N lengths in any order: a state is the one at its sequence's
    end, outputs after it are zero.

    Attributes:
        weight_ih_l0, ...: (4 H, input_size): of the gates i, f, g, o; ``_l1`` of the second layer, ``_reverse`` of the
            other direction; as all parameters drawn uniformly from +-1/sqrt(H).
        weight_hh_l0, ...: (4 H, S).
        bias_ih_l0, bias_hh_l0, ...: (4 H,).
        weight_hr_l0, ...: (S, H), with a projection.

    Example:
        >>> output, (h, c) = lamina.nn.LSTM(3, 4, bidirectional=True)(lamina.ones(7, 2, 3))
        >>> output.shape, h.shape, c.shape
        (lamina.Size([7, 2, 8]), lamina.Size([2, 2, 4]), lamina.Size([2, 2, 4]))
    """

    mode = "LSTM"


class GRU(RNNBase):
    """Gated recurrent units over sequences (Cho et al., arXiv:1406.1078); see :func:`lamina.gru_cell`.

    Args:
        input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device, dtype: as :class:`LSTM`.

    Example:
        >>> output, h = lamina.nn.GRU(3, 4)(lamina.ones(7, 2, 3))
        >>> output.shape, h.shape
        (lamina.Size([7, 2, 4]), lamina.Size([1, 2, 4]))
    """

    mode = "GRU"


class _Cell(Module):
    """One step of a recurrence.

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        bias: whether there are biases.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        weight_ih: (gates * H, input_size), as all parameters drawn uniformly from +-1/sqrt(H).
        weight_hh: (gates * H, H).
        bias_ih, bias_hh: (gates * H,).
    """

    _mode: ClassVar[str]
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        _check_sizes(type(self).__name__, 0, input_size=input_size)
        _check_sizes(type(self).__name__, 1, hidden_size=hidden_size)
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = GATES[self._mode] * hidden_size
        self.weight_ih = Parameter(empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(empty(rows, hidden_size, device=device, dtype=dtype))
        self.bias_ih = Parameter(empty(rows, device=device, dtype=dtype)) if bias else None
        self.bias_hh = Parameter(empty(rows, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _step(self, cell: Callable[..., Any], input: Tensor, hx: Any) -> Any:
        """``cell`` on (N, features) or (features,); ``hx``: a state or two, or None for zeros."""
        if input.ndim not in (1, 2):
            raise ValueError(
                f"[{type(self).__name__}] expected an input of 1 or 2 dimensions, got shape {tuple(input.shape)}"
            )
        two = self._mode == "LSTM"
        batched = input.ndim == 2
        x = input if batched else input.unsqueeze(0)
        if hx is None:
            start = x.new_zeros(x.shape[0], self.hidden_size)
            hx = (start, start) if two else start
        elif not batched:
            hx = tuple(s.unsqueeze(0) for s in hx) if two else hx.unsqueeze(0)
        result = cell(x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        if batched:
            return result
        return tuple(s.squeeze(0) for s in result) if two else result.squeeze(0)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """One step of an :class:`RNN`: (N, input_size) and the state (N, H) give the next state.

    Args:
        input_size: features of the input.
        hidden_size: H, features of the state.
        bias: whether there are biases.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        device: where the parameters live.
        dtype: of the parameters.
    """

    _mode = "RNN_TANH"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"[RNNCell] expected nonlinearity 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        cell = F.rnn_tanh_cell if self.nonlinearity == "tanh" else F.rnn_relu_cell
        result: Tensor = self._step(cell, input, hx)
        return result

    def extra_repr(self) -> str:
        return super().extra_repr() + (
            "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        )


class LSTMCell(_Cell):
    """One step of an :class:`LSTM`: (N, input_size) and the states (h, c), (N, H) each, give the next states.

    Example:
        >>> h, c = lamina.nn.LSTMCell(3, 4)(lamina.ones(2, 3))
        >>> h.shape
        lamina.Size([2, 4])
    """

    _mode = "LSTM"

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = self._step(F.lstm_cell, input, hx)
        return h, c


class GRUCell(_Cell):
    """One step of a :class:`GRU`: (N, input_size) and the state (N, H) give the next state."""

    _mode = "GRU"

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        result: Tensor = self._step(F.gru_cell, input, hx)
        return result
