"""Writing a sequence by always taking the likeliest token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lamina
from lamina.autograd import no_grad
from lamina.tensor import Tensor


def write_greedily(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]],
    state: Any,
    first: Tensor,
    end: int,
    length: int,
) -> Tensor:
    """Tokens [N, at most length]; a row that has ended goes on with ``end`` until all have.

    Args:
        step: takes tokens [N] and a state, gives scores [N, vocabulary] of the next token and the next state.
        state: the first.
        first: the start tokens [N].
        end: the token that ends a row.
        length: how many tokens at most.
    """
    token, ended = first, first != first
    tokens: list[Tensor] = []
    with no_grad():
        while len(tokens) < length and not ended.all():
            scores, state = step(token, state)
            token = scores.argmax(1).masked_fill(ended, end)
            tokens.append(token)
            ended = ended | (token == end)
    return lamina.stack(tokens, 1)
