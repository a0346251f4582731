"""The engine: every program here gives in lamina what it gives in torch, or raises in both."""

from __future__ import annotations

from typing import Any

import pytest
from harness.programs import assert_same, outcome

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


# -- accumulation


@program
def accumulates_over_calls(lib: Any) -> Any:
    x = leaf(lib)
    for _ in range(3):
        (x * x).sum().backward()
    return x.grad


@program
def adds_the_paths_of_a_diamond(lib: Any) -> Any:
    x = leaf(lib)
    a = x * 2
    b, c, d = a * a, a + a, a * 3
    (b * c + c * d + a).sum().backward()
    return x.grad


@program
def grad_of_a_leaf_that_is_the_root(lib: Any) -> Any:
    x = lib.tensor(2.0, requires_grad=True)
    x.backward()
    x.backward()
    return x.grad


@program
def leaves_do_not_share_a_gradient(lib: Any) -> Any:
    x, y = leaf(lib), leaf(lib)
    (x + y).backward(lib.tensor([1.0, 1.0, 1.0]))
    with lib.no_grad():
        x.grad.mul_(10)
    return x.grad, y.grad


@program
def the_callers_gradient_is_not_taken_over(lib: Any) -> Any:
    x = leaf(lib)
    g = lib.tensor([1.0, 1.0, 1.0])
    (x + 0).backward(g)
    x.grad.mul_(5)
    return g, x.grad


@program
def several_roots(lib: Any) -> Any:
    x = leaf(lib)
    lib.autograd.backward([(x * x).sum(), x * 2], [None, lib.tensor([1.0, 0.0, 1.0])])
    return x.grad


@program
def broadcast_inputs_get_sums(lib: Any) -> Any:
    x, row, one = (
        leaf(lib, [[1.0, 2.0], [3.0, 4.0]]),
        leaf(lib, [5.0, 6.0]),
        lib.tensor(2.0, requires_grad=True),
    )
    (x * row + one).sum().backward()
    return x.grad, row.grad, one.grad


@program
def no_grad_for_those_that_need_none(lib: Any) -> Any:
    x, c = leaf(lib), lib.tensor([1.0, 1.0, 1.0])
    (x * c).sum().backward()
    return c.grad is None, c.requires_grad, x.grad


@program
def dtypes_of_gradients_follow_the_leaf(lib: Any) -> Any:
    x = lib.tensor([1.0, 2.0], dtype=lib.float32, requires_grad=True)
    y = lib.tensor([3.0, 4.0], dtype=lib.float64, requires_grad=True)
    (x * y).sum().backward()
    return str(x.grad.dtype).split(".")[1], str(y.grad.dtype).split(".")[1], x.grad, y.grad


@program
def assigning_grad(lib: Any) -> Any:
    x = leaf(lib)
    x.grad = lib.tensor([1.0, 1.0, 1.0])
    (x * 2).sum().backward()
    result = x.grad
    x.grad = None
    return result, x.grad is None


@program
def assigning_a_grad_of_another_shape(lib: Any) -> Any:
    leaf(lib).grad = lib.tensor([1.0])


@program
def assigning_a_grad_of_another_dtype(lib: Any) -> Any:
    leaf(lib).grad = lib.tensor([1.0, 1.0, 1.0], dtype=lib.float64)


# -- what raises


@program
def backward_of_several_elements_without_a_gradient(lib: Any) -> Any:
    (leaf(lib) * 2).backward()


@program
def backward_of_what_needs_no_gradient(lib: Any) -> Any:
    lib.tensor(1.0).backward()


@program
def a_gradient_of_the_wrong_shape(lib: Any) -> Any:
    (leaf(lib) * 2).backward(lib.tensor([1.0]))


@program
def backward_twice_through_saved_tensors(lib: Any) -> Any:
    y = leaf(lib) ** 2
    y.sum().backward()
    y.sum().backward()


@program
def backward_twice_where_nothing_was_saved(lib: Any) -> Any:
    x = leaf(lib)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    return x.grad


@program
def backward_twice_with_retain_graph(lib: Any) -> Any:
    x = leaf(lib)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    return x.grad


@program
def requires_grad_of_integers(lib: Any) -> Any:
    lib.tensor([1, 2]).requires_grad_()


@program
def requires_grad_of_a_result_can_not_be_dropped(lib: Any) -> Any:
    (leaf(lib) * 2).requires_grad_(False)


@program
def numpy_of_a_tensor_in_the_graph(lib: Any) -> Any:
    leaf(lib).numpy()


# -- grad()


@program
def grad_leaves_grad_alone(lib: Any) -> Any:
    x, y = leaf(lib), leaf(lib)
    return lib.autograd.grad((x * y).sum(), [x, y]), x.grad is None


@program
def grad_of_an_intermediate(lib: Any) -> Any:
    x = leaf(lib)
    h = x * 2
    return lib.autograd.grad((h * h).sum(), [h, x])


@program
def grad_of_an_unused_input(lib: Any) -> Any:
    x, y = leaf(lib), leaf(lib)
    return lib.autograd.grad(x.sum(), [y])


@program
def grad_of_an_unused_input_allowed(lib: Any) -> Any:
    x, y = leaf(lib), leaf(lib)
    found = lib.autograd.grad(x.sum(), [x, y], allow_unused=True)
    return found[0], found[1] is None


@program
def grad_of_an_unused_input_as_zeros(lib: Any) -> Any:
    x, y = leaf(lib), leaf(lib)
    return lib.autograd.grad(x.sum(), [x, y], materialize_grads=True)


@program
def grad_with_respect_to_what_needs_none(lib: Any) -> Any:
    x = leaf(lib)
    lib.autograd.grad(x.sum(), [lib.tensor([1.0])])


@program
def the_same_input_twice(lib: Any) -> Any:
    x = leaf(lib)
    return lib.autograd.grad((x * x).sum(), [x, x])


@program
def grad_stops_before_the_producer_and_keeps_its_graph(lib: Any) -> Any:
    x = leaf(lib)
    h = x * x
    (g,) = lib.autograd.grad((h * h).sum(), [h])
    h.backward(g)
    return x.grad


@program
def backward_with_inputs_accumulates_there_only(lib: Any) -> Any:
    x, y = leaf(lib), leaf(lib)
    (x * y).sum().backward(inputs=[x])
    return x.grad, y.grad is None


@program
def backward_with_no_inputs(lib: Any) -> Any:
    leaf(lib).sum().backward(inputs=[])


@program
def backward_with_an_intermediate_as_input(lib: Any) -> Any:
    x = leaf(lib)
    h = x * 2
    (h * h).sum().backward(inputs=[h])
    return h.grad, x.grad is None


# -- higher derivatives


@program
def third_derivative(lib: Any) -> Any:
    x = lib.tensor(2.0, requires_grad=True)
    y, results = x * x * x * x, []
    for _ in range(3):
        (y,) = lib.autograd.grad(y, x, create_graph=True)
        results.append(y)
    return results


@program
def backward_of_a_gradient(lib: Any) -> Any:
    x, w = leaf(lib), leaf(lib, [0.5, 0.25, 2.0])
    (g,) = lib.autograd.grad((x * x * w).sum(), x, create_graph=True)
    (g * g).sum().backward()
    return x.grad, w.grad


@program
def create_graph_in_backward(lib: Any) -> Any:
    x = leaf(lib)
    (x * x * x).sum().backward(create_graph=True)
    g = x.grad
    x.grad = None
    g.sum().backward()
    return g.requires_grad, x.grad


@program
def a_saved_output_in_a_second_derivative(lib: Any) -> Any:
    x = leaf(lib)
    (g,) = lib.autograd.grad(lib.exp(x).sum(), x, create_graph=True)
    return lib.autograd.grad(g.sum(), x)


@program
def gradients_of_gradients_with_respect_to_grad_outputs(lib: Any) -> Any:
    x, v = leaf(lib), leaf(lib, [1.0, 0.0, 2.0])
    (g,) = lib.autograd.grad(x * x, x, v, create_graph=True)
    return lib.autograd.grad(g.sum(), [x, v])


# -- modes


@program
def no_grad_records_nothing(lib: Any) -> Any:
    x = leaf(lib)
    with lib.no_grad():
        y = x * 2
        with lib.enable_grad():
            z = x * 3
    return y.requires_grad, z.requires_grad, y.grad_fn is None, lib.is_grad_enabled()


@program
def modes_are_restored_by_an_exception(lib: Any) -> Any:
    try:
        with lib.no_grad():
            raise KeyError
    except KeyError:
        pass
    return lib.is_grad_enabled()


@program
def set_grad_enabled_as_a_function(lib: Any) -> Any:
    lib.set_grad_enabled(False)
    off = lib.is_grad_enabled()
    lib.set_grad_enabled(True)
    return off, lib.is_grad_enabled()


@program
def no_grad_as_a_decorator(lib: Any) -> Any:
    @lib.no_grad()
    def twice(x: Any) -> Any:
        return x * 2

    return twice(leaf(lib)).requires_grad


@program
def detach_cuts(lib: Any) -> Any:
    x = leaf(lib)
    (x * x.detach()).sum().backward()
    return x.grad, x.detach().requires_grad


@program
def detach_shares_memory(lib: Any) -> Any:
    x = leaf(lib)
    x.detach().mul_(2)
    return x


@program
def properties_of_tensors_in_the_graph(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    return x.is_leaf, y.is_leaf, x.grad_fn is None, y.grad_fn.name(), y.requires_grad, y.output_nr


# -- hooks


@program
def a_hook_replaces_the_gradient(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    return x.grad


@program
def a_hook_on_a_leaf_runs_once_on_the_sum(lib: Any) -> Any:
    x = leaf(lib)
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2 + x * 3).sum().backward()
    return seen, x.grad


@program
def a_removed_hook_is_gone(lib: Any) -> Any:
    x = leaf(lib)
    first = x.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g * 2)
    first.remove()
    first.remove()
    x.sum().backward()
    return x.grad


@program
def a_hook_that_returns_the_wrong_shape(lib: Any) -> Any:
    x = leaf(lib)
    x.register_hook(lambda g: g.sum())
    x.sum().backward()


@program
def a_hook_on_what_needs_no_gradient(lib: Any) -> Any:
    lib.tensor([1.0]).register_hook(lambda g: g)


@program
def hooks_are_seen_by_grad(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    return lib.autograd.grad(y.sum(), y, retain_graph=True), lib.autograd.grad(y.sum(), x)


@program
def a_gradient_that_a_hook_keeps_stays_as_it_was(lib: Any) -> Any:
    x = leaf(lib)
    kept = []
    x.register_hook(lambda g: kept.append(g))
    (x * 3).sum().backward()
    (x * 3).sum().backward()
    x.grad.mul_(7)
    return kept, x.grad


@program
def retain_grad_sees_what_hooks_made(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    return y.grad, x.grad, y.retains_grad


@program
def retained_gradients_accumulate(lib: Any) -> Any:
    x = leaf(lib)
    y = x * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    return y.grad, x.grad


@program
def a_retained_gradient_has_memory_of_its_own(lib: Any) -> Any:
    x = leaf(lib)
    y = x + 0
    y.retain_grad()
    (y * 2).sum().backward()
    (x * 2).sum().backward()
    return y.grad, x.grad


@program
def retain_grad_of_a_leaf_does_nothing(lib: Any) -> Any:
    x = leaf(lib)
    x.retain_grad()
    x.sum().backward()
    return x.grad, x.retains_grad


@program
def a_hook_on_one_of_several_outputs(lib: Any) -> Any:
    x = leaf(lib)
    a, b = x.split([1, 2])
    b.register_hook(lambda g: g * 10)
    (a.sum() + b.sum()).backward()
    return x.grad


@program
def backward_inside_a_hook(lib: Any) -> Any:
    x, z = leaf(lib), leaf(lib)
    x.register_hook(lambda g: (z * z).sum().backward())
    (x * 2).sum().backward()
    return x.grad, z.grad


def test_retain_grad_does_not_keep_the_tensor_alive() -> None:
    import gc
    import weakref

    x = leaf(lamina)
    y = x * 2
    y.retain_grad()
    ref = weakref.ref(y)
    gc.disable()
    try:
        del y
        assert ref() is None
    finally:
        gc.enable()


def test_the_wrong_number_of_gradients_is_an_error() -> None:  # torch drops those that are too many
    x = leaf(lamina)
    with pytest.raises(RuntimeError, match="expected 1 gradients, one a start, got 2"):
        lamina.autograd.backward([x * 2], [lamina.ones(3)] * 2)


def test_a_message_names_the_op_and_what_was_wrong() -> None:
    x = leaf(lamina)
    y = x * x
    y.sum().backward()
    with pytest.raises(RuntimeError, match=r"MulBackward0 has already run and freed .* retain_graph=True"):
        y.sum().backward()


def test_rules_run_only_towards_the_inputs_asked_for() -> None:
    from lamina.autograd.graph import record

    x, w = leaf(lamina), leaf(lamina)
    asked = []

    def rule(node: Any, grad: Any) -> Any:
        asked.append((node.needs(0), node.needs(1)))
        return grad, grad

    y = record(x.detach() + w.detach(), rule, (x, w))
    lamina.autograd.grad(y.sum(), [x], retain_graph=True)
    lamina.autograd.grad(y.sum(), [w], retain_graph=True)
    y.sum().backward()
    assert asked == [(True, False), (False, True), (True, True)]


def test_an_exception_in_a_rule_leaves_the_mode_and_other_graphs_alone() -> None:
    from lamina.autograd.graph import record

    x = leaf(lamina)

    def rule(node: Any, grad: Any) -> Any:
        raise KeyError("rule")

    y = record(x.detach() * 2, rule, (x,))
    with pytest.raises(KeyError):
        y.sum().backward(create_graph=False)
    assert lamina.is_grad_enabled()
    assert x.grad is None
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_rule_with_the_wrong_number_of_gradients_is_an_error() -> None:
    from lamina.autograd.graph import record

    x = leaf(lamina)
    y = record(x.detach() * 2, lambda node, grad: (grad, grad), (x,))
    with pytest.raises(RuntimeError, match="expected 1 gradients"):
        y.sum().backward()


def test_a_rule_with_a_gradient_of_the_wrong_shape_is_an_error() -> None:
    from lamina.autograd.graph import record

    x = leaf(lamina)
    y = record(x.detach() * 2, lambda node, grad: lamina.ones(2), (x,))
    with pytest.raises(RuntimeError, match=r"expected a gradient of shape \(3,\)"):
        y.sum().backward()


def test_outcome_tells_results_from_exceptions() -> None:
    assert outcome(lambda lib: lib.tensor([1.0]), lamina) == [[1], [1.0]]
    assert outcome(lambda lib: lib.tensor([1.0]).backward(), lamina) == "raises"
