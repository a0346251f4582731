"""Transformers (Vaswani et al., arXiv:1706.03762): layers of attention and feed-forward networks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from lamina.nn import functional as F
from lamina.nn import fusion, init
from lamina.nn.modules.activation import GELU, ReLU
from lamina.nn.modules.attention import MultiheadAttention
from lamina.nn.modules.container import ModuleList
from lamina.nn.modules.dropout import Dropout
from lamina.nn.modules.layer_norm import LayerNorm
from lamina.nn.modules.linear import Linear
from lamina.nn.modules.module import Module
from lamina.ops.creation import full
from lamina.ops.rearrange import triu
from lamina.tensor import Tensor

__all__ = [
    "Transformer", "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer",
]  # fmt: skip

Activation = str | Callable[[Tensor], Tensor]
MODULES: dict[Any, Module] = {F.relu: ReLU(), F.gelu: GELU()}  # what runs as one with the dropout after it


class _Layer(Module):
    """What layers of both halves share: each block is added to its input, with a normalisation before or after.

    Args:
        d_model: E, features of inputs and outputs.
        nhead: heads of the attentions, a divisor of E.
        dim_feedforward: hidden units of the feed-forward network.
        dropout: the probability of a zero, of attention's weights, of hidden units and of what blocks add.
        activation: of the hidden units: ``"relu"``, ``"gelu"`` or a function.
        layer_norm_eps: added to variances by the normalisations.
        batch_first: whether inputs are (N, L, E), not (L, N, E).
        norm_first: normalise what goes into a block, not the sum after it.
        bias: whether linear maps and normalisations have biases.
        device: where the parameters live.
        dtype: of the parameters.
    """

    _norms: int

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()

        def attention() -> MultiheadAttention:
            return MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, device=device, dtype=dtype
            )

        self.self_attn = attention()
        if self._norms == 3:
            self.multihead_attn = attention()
        self.linear1 = Linear(d_model, dim_feedforward, bias, device, dtype)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, device, dtype)
        self.norm_first = norm_first
        for k in range(1, self._norms + 1):
            setattr(
                self, f"norm{k}", LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)
            )
        for k in range(1, self._norms + 1):
            setattr(self, f"dropout{k}", Dropout(dropout))
        self.activation = _activation(activation)

    def _add(self, k: int, x: Tensor, block: Callable[[Tensor], Tensor]) -> Tensor:
        """``x`` with what block k makes of it."""
        norm, dropout = getattr(self, f"norm{k}"), getattr(self, f"dropout{k}")
        result: Tensor
        if self.norm_first:
            result = x + dropout(block(norm(x)))
        else:
            result = norm(x + dropout(block(x)))
        return result

    def _attend(
        self, mask: Tensor | None, padding: Tensor | None, causal: bool
    ) -> Callable[[Tensor], Tensor]:
        def block(x: Tensor) -> Tensor:
            result: Tensor = self.self_attn(x, x, x, padding, False, mask, is_causal=causal)[0]
            return result

        return block

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self.linear1(x)
        module = MODULES.get(self.activation)
        if module is not None:
            hidden = fusion.run((module, self.dropout), hidden)
        else:
            hidden = self.dropout(self.activation(hidden))
        result: Tensor = self.linear2(hidden)
        return result


class TransformerEncoderLayer(_Layer):
    """Self-attention, then a feed-forward network, each added to its input and normalised.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device,
            dtype: as :class:`Transformer`'s.

    Example:
        >>> layer = lamina.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> layer(lamina.ones(3, 5, 8)).shape
        lamina.Size([3, 5, 8])
    """

    _norms = 2

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        x = self._add(1, src, self._attend(src_mask, src_key_padding_mask, is_causal))
        return self._add(2, x, self._feed_forward)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output, then a feed-forward network.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, device,
            dtype: as :class:`Transformer`'s.

    Example:
        >>> layer = lamina.nn.TransformerDecoderLayer(8, 2, 16)
        >>> layer(lamina.ones(4, 3, 8), lamina.ones(5, 3, 8)).shape
        lamina.Size([4, 3, 8])
    """

    _norms = 3

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def look_back(x: Tensor) -> Tensor:
            padding, causal = memory_key_padding_mask, memory_is_causal
            result: Tensor = self.multihead_attn(
                x, memory, memory, padding, False, memory_mask, is_causal=causal
            )[0]
            return result

        x = self._add(1, tgt, self._attend(tgt_mask, tgt_key_padding_mask, tgt_is_causal))
        x = self._add(2, x, look_back)
        return self._add(3, x, self._feed_forward)


class TransformerEncoder(Module):
    """Copies of a layer, one after the other.

    Args:
        encoder_layer: what is copied, its parameters too.
        num_layers: how often.
        norm: what comes last, or none.
        enable_nested_tensor, mask_check: as in torch, of no effect here.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """Copies of a layer, one after the other.

    Args:
        decoder_layer: what is copied, its parameters too.
        num_layers: how often.
        norm: what comes last, or none.
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = tgt
        for layer in self.layers:
            x = layer(
                x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
                bool(tgt_is_causal), memory_is_causal,
            )  # fmt: skip
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder of one sequence and a decoder of another that looks at the first.

    Args:
        d_model: E, features of inputs and outputs.
        nhead: heads of the attentions, a divisor of E.
        num_encoder_layers: layers of the encoder.
        num_decoder_layers: layers of the decoder.
        dim_feedforward: hidden units of the feed-forward networks.
        dropout: the probability of a zero.
        activation: of the hidden units: ``"relu"``, ``"gelu"`` or a function.
        custom_encoder: instead of the encoder.
        custom_decoder: instead of the decoder.
        layer_norm_eps: added to variances by the normalisations.
        batch_first: whether sequences are (N, L, E), not (L, N, E).
        norm_first: normalise what goes into a block, not the sum after it.
        bias: whether linear maps and normalisations have biases.
        device: where the parameters live.
        dtype: of the parameters.

    Attributes:
        encoder: a TransformerEncoder; matrices are drawn by Xavier's uniform.
        decoder: a TransformerDecoder.

    Masks are as :class:`lamina.nn.MultiheadAttention`'s: True, or minus infinity, where a query may not look.

    Example:
        >>> model = lamina.nn.Transformer(8, 2, 1, 1, 16)
        >>> model(lamina.ones(5, 3, 8), lamina.ones(4, 3, 8)).shape
        lamina.Size([4, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        layer = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias,
            device, dtype,
        )  # fmt: skip

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, device=device, dtype=dtype)

        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*layer), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*layer), num_decoder_layers, norm()
        )
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        batch = 0 if self.batch_first else 1
        if src.ndim != tgt.ndim or (src.ndim == 3 and src.shape[batch] != tgt.shape[batch]):
            raise ValueError(
                f"[Transformer] expected src and tgt of one batch size, got shapes {tuple(src.shape)} "
                f"and {tuple(tgt.shape)}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise ValueError(
                f"[Transformer] expected {self.d_model} features, got shapes {tuple(src.shape)} "
                f"and {tuple(tgt.shape)}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        result: Tensor = self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask, tgt_is_causal,
            memory_is_causal,
        )  # fmt: skip
        return result

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask of ``sz`` steps: minus infinity above the diagonal, zeros elsewhere.

        Example:
            >>> lamina.nn.Transformer.generate_square_subsequent_mask(2)
            tensor([[0., -inf],
                    [0., 0.]])
        """
        return triu(full((sz, sz), -math.inf, device=device, dtype=dtype), 1)


MOST_LAYERS = 2**16  # more are a mistake, and would fill the memory one by one


def _copies(layer: Module, n: int) -> ModuleList:
    if not isinstance(n, int) or isinstance(n, bool):
        raise TypeError(f"[Transformer] expected a number of layers, got {n!r}")
    if not 0 <= n <= MOST_LAYERS:
        raise ValueError(f"[Transformer] expected 0 to {MOST_LAYERS} layers, got {n}")
    return ModuleList([copy.deepcopy(layer) for _ in range(n)])


def _activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    if callable(activation):
        return activation
    if activation not in ("relu", "gelu"):
        raise ValueError(
            f"[transformer] expected activation 'relu', 'gelu' or a function, got {activation!r}"
        )
    return F.relu if activation == "relu" else F.gelu
