"""lamina.autograd.functional gives what torch.autograd.functional gives, shapes, graphs and errors included."""

from __future__ import annotations

import numpy as np
import pytest

import lamina

RNG = np.random.default_rng(0)
X, Y, W = RNG.standard_normal(3), RNG.standard_normal((2, 3)), RNG.standard_normal((4, 3))


def cube(lib, x):
    return x**3


def product(lib, x, y):
    return y * x.exp()


def two_outputs(lib, x, y):
    return (x * x).sum(), y @ x


def affine(lib, x):
    return lib.tensor(W) @ x


def first_only(lib, x, y):
    return x * 2.0


def scalar(lib, x):
    return (x**3).sum() * x[0]


def scalar_of_two(lib, x, y):
    return ((y * x) ** 2).sum() + (x**3).sum()


def linear_scalar(lib, x):
    return (lib.tensor(W) @ x).sum()


def shaped(lib, x):
    return (x.reshape(-1, 1) * x).reshape(1, *([x.numel()] * 2))


def tensors(lib, arrays):
    made = tuple(lib.tensor(a) for a in arrays)
    return made[0] if len(made) == 1 else made


def values(result):
    """Nested tuples of arrays."""
    if isinstance(result, (tuple, list)):
        return tuple(values(r) for r in result)
    return result.detach().numpy()


def agree(a, b):
    if isinstance(b, tuple):
        assert isinstance(a, tuple)
        assert len(a) == len(b)
        for x, y in zip(a, b):
            agree(x, y)
    else:
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def both(torch, name, function, arrays, vectors=None, **options):
    """The same call in both libraries."""
    results = []
    for lib in (lamina, torch):
        call = getattr(lib.autograd.functional, name)
        args = [lambda *xs, lib=lib: function(lib, *xs), tensors(lib, arrays)]
        if vectors is not None:
            args.append(tensors(lib, vectors))
        results.append(values(call(*args, **options)))
    agree(*results)
    return results[0]


MAPS = [
    (cube, [X]),
    (affine, [X]),
    (shaped, [X]),
    (product, [X, Y]),
    (two_outputs, [X, Y]),
    (first_only, [X, Y]),
    (cube, [np.array(2.0)]),
]
SCALARS = [(scalar, [X]), (scalar_of_two, [X, Y]), (linear_scalar, [X])]


@pytest.mark.parametrize("function, arrays", MAPS)
@pytest.mark.parametrize("create_graph", [False, True])
def test_jacobian(function, arrays, create_graph, torch):
    both(torch, "jacobian", function, arrays, create_graph=create_graph)


@pytest.mark.parametrize("function, arrays", MAPS[:5])
@pytest.mark.parametrize("options", [{"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}])
def test_jacobian_strategies(function, arrays, options, torch):
    both(torch, "jacobian", function, arrays, **options)


@pytest.mark.parametrize("function, arrays", SCALARS)
@pytest.mark.parametrize(
    "options", [{}, {"create_graph": True}, {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}]
)
def test_hessian(function, arrays, options, torch):
    if function is linear_scalar and "vectorize" in options:
        return  # torch's forward mode refuses a gradient that does not depend on the input
    both(torch, "hessian", function, arrays, **options)


def test_no_elements():
    """torch has no answer here."""
    empty = lamina.zeros(0, 2)
    for options in ({}, {"vectorize": True, "strategy": "forward-mode"}):
        jacobian = lamina.autograd.functional.jacobian(lambda x: x * 2, empty, **options)
        assert jacobian.shape == (0, 2, 0, 2)


def test_a_tuple_of_one(torch):
    for name in ("jacobian", "hessian"):
        function = cube if name == "jacobian" else scalar
        results = []
        for lib in (lamina, torch):
            call = getattr(lib.autograd.functional, name)
            results.append(values(call(lambda x, lib=lib, f=function: f(lib, x), (lib.tensor(X),))))
        agree(*results)


def like(arrays, seed=5):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(np.shape(a)) for a in arrays]


@pytest.mark.parametrize("function, arrays", MAPS)
@pytest.mark.parametrize("create_graph", [False, True])
def test_products_with_the_jacobian(function, arrays, create_graph, torch):
    outputs = function(lamina, *[lamina.tensor(a) for a in arrays])
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    both(torch, "vjp", function, arrays, like([y.numpy() for y in outputs]), create_graph=create_graph)
    both(torch, "jvp", function, arrays, like(arrays), create_graph=create_graph)


@pytest.mark.parametrize("function, arrays", SCALARS)
@pytest.mark.parametrize("create_graph", [False, True])
def test_products_with_the_hessian(function, arrays, create_graph, torch):
    both(torch, "vhp", function, arrays, like(arrays), create_graph=create_graph)
    both(torch, "hvp", function, arrays, like(arrays), create_graph=create_graph)


def test_products_are_rows_and_columns_of_the_whole():
    """Against the Jacobian and the Hessian themselves, without torch."""
    functional = lamina.autograd.functional
    x, v = lamina.tensor(X), lamina.tensor(like([X])[0])
    jacobian = functional.jacobian(lambda x: shaped(lamina, x), x).reshape(9, 3)
    u = lamina.tensor(like([np.zeros(9)])[0])
    _, vjp = functional.vjp(lambda x: shaped(lamina, x), x, u.reshape(1, 3, 3))
    _, jvp = functional.jvp(lambda x: shaped(lamina, x), x, v)
    agree(values(vjp), values(u @ jacobian))
    agree(values(jvp.reshape(9)), values(jacobian @ v))
    hessian = functional.hessian(lambda x: scalar(lamina, x), x)
    for product_of in (functional.hvp, functional.vhp):
        agree(values(product_of(lambda x: scalar(lamina, x), x, v)[1]), values(hessian @ v))


def test_vectors_may_be_left_out_for_one_element(torch):
    one = [np.array([1.5])]
    both(torch, "vjp", scalar, one)
    both(torch, "jvp", cube, one)
    both(torch, "hvp", scalar, one)


@pytest.mark.parametrize(
    "name, function", [("jacobian", cube), ("hessian", scalar), ("vjp", scalar), ("hvp", scalar)]
)
def test_results_have_a_graph_only_if_asked(name, function, torch):
    for create_graph in (False, True):
        tracked = []
        for lib in (lamina, torch):
            x = lib.tensor(X, requires_grad=True)
            args = [lib.tensor(like([X])[0])] if name == "hvp" else []
            call = getattr(lib.autograd.functional, name)
            result = call(lambda x, lib=lib: function(lib, x), x, *args, create_graph=create_graph)
            last = result[1] if isinstance(result, tuple) else result
            tracked.append(last.requires_grad)
            if create_graph:
                (g,) = lib.autograd.grad(last.sum(), x)
                tracked.append(values(g).round(9).tolist())
        half = len(tracked) // 2
        assert tracked[:half] == tracked[half:]
        assert tracked[0] is create_graph


BAD = [
    ("strict jacobian", lambda f, lib: f.jacobian(lambda x, y: x, (lib.ones(2), lib.ones(2)), strict=True)),
    ("strict hessian", lambda f, lib: f.hessian(lambda x: x.sum(), lib.ones(2), strict=True)),
    ("strict vjp", lambda f, lib: f.vjp(lambda x: lib.ones(2), lib.ones(2), lib.ones(2), strict=True)),
    ("hessian of a vector", lambda f, lib: f.hessian(lambda x: x, lib.ones(2))),
    ("hessian of two", lambda f, lib: f.hessian(lambda x: (x.sum(), x.sum()), lib.ones(2))),
    ("vjp without v", lambda f, lib: f.vjp(lambda x: x, lib.ones(2))),
    ("jvp without v", lambda f, lib: f.jvp(lambda x: x, lib.ones(2))),
    ("hvp without v", lambda f, lib: f.hvp(lambda x: x.sum(), lib.ones(2))),
    ("v of another shape", lambda f, lib: f.vjp(lambda x: x, lib.ones(2), lib.ones(3))),
    ("two v for one", lambda f, lib: f.vjp(lambda x: x, lib.ones(2), (lib.ones(2), lib.ones(2)))),
    ("a number as input", lambda f, lib: f.jacobian(lambda x: x, 3.0)),
    ("a number among inputs", lambda f, lib: f.jacobian(lambda x, y: x, (lib.ones(2), 3.0))),
    ("a number as output", lambda f, lib: f.jacobian(lambda x: 3.0, lib.ones(2))),
    (
        "strict vectorized",
        lambda f, lib: f.jacobian(lambda x: x, lib.ones(2), strict=True, vectorize=True),
    ),
    ("forward alone", lambda f, lib: f.jacobian(lambda x: x, lib.ones(2), strategy="forward-mode")),
    ("another strategy", lambda f, lib: f.jacobian(lambda x: x, lib.ones(2), strategy="sideways")),
    (
        "forward and create_graph",
        lambda f, lib: f.jacobian(
            lambda x: x, lib.ones(2), create_graph=True, vectorize=True, strategy="forward-mode"
        ),
    ),
]


@pytest.mark.parametrize("wrong", [b[1] for b in BAD], ids=[b[0] for b in BAD])
def test_bad_calls_raise_where_torch_raises(wrong, torch):
    with pytest.raises(Exception) as theirs:
        wrong(torch.autograd.functional, torch)
    with pytest.raises((RuntimeError, TypeError, ValueError), match=r"^\[\w+\] ") as ours:
        wrong(lamina.autograd.functional, lamina)
    kinds = (AssertionError, NotImplementedError)
    assert ours.type is theirs.type or theirs.type in kinds, f"{theirs.type}: {theirs.value}"
