"""Module: registration, state, hooks, containers, errors; initialisation; gradient clipping."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import lamina
from lamina import nn


class Block(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.register_buffer("scale", lamina.ones(1))
        self.register_buffer("scratch", lamina.zeros(1), persistent=False)

    def forward(self, x):
        return self.norm(self.fc(x)).relu() * self.scale


def net() -> nn.Module:
    return nn.Sequential(Block(), Block(), nn.Linear(4, 2, bias=False))


@pytest.mark.parametrize("wrong", [None, [1.0, 2.0], np.ones((2, 4), np.float32)])
def test_what_is_no_tensor_is_named_with_the_module_that_got_it(wrong):
    with pytest.raises(
        TypeError,
        match=rf"\[linear\] expected a tensor for input, got {type(wrong).__name__} \(in 0.fc: Linear",
    ):
        net()(wrong)


def test_an_attribute_error_of_a_module_is_its_own():
    class Broken(nn.Module):
        def forward(self, x, mask=None):
            return self.missing(x)

    with pytest.raises(AttributeError, match="missing"):
        Broken()(lamina.ones(2), None)


def test_names_and_state_dict_are_torchs(torch):
    def build(namespace):
        return namespace.Sequential(
            namespace.Conv2d(3, 8, 3, padding=1),
            namespace.BatchNorm2d(8),
            namespace.ReLU(),
            namespace.Sequential(namespace.Flatten(), namespace.Linear(8, 2)),
        )

    ours, theirs = build(nn), build(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [tuple(v.shape) for v in ours.state_dict().values()] == [
        tuple(v.shape) for v in theirs.state_dict().values()
    ]
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert [n for n, _ in ours.named_buffers()] == [n for n, _ in theirs.named_buffers()]
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    assert repr(ours) == repr(theirs)


def test_buffers_and_persistence():
    block = Block()
    assert "scale" in block.state_dict() and "scratch" not in block.state_dict()
    assert {n for n, _ in block.named_buffers()} >= {"scale", "scratch"}
    block.scale = lamina.zeros(1)
    assert block.state_dict()["scale"].item() == 0
    del block.scale
    assert "scale" not in block.state_dict()


def test_load_state_dict_is_strict_and_whole():
    model, other = net(), net()
    other.load_state_dict(model.state_dict())
    for a, b in zip(model.parameters(), other.parameters()):
        assert lamina.equal(a, b) and a.data_ptr() != b.data_ptr()
    state = dict(model.state_dict())
    state["surplus"] = state.pop("2.weight")
    before = other.state_dict()["0.fc.weight"].clone()
    state["0.fc.weight"] = lamina.zeros(4, 4)
    with pytest.raises(RuntimeError, match=r"missing keys: 2\.weight.*unexpected keys: surplus"):
        other.load_state_dict(state)
    assert lamina.equal(other.state_dict()["0.fc.weight"], before)  # nothing was changed
    result = other.load_state_dict(state, strict=False)
    assert result.missing_keys == ["2.weight"] and result.unexpected_keys == ["surplus"]
    state["0.fc.weight"] = lamina.zeros(3, 3)
    with pytest.raises(RuntimeError, match=r"0\.fc\.weight has shape \(3, 3\), expected \(4, 4\)"):
        other.load_state_dict(state, strict=False)


def test_train_eval_apply_zero_grad_requires_grad():
    model = net()
    assert model.eval() is model and not any(m.training for m in model.modules())
    assert all(m.training for m in model.train().modules())
    seen = []
    model.apply(lambda m: seen.append(type(m).__name__))
    assert seen[-1] == "Sequential" and seen.count("Block") == 2
    model(lamina.ones(3, 4)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    model.requires_grad_(False)
    assert not model(lamina.ones(3, 4)).requires_grad


def test_to_dtype_keeps_identity():
    model = net()
    parameters = list(model.parameters())
    model.double()
    assert [id(p) for p in parameters] == [id(p) for p in model.parameters()]
    assert all(p.dtype is lamina.float64 for p in model.parameters())
    assert model(lamina.ones(3, 4, dtype=lamina.float64)).dtype is lamina.float64
    model(lamina.ones(3, 4, dtype=lamina.float64)).sum().backward()
    assert parameters[0].grad.dtype is lamina.float64
    assert model[0].norm.num_batches_tracked.dtype is lamina.int64
    with pytest.raises(TypeError, match="expected a floating dtype"):
        model.to(lamina.int32)


def test_shared_modules_count_once():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, shared)
    assert len(list(model.parameters())) == 2
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_forward_hooks():
    layer, calls = nn.Linear(2, 2), []
    pre = layer.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    post = layer.register_forward_hook(lambda m, args, out: calls.append(args[0].sum().item()))
    layer(lamina.ones(1, 2))
    assert calls == [4.0]
    pre.remove()
    layer(lamina.ones(1, 2))
    assert calls == [4.0, 2.0]
    post.remove()
    layer.register_forward_hook(lambda m, args, out: out * 0)
    assert layer(lamina.ones(1, 2)).abs().sum().item() == 0


def test_full_backward_hooks(torch):
    x = np.random.default_rng(0).standard_normal((3, 2)).astype("float32")
    weight, bias = np.array([[1.0, 2.0], [3.0, 4.0]], "float32"), np.array([0.5, -0.5], "float32")
    results = []
    for space, tensor in ((nn, lamina.tensor), (torch.nn, torch.tensor)):
        layer, seen = space.Linear(2, 2), []
        layer.weight.data, layer.bias.data = tensor(weight), tensor(bias)

        def hook(module, grad_input, grad_output, seen=seen):
            seen += [grad_input[0].numpy().copy(), grad_output[0].numpy().copy()]
            return (grad_input[0] * 2,)

        layer.register_full_backward_hook(hook)
        leaf = tensor(x)
        leaf.requires_grad_()
        (layer(leaf) ** 2).sum().backward()
        results.append([*seen, leaf.grad.numpy(), layer.weight.grad.numpy()])
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_sequential_list_dict():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(model) == 3 and isinstance(model[-1], nn.Linear)
    assert len(model[:2]) == 2 and model[0] is model[:2][0]
    model.append(nn.Identity())
    del model[1]
    assert list(model._modules) == ["0", "1", "2"]
    with pytest.raises(IndexError, match="out of range"):
        model[7]
    named = nn.Sequential({"a": nn.Linear(2, 2), "b": nn.ReLU()})
    assert named.a is named[0] and list(named.state_dict()) == ["a.weight", "a.bias"]

    modules = nn.ModuleList([nn.Linear(1, 1)])
    modules.extend([nn.ReLU()]).insert(0, nn.Identity())
    assert [type(m).__name__ for m in modules] == ["Identity", "Linear", "ReLU"]
    table = nn.ModuleDict({"x": nn.Linear(1, 1)})
    table["y"] = nn.ReLU()
    assert list(table) == ["x", "y"] and "x" in table and len(table) == 2
    values = nn.ParameterList([lamina.ones(1), lamina.ones(2)])
    assert len(list(values.parameters())) == 2 and values[1].shape == (2,)
    pairs = nn.ParameterDict({"w": lamina.ones(1)})
    assert [n for n, _ in pairs.named_parameters()] == ["w"]


def test_registration_errors():
    class Forgot(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match="super"):
        Forgot()
    layer = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="'weight' is a parameter"):
        layer.weight = lamina.ones(2, 2)
    with pytest.raises(KeyError, match="without dots"):
        layer.register_buffer("a.b", lamina.ones(1))
    with pytest.raises(TypeError, match="register_parameter"):
        layer.register_parameter("extra", lamina.ones(1))
    layer.weight = None
    assert [n for n, _ in layer.named_parameters()] == ["bias"]


def test_an_error_names_the_module():
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(3, 1)))
    with pytest.raises(ValueError, match=r"\[linear\].*in 1\.1: Linear\(in_features=3"):
        model(lamina.ones(1, 2))


def test_deepcopy_is_independent():
    model = net()
    twin = copy.deepcopy(model)
    with lamina.no_grad():
        next(iter(twin.parameters())).fill_(7)
    assert not lamina.equal(next(iter(twin.parameters())), next(iter(model.parameters())))
    assert list(twin.state_dict()) == list(model.state_dict())


@pytest.mark.parametrize("shape", [(50, 80), (40, 20, 3, 3)])
def test_init_statistics(shape):
    lamina.manual_seed(0)
    fan_in = math.prod(shape[1:])
    fan_out = shape[0] * math.prod(shape[2:])
    w = lamina.empty(*shape)
    expected = {
        nn.init.xavier_uniform_: math.sqrt(2 / (fan_in + fan_out)),
        nn.init.xavier_normal_: math.sqrt(2 / (fan_in + fan_out)),
        nn.init.kaiming_normal_: math.sqrt(2 / fan_in),
        nn.init.kaiming_uniform_: math.sqrt(2 / fan_in),
    }
    for function, std in expected.items():
        values = function(w).numpy()
        assert abs(values.mean()) < 4 * std / math.sqrt(values.size)
        assert values.std() == pytest.approx(std, rel=0.1)
    assert abs(nn.init.trunc_normal_(w, std=2.0).numpy()).max() <= 2


def test_orthogonal_dirac_eye_sparse():
    lamina.manual_seed(0)
    for shape in [(5, 9), (9, 5), (6, 2, 3)]:
        q = nn.init.orthogonal_(lamina.empty(*shape), gain=2.0).double().numpy().reshape(shape[0], -1)
        gram = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)
    x = lamina.randn(1, 3, 6, 6)
    w = nn.init.dirac_(lamina.empty(3, 3, 3, 3))
    assert lamina.allclose(nn.functional.conv2d(x, w, padding=1), x)
    np.testing.assert_array_equal(nn.init.eye_(lamina.empty(3, 4)).numpy(), np.eye(3, 4))
    assert (nn.init.sparse_(lamina.empty(10, 4), 0.3) == 0).sum(0).tolist() == [3, 3, 3, 3]
    with pytest.raises(ValueError, match="xavier"):
        nn.init.xavier_uniform_(lamina.empty(3))
    with pytest.raises(ValueError, match="calculate_gain"):
        nn.init.calculate_gain("nonsense")


def test_default_layers_start_as_torchs_do(torch):
    bounds = {}
    for space in (nn, torch.nn):
        layer = space.Linear(100, 400)
        bounds[space.__name__] = [float(abs(p.detach().numpy()).max()) for p in layer.parameters()]
    for ours, theirs in zip(*bounds.values()):
        assert ours == pytest.approx(theirs, rel=0.02) and ours <= 0.1


@pytest.mark.parametrize("norm_type", [2.0, 1.0, math.inf])
def test_clip_grad_norm(norm_type, torch):
    values = [np.random.default_rng(i).standard_normal((4, i + 1)).astype("float32") for i in range(3)]
    ours = [nn.Parameter(lamina.tensor(v)) for v in values]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    for p, q, v in zip(ours, theirs, values):
        p.grad, q.grad = lamina.tensor(v), torch.tensor(v)
    got = nn.utils.clip_grad_norm_(ours, 0.7, norm_type)
    want = torch.nn.utils.clip_grad_norm_(theirs, 0.7, norm_type)
    assert got.item() == pytest.approx(want.item(), rel=1e-5)
    for p, q in zip(ours, theirs):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5)
    nn.utils.clip_grad_value_(ours, 0.01)
    assert max(float(abs(p.grad.numpy()).max()) for p in ours) <= 0.01 + 1e-9


def test_parameters_as_a_vector():
    model = net()
    vector = nn.utils.parameters_to_vector(model.parameters())
    nn.utils.vector_to_parameters(vector * 0 + 1, model.parameters())
    assert all((p == 1).all() for p in model.parameters())
    with pytest.raises(ValueError, match="vector_to_parameters"):
        nn.utils.vector_to_parameters(vector[1:], model.parameters())


def test_dropout():
    lamina.manual_seed(3)
    x = lamina.ones(1000, 100, requires_grad=True)
    layer = nn.Dropout(0.3)
    y = layer(x)
    kept = (y != 0).float().mean().item()
    assert kept == pytest.approx(0.7, abs=0.01)
    np.testing.assert_allclose(np.unique(y.detach().numpy()), [0, 1 / 0.7], rtol=1e-6)
    y.sum().backward()
    assert lamina.equal(x.grad, y.detach())  # the same mask
    assert layer.eval()(x) is x
    z = nn.Dropout2d(0.5)(lamina.ones(10, 8, 3, 3))
    assert ((z == 0).float().mean((2, 3)) % 1 == 0).all()
    assert (nn.functional.dropout(lamina.ones(4), 1.0) == 0).all()
    with pytest.raises(ValueError, match="probability"):
        nn.Dropout(1.5)


@pytest.mark.parametrize(
    "scores, target, error, message",
    [
        ((3, 4), [0, 1], ValueError, r"\[cross_entropy\] expected targets of shape \(3,\)"),
        ((3, 4), [0, 1, 4], IndexError, r"expected targets from 0 to 3, got 4 at position 2"),
        ((3, 4), [0, -1, 2], IndexError, r"got -1 at position 1"),
        ((), 0, ValueError, r"expected scores of at least 1 dimension"),
    ],
)
def test_bad_targets(scores, target, error, message):
    with pytest.raises(error, match=message):
        nn.functional.cross_entropy(lamina.zeros(*scores), lamina.tensor(target))


def test_bad_losses():
    with pytest.raises(TypeError, match="integer targets"):
        nn.functional.cross_entropy(lamina.zeros(2, 3), lamina.tensor([True, False]))
    with pytest.raises(TypeError, match="expected float32 or float64"):
        nn.functional.cross_entropy(lamina.zeros(2, 3, dtype=lamina.int64), lamina.tensor([0, 1]))
    with pytest.raises(ValueError, match="reduction"):
        nn.CrossEntropyLoss(reduction="max")
    with pytest.raises(ValueError, match="label_smoothing"):
        nn.functional.cross_entropy(lamina.zeros(2, 3), lamina.tensor([0, 1]), label_smoothing=2.0)
    with pytest.raises(ValueError, match="3 weights"):
        nn.functional.cross_entropy(lamina.zeros(2, 3), lamina.tensor([0, 1]), lamina.ones(4))
    with pytest.raises(IndexError):
        nn.functional.multi_margin_loss(lamina.zeros(2, 3), lamina.tensor([0, 5]))
    loss = nn.functional.cross_entropy(lamina.full((2, 3), math.nan), lamina.tensor([0, 1]))
    assert math.isnan(loss.item())
