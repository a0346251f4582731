"""Writes in place while recording: as in torch, on tensors, views and bases."""

from __future__ import annotations

from typing import Any

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


def leaf(lib: Any, values: Any = (1.0, 2.0, 3.0, 4.0)) -> Any:
    return lib.tensor(values, requires_grad=True)


@program
def adds_to_a_result(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    before = y._version
    y.add_(x)
    y.sum().backward()
    return y, x.grad, y._version > before


@program
def multiplies_by_a_tensor_that_needs_a_gradient(lib: Any) -> Any:
    x, w = leaf(lib), leaf(lib, [5.0, 6.0, 7.0, 8.0])
    y = x * 2
    y.mul_(w)
    y.sum().backward()
    return x.grad, w.grad


@program
def a_constant_becomes_part_of_the_graph(lib: Any) -> Any:
    x = leaf(lib)
    y = lib.zeros(4)
    y.add_(x)
    (y * y).sum().backward()
    return y.requires_grad, x.grad


@program
def a_leaf(lib: Any) -> Any:
    leaf(lib).add_(1)


@program
def a_leaf_under_no_grad(lib: Any) -> Any:
    x = leaf(lib)
    with lib.no_grad():
        x.mul_(2)
    return x, x.requires_grad, x.is_leaf


@program
def a_view_of_a_leaf(lib: Any) -> Any:
    leaf(lib).narrow(0, 0, 2).mul_(2)


@program
def a_saved_tensor(lib: Any) -> Any:
    x = leaf(lib)
    h = x * 1
    y = h * h
    h.add_(1)
    y.sum().backward()


@program
def a_saved_output(lib: Any) -> Any:
    x = leaf(lib)
    y = x.exp()
    y.add_(1)
    y.sum().backward()


@program
def a_saved_tensor_through_detach(lib: Any) -> Any:
    x = leaf(lib)
    h = x * 1
    y = h * h
    h.detach().add_(1)
    y.sum().backward()


@program
def a_saved_tensor_through_a_view(lib: Any) -> Any:
    x = leaf(lib)
    h = x * 1
    y = h * h
    h.narrow(0, 0, 1).zero_()
    y.sum().backward()


@program
def a_tensor_that_nothing_saved(lib: Any) -> Any:
    x = leaf(lib)
    h = x * 1
    y = h + 1
    h.mul_(2)
    (y + h).sum().backward()
    return x.grad


@program
def an_optimizer_step_between_forward_and_backward(lib: Any) -> Any:
    w = leaf(lib)
    y = (w * w).sum()
    with lib.no_grad():
        w.add_(1)
    y.backward()


@program
def a_float_into_integers(lib: Any) -> Any:
    lib.tensor([1, 2, 3, 4]).add_(leaf(lib))


@program
def a_larger_shape(lib: Any) -> Any:
    (leaf(lib) * 1).add_(lib.ones(2, 4))


@program
def a_view_moves_its_base(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 3
    y.narrow(0, 1, 2).mul_(x.narrow(0, 0, 2))
    y.sum().backward()
    return y, x.grad


@program
def the_view_itself_goes_on(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 3
    v = y.narrow(0, 1, 2)
    v.mul_(10)
    (v * v).sum().backward()
    return v, x.grad


@program
def other_views_follow(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 3
    v, w = y.narrow(0, 0, 3), y.narrow(0, 1, 3)
    v.mul_(10)
    (w * w).sum().backward()
    return w, x.grad


@program
def views_follow_their_base(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 3
    v = y.narrow(0, 1, 2)
    y.mul_(x)
    v.sum().backward()
    return v, x.grad


@program
def a_view_of_a_view(lib: Any) -> Any:
    x = leaf(lib, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    y = x * 1
    y.transpose(0, 1).narrow(0, 1, 2).select(1, 0).mul_(7)
    (y * y).sum().backward()
    return y, x.grad


@program
def a_base_that_needed_no_gradient(lib: Any) -> Any:
    x = leaf(lib)
    y = lib.zeros(2, 4)
    other = y.select(0, 1)
    y.select(0, 0).add_(x)
    y.select(0, 1).add_(x * x)
    (y * y).sum().backward()
    return y, x.grad, other


@program
def a_view_of_a_base_that_came_to_need_a_gradient(lib: Any) -> Any:
    x = leaf(lib)
    y = lib.zeros(4)
    v = y.narrow(0, 1, 2)
    y.add_(x)
    v.sum().backward()
    return v.requires_grad, x.grad


@program
def second_derivative_through_a_written_view(lib: Any) -> Any:
    x = leaf(lib)
    y = x * x
    y.narrow(0, 0, 2).mul_(x.narrow(0, 2, 2))
    (g,) = lib.autograd.grad((y * y).sum(), x, create_graph=True)
    return g, lib.autograd.grad(g.sum(), x)


@program
def a_constant_written_over_a_part(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    y.narrow(0, 0, 2).zero_()
    y.sum().backward()
    return y, x.grad


@program
def a_constant_written_over_all(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    y.zero_()
    y.sum().backward()
    return y.requires_grad, x.grad is None or x.grad.tolist() == [0.0] * 4


@program
def a_retained_gradient_is_that_of_the_new_value(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    y.retain_grad()
    y.mul_(10)
    (y * 3).sum().backward()
    return y.grad, x.grad


@program
def a_hook_stays_with_the_old_value(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.mul_(10)
    y.sum().backward()
    return seen, x.grad


@program
def a_view_made_under_no_grad(lib: Any) -> Any:
    y = leaf(lib) * 1
    with lib.no_grad():
        v = y.narrow(0, 0, 2)
    v.mul_(2)


@program
def an_expanded_tensor(lib: Any) -> Any:
    (leaf(lib, [1.0]) * 1).expand(3).add_(1)


@program
def copy_(lib: Any) -> Any:
    x, w = leaf(lib), leaf(lib, 2.0)
    y = x * 2
    y.copy_(w * 3)
    (y * y).sum().backward()
    return y, w.grad


@program
def steps_of_a_recurrence_written_to_one_tensor(lib: Any) -> Any:
    x = leaf(lib, [0.5, -0.5])
    states = lib.zeros(4, 2)
    h = x
    for step in range(4):
        h = h * h + x
        states.select(0, step).copy_(h)
    (states * states).sum().backward()
    return states, x.grad


def test_many_views_of_one_base_are_forgotten() -> None:
    y = lamina.zeros(4)
    for _ in range(1000):
        y.narrow(0, 0, 1)
    assert len(y._views) < 64


def test_messages_name_the_op() -> None:
    with pytest.raises(RuntimeError, match=r"\[add_\] a leaf that requires a gradient"):
        leaf(lamina).add_(1)
