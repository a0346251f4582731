"""Second derivatives where one argument is another too, or is computed from it: each counts once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lamina
import lamina.nn.functional

Program = Callable[[Any, Any], Any]  # (nn.functional, x of shape (4, 5)) -> a tensor

PROGRAMS: dict[str, Program] = {
    "kl_div": lambda F, x: F.kl_div(x * 2, (x * x).exp(), reduction="sum"),
    "kl_div of one tensor": lambda F, x: F.kl_div(x.exp(), x.exp(), reduction="sum"),
    "mse_loss": lambda F, x: F.mse_loss(x, x * x * 3),
    "binary_cross_entropy_with_logits": lambda F, x: F.binary_cross_entropy_with_logits(x, (x * x).sigmoid()),
    "cross_entropy": lambda F, x: F.cross_entropy(x * 2, (x * x).softmax(1), reduction="sum"),
    "layer_norm": lambda F, x: F.layer_norm(x, (5,), x.mean(0) * 2, x[0] * 3),
    "rms_norm": lambda F, x: F.rms_norm(x, (5,), x.mean(0) * 2),
    "group_norm": lambda F, x: F.group_norm(x, 5, x.mean(0) * 2, x[0] * 3),
    "batch_norm": lambda F, x: F.batch_norm(x, None, None, x.mean(0) * 2, x[0] * 3, True),
}


def derivatives(library: Any, program: Program, create_graph: bool) -> list[np.ndarray]:
    """The gradient of a sum of cubes, and with ``create_graph`` that of the gradient's squares."""
    values = np.random.default_rng(0).standard_normal((4, 5))
    x = library.from_numpy(values).requires_grad_()
    y = (program(library.nn.functional, x) ** 3).sum()
    (first,) = library.autograd.grad([y], [x], create_graph=create_graph)
    if not create_graph:
        return [first.numpy()]
    (second,) = library.autograd.grad([(first**2).sum()], [x])
    return [first.detach().numpy(), second.numpy()]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_torch(torch: Any, name: str, create_graph: bool) -> None:
    got = derivatives(lamina, PROGRAMS[name], create_graph)
    want = derivatives(torch, PROGRAMS[name], create_graph)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())
