"""Function: users' own operations, as in torch."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from harness.programs import assert_same

import lamina

PROGRAMS = []


def program(function: Any) -> Any:
    PROGRAMS.append(pytest.param(function, id=function.__name__))
    return function


@pytest.mark.parametrize("function", PROGRAMS)
def test_as_torch(function: Any, torch: Any) -> None:
    assert_same(function, torch)


def leaf(lib: Any, values: Any = (1.0, 2.0, 3.0)) -> Any:
    return lib.tensor(values, requires_grad=True)


def cube(lib: Any) -> Any:
    class Cube(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, scale: float = 1.0) -> Any:
            ctx.save_for_backward(x)
            ctx.scale = scale
            return x * x * x * scale

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grad * x * x * (3 * ctx.scale), None

    return Cube


@program
def forward_and_backward(lib: Any) -> Any:
    x = leaf(lib)
    y = cube(lib).apply(x, 2.0)
    y.sum().backward()
    return y, x.grad, y.requires_grad, y.is_leaf


@program
def extra_gradients_that_are_none(lib: Any) -> Any:
    x = leaf(lib)
    cube(lib).apply(x).sum().backward()
    return x.grad


@program
def second_derivative(lib: Any) -> Any:
    x = leaf(lib)
    (g,) = lib.autograd.grad(cube(lib).apply(x, 1.0).sum(), x, create_graph=True)
    return g, lib.autograd.grad(g.sum(), x)


@program
def nothing_is_recorded_without_need(lib: Any) -> Any:
    with lib.no_grad():
        y = cube(lib).apply(leaf(lib), 1.0)
    z = cube(lib).apply(lib.tensor([1.0]), 1.0)
    return y.requires_grad, z.requires_grad


@program
def names(lib: Any) -> Any:
    return cube(lib).apply(leaf(lib), 1.0).grad_fn.name()


@program
def keywords_without_setup_context(lib: Any) -> Any:
    return cube(lib).apply(leaf(lib), scale=2.0)


@program
def setup_context(lib: Any) -> Any:
    class Scaled(lib.autograd.Function):
        @staticmethod
        def forward(x: Any, scale: float = 4.0) -> Any:
            return x * scale

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            x, ctx.scale = inputs
            ctx.save_for_backward(x, output)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            x, y = ctx.saved_tensors
            return grad * ctx.scale + x * 0 + y * 0, None

    x = leaf(lib)
    (Scaled.apply(x) + Scaled.apply(x, scale=2.0)).sum().backward()
    return x.grad


def pair(lib: Any, materialize: bool = True) -> Any:
    class Pair(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.set_materialize_grads(materialize)
            ctx.needs = ctx.needs_input_grad
            return x * 2, y * 3, (x * y).sum()

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            seen.append([g is None for g in grads])
            seen.append(list(ctx.needs))
            return grads[0] * 2, None if grads[1] is None else grads[1] * 3

    seen: list[Any] = []
    return Pair, seen


@program
def undefined_gradients_come_as_zeros(lib: Any) -> Any:
    function, seen = pair(lib)
    x, y = leaf(lib), leaf(lib)
    function.apply(x, y)[0].sum().backward()
    return seen, x.grad, y.grad


@program
def undefined_gradients_come_as_none(lib: Any) -> Any:
    function, seen = pair(lib, materialize=False)
    x, y = leaf(lib), leaf(lib)
    function.apply(x, y)[0].sum().backward()
    return seen, x.grad, y.grad is None


@program
def needs_input_grad(lib: Any) -> Any:
    function, seen = pair(lib)
    function.apply(leaf(lib), lib.tensor([1.0, 1.0, 1.0]))[0].sum().backward()
    return seen


@program
def other_values_pass_through(lib: Any) -> Any:
    class Tagged(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return "tag", x * 2, 7

        @staticmethod
        def backward(ctx: Any, tag: Any, grad: Any, number: Any) -> Any:
            assert tag is None
            assert number is None
            return grad * 2

    x = leaf(lib)
    tag, y, number = Tagged.apply(x)
    y.sum().backward()
    return tag, number, x.grad


@program
def non_differentiable_outputs(lib: Any) -> Any:
    class Sorted(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y, flag = x * 2, x * 0
            ctx.mark_non_differentiable(flag)
            return y, flag

        @staticmethod
        def backward(ctx: Any, grad: Any, none: Any) -> Any:
            return grad * 2 + none

    x = leaf(lib)
    y, flag = Sorted.apply(x)
    y.sum().backward()
    return y.requires_grad, flag.requires_grad, x.grad


@program
def integer_outputs_need_no_gradient(lib: Any) -> Any:
    class Index(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1, lib.tensor([0, 1])

        @staticmethod
        def backward(ctx: Any, grad: Any, none: Any) -> Any:
            return grad

    y, index = Index.apply(leaf(lib))
    return y.requires_grad, index.requires_grad


def returning(lib: Any, value: Any) -> Any:
    class Returning(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, other: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return value(lib, grad)

    return Returning


@program
def too_few_gradients(lib: Any) -> Any:
    returning(lib, lambda lib, g: g).apply(leaf(lib), 1).sum().backward()


@program
def too_many_gradients(lib: Any) -> Any:
    returning(lib, lambda lib, g: (g, None, g)).apply(leaf(lib), 1).sum().backward()


@program
def a_gradient_of_the_wrong_shape(lib: Any) -> Any:
    returning(lib, lambda lib, g: (lib.ones(2), None)).apply(leaf(lib), 1).sum().backward()


@program
def a_gradient_that_broadcast_made_larger(lib: Any) -> Any:
    x = leaf(lib)
    returning(lib, lambda lib, g: (lib.ones(2, 3), None)).apply(x, 1).sum().backward()
    return x.grad


@program
def a_gradient_for_what_is_no_tensor(lib: Any) -> Any:
    returning(lib, lambda lib, g: (g, g)).apply(leaf(lib), 1).sum().backward()


@program
def a_gradient_that_is_no_tensor(lib: Any) -> Any:
    returning(lib, lambda lib, g: (1.0, None)).apply(leaf(lib), 1).sum().backward()


@program
def saving_what_is_no_tensor(lib: Any) -> Any:
    class Saving(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(3)
            return x * 2

    Saving.apply(leaf(lib))


@program
def no_backward(lib: Any) -> Any:
    class Forward(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    Forward.apply(leaf(lib)).sum().backward()


@program
def backward_twice_through_saved_tensors(lib: Any) -> Any:
    y = cube(lib).apply(leaf(lib), 1.0)
    y.sum().backward()
    y.sum().backward()


@program
def a_saved_input_changed_in_place(lib: Any) -> Any:
    h = leaf(lib) * 1
    y = cube(lib).apply(h, 1.0)
    h.add_(1)
    y.sum().backward()


@program
def a_saved_output(lib: Any) -> Any:
    class Double(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x * x
            ctx.save_for_backward(x, y, None)
            return y

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            x, y, none = ctx.saved_tensors
            assert none is None
            return grad * x * 2 + y * 0

    x = leaf(lib)
    (g,) = lib.autograd.grad(Double.apply(x).sum(), x, create_graph=True)
    return lib.autograd.grad(g.sum(), x)


@program
def once_differentiable(lib: Any) -> Any:
    once = __import__(f"{lib.__name__}.autograd.function", fromlist=["x"]).once_differentiable

    class Square(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once
        def backward(ctx: Any, grad: Any) -> Any:
            (x,) = ctx.saved_tensors
            return grad * x * 2

    x = leaf(lib)
    Square.apply(x).sum().backward()
    first = x.grad.tolist()
    v = leaf(lib)
    (g,) = lib.autograd.grad(Square.apply(x), x, v, create_graph=True)
    try:
        g.sum().backward()
    except RuntimeError:
        return first, g.requires_grad, "raises"
    return first, g.requires_grad


@program
def an_input_returned_as_it_is(lib: Any) -> Any:
    class Same(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad * 10

    x = leaf(lib)
    y = Same.apply(x)
    (y * 1 + x).sum().backward()
    return x.grad, y is x, x.is_leaf, y.is_leaf


@program
def a_view_of_an_input(lib: Any) -> Any:
    class Flat(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.shape = x.shape
            return x.reshape(-1)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad.reshape(ctx.shape) * 2

    x = leaf(lib, [[1.0, 2.0], [3.0, 4.0]])
    y = Flat.apply(x)
    y.sum().backward()
    return y, x.grad


def doubling(lib: Any, returns: Any = lambda x: x) -> Any:
    class Doubling(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(2)
            ctx.mark_dirty(x)
            return returns(x)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad * 2

    return Doubling


@program
def a_dirty_input(lib: Any) -> Any:
    x = leaf(lib)
    h = x * 3
    y = doubling(lib).apply(h)
    (y * h).sum().backward()
    return y is h, h, x.grad


@program
def a_dirty_leaf(lib: Any) -> Any:
    doubling(lib).apply(leaf(lib))


@program
def a_dirty_input_that_is_not_returned(lib: Any) -> Any:
    doubling(lib, lambda x: x + 1).apply(leaf(lib) * 1)


@program
def a_gradient_that_backward_keeps_stays_as_it_was(lib: Any) -> Any:
    kept = []

    class Keeping(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            kept.append(grad)
            return grad

    x = leaf(lib)
    (Keeping.apply(x) * 3).sum().backward()
    x.grad.mul_(7)
    return kept, x.grad


@program
def a_saved_tensor_returned_as_gradient_stays_as_it_was(lib: Any) -> Any:
    class Dot(lib.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any) -> Any:
            ctx.save_for_backward(x, w)
            return (x * w).sum()

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            x, w = ctx.saved_tensors
            return w, x

    x, w = leaf(lib), leaf(lib, [4.0, 5.0, 6.0])
    Dot.apply(x, w).backward()
    x.grad.mul_(100)
    return x.grad, w, w.grad


def test_a_function_frees_its_tensors_without_the_collector() -> None:
    x = leaf(lamina)
    gc.collect()
    gc.disable()
    try:
        y = cube(lamina).apply(x, 1.0)
        ref = weakref.ref(y)
        del y
        assert ref() is None
    finally:
        gc.enable()


def test_gradcheck_of_a_function() -> None:
    x = lamina.from_numpy(np.random.default_rng(0).standard_normal((2, 3))).requires_grad_()
    assert lamina.autograd.gradcheck(cube(lamina).apply, (x, 2.0))
    assert lamina.autograd.gradgradcheck(cube(lamina).apply, (x, 2.0))


def test_messages_name_the_function() -> None:
    x = leaf(lamina)
    with pytest.raises(
        RuntimeError, match=r"\[Returning\] backward must return one gradient an argument, 2, got 1"
    ):
        returning(lamina, lambda lib, g: g).apply(x, 1).sum().backward()
