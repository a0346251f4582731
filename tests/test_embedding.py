"""Gradients of embeddings that are not the derivative: padding and scaling by frequency; the module."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.nn import functional as F


@pytest.mark.parametrize("padding_idx", [None, 2, -1])
@pytest.mark.parametrize("scale", [False, True])
def test_gradients_are_torch_s(torch: Any, padding_idx: int | None, scale: bool) -> None:
    rng = np.random.default_rng(0)
    words, table, seed = rng.integers(0, 7, (4, 5)), rng.random((7, 3)), rng.random((4, 5, 3))
    mine, theirs = lamina.tensor(table, requires_grad=True), torch.tensor(table, requires_grad=True)
    options = {"padding_idx": padding_idx, "scale_grad_by_freq": scale}
    F.embedding(lamina.tensor(words), mine, **options).backward(lamina.tensor(seed))
    torch.nn.functional.embedding(torch.tensor(words), theirs, **options).backward(torch.tensor(seed))
    np.testing.assert_allclose(mine.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


def test_second_derivatives_pass_through() -> None:
    table = lamina.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    rows = F.embedding(lamina.tensor([1, 1, 0]), table, padding_idx=0)
    (first,) = lamina.autograd.grad((rows * rows).sum(), table, create_graph=True)
    assert first.tolist() == [[0, 0], [12, 16]]
    first.sum().backward()
    assert table.grad.tolist() == [[0, 0], [4, 4]]


def test_the_module() -> None:
    lamina.manual_seed(0)
    m = lamina.nn.Embedding(5, 3, padding_idx=-1)
    assert m.padding_idx == 4 and m.weight[4].tolist() == [0, 0, 0] and m.weight[0].tolist() != [0, 0, 0]
    y = m(lamina.tensor([[0, 4], [4, 1]]))
    assert tuple(y.shape) == (2, 2, 3)
    y.sum().backward()
    assert m.weight.grad[:, 0].tolist() == [1, 1, 0, 0, 0]
    assert repr(m) == "Embedding(5, 3, padding_idx=4)"
    fixed = lamina.nn.Embedding.from_pretrained(m.weight.detach())
    assert not fixed.weight.requires_grad and (fixed.num_embeddings, fixed.embedding_dim) == (5, 3)
    m.load_state_dict(fixed.state_dict())


def test_max_norm_changes_the_rows_that_are_looked_up() -> None:
    m = lamina.nn.Embedding(2, 2, max_norm=1.0)
    with lamina.no_grad():
        m.weight[:] = lamina.tensor([[3.0, 4.0], [3.0, 4.0]])
    m(lamina.tensor([0])).sum().backward()
    np.testing.assert_allclose(m.weight.detach().numpy(), [[0.6, 0.8], [3, 4]], rtol=1e-6)
    assert m.weight.grad.tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    "match, arguments",
    [
        ("sizes of at least 0", {"num_embeddings": -1, "embedding_dim": 2}),
        ("padding_idx within 3", {"num_embeddings": 3, "embedding_dim": 2, "padding_idx": 3}),
        ("weight of shape", {"num_embeddings": 3, "embedding_dim": 2, "_weight": lamina.ones(2, 3)}),
    ],
)
def test_wrong_arguments(match: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=match):
        lamina.nn.Embedding(**arguments)
