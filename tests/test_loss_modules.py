"""Loss modules give what torch's give, and have its attributes and state."""

from __future__ import annotations

import numpy as np
import pytest

import lamina
from lamina import nn

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 6, 5))
P, Q = RNG.uniform(0.1, 0.9, (2, 6, 5))
W = RNG.uniform(0.5, 1.5, 5)
SIGNS = np.sign(RNG.standard_normal((6, 5)))
TARGETS = np.array([0, 4, 2, 2, 1, 3])
SETTINGS = [
    ("MSELoss", {}, (X, Y)),
    ("MSELoss", {"reduction": "sum"}, (X, Y)),
    ("L1Loss", {"reduction": "none"}, (X, Y)),
    ("SmoothL1Loss", {"beta": 0.5}, (X, Y)),
    ("HuberLoss", {"delta": 0.5, "reduction": "sum"}, (X, Y)),
    ("PoissonNLLLoss", {"full": True, "log_input": False, "eps": 0.1}, (P, 3 * Q)),
    ("GaussianNLLLoss", {"full": True, "eps": 0.3}, (X, Y, P)),
    ("BCELoss", {"weight": W}, (P, Q)),
    ("BCEWithLogitsLoss", {"weight": W, "pos_weight": W, "reduction": "sum"}, (X, Q)),
    ("KLDivLoss", {"reduction": "batchmean"}, (X, P)),
    ("KLDivLoss", {"reduction": "sum", "log_target": True}, (X, Y)),
    ("SoftMarginLoss", {}, (X, SIGNS)),
    ("HingeEmbeddingLoss", {"margin": 0.5}, (X, SIGNS)),
    ("CrossEntropyLoss", {"weight": W, "label_smoothing": 0.1, "ignore_index": 2}, (X, TARGETS)),
    ("CrossEntropyLoss", {"reduction": "none"}, (X, P)),
    ("NLLLoss", {"weight": W, "ignore_index": 2, "reduction": "sum"}, (X, TARGETS)),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5, "weight": W}, (X, TARGETS)),
    ("MultiLabelMarginLoss", {}, (X, np.tile([3, 0, -1, 1, 2], (6, 1)))),
    ("MultiLabelSoftMarginLoss", {"weight": W}, (X, (Q > 0.5) * 1.0)),
    ("MarginRankingLoss", {"margin": 0.5}, (X, Y, SIGNS)),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (X, Y, SIGNS[:, 0])),
    ("TripletMarginLoss", {"margin": 2.0, "p": 1.0, "swap": True}, (X, Y, P)),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0, "reduction": "sum"}, (X, Y, P)),
    ("CTCLoss", {"blank": 4, "zero_infinity": True}, (X[:, None], np.array([[1, 1, 3]]), [6], [3])),
]


def tensors(lib, values):
    return [lib.tensor(v) if isinstance(v, np.ndarray) else v for v in values]


@pytest.mark.parametrize("name, options, args", SETTINGS, ids=[f"{s[0]}-{i}" for i, s in enumerate(SETTINGS)])
def test_as_torch(name, options, args, torch):
    results = []
    for lib in (lamina, torch):
        arrays = {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        module = getattr(lib.nn, name)(**arrays)
        inputs = tensors(lib, args)
        inputs[0].requires_grad_()
        scores = [inputs[0].log_softmax(-1), *inputs[1:]] if name == "CTCLoss" else inputs
        y = module(*scores)
        y.sum().backward()
        results.append((module, y.detach().numpy(), inputs[0].grad.numpy()))
    (ours, y, grad), (theirs, want, want_grad) = results
    np.testing.assert_allclose(y, want, rtol=1e-10)
    np.testing.assert_allclose(grad, want_grad, rtol=1e-9, atol=1e-12)
    assert set(ours.state_dict()) == set(theirs.state_dict())
    for key in options:
        assert hasattr(ours, key)


@pytest.mark.parametrize("name", sorted({s[0] for s in SETTINGS}))
def test_bad_reduction(name):
    with pytest.raises(ValueError, match="reduction"):
        getattr(nn, name)(reduction="average")


@pytest.mark.parametrize("make", [lambda: nn.MultiMarginLoss(p=3), lambda: nn.TripletMarginLoss(margin=0.0)])
def test_bad_arguments(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_broadcasting_is_warned_of():
    with pytest.warns(UserWarning, match=r"\[mse_loss\] the target's shape \(3,\)"):
        nn.functional.mse_loss(lamina.ones(3, 1), lamina.ones(3))


def test_second_derivative_of_ctc_is_refused():
    x = lamina.randn(4, 1, 3, requires_grad=True)
    loss = nn.functional.ctc_loss(x.log_softmax(-1), lamina.tensor([[1]]), [4], [1])
    (g,) = lamina.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"\[ctc_loss\] the gradient can't be differentiated again"):
        g.sum().backward()


def test_ctc_without_an_alignment():
    x = lamina.randn(2, 1, 3, requires_grad=True)
    targets = lamina.tensor([[1, 1]])  # needs a blank between: three steps
    loss = nn.functional.ctc_loss(x.log_softmax(-1), targets, [2], [2])
    assert loss.item() == float("inf")
    loss.backward()
    assert bool(x.grad.isnan().all())
    x.grad = None
    loss = nn.functional.ctc_loss(x.log_softmax(-1), targets, [2], [2], zero_infinity=True)
    loss.backward()
    assert loss.item() == 0
    assert not bool(x.grad.any())
