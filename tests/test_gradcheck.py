"""gradcheck and its kin: they find wrong gradients, say where, and let right ones pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness.programs import assert_same

import lamina
from lamina.autograd import (
    GradcheckError,
    functional,
    gradcheck,
    gradgradcheck,
    numerical_gradient,
    relative_error,
)


def leaf(values: Any) -> lamina.Tensor:
    return lamina.from_numpy(np.array(values, np.float64)).requires_grad_()


class WrongAtOne(lamina.autograd.Function):
    """x squared, with a gradient that is wrong at one element."""

    @staticmethod
    def forward(ctx: Any, x: lamina.Tensor) -> lamina.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: lamina.Tensor) -> lamina.Tensor:
        (x,) = ctx.saved_tensors
        wrong = np.ones(tuple(x.shape))
        wrong.flat[4] = 1.5
        return grad * x * 2 * lamina.from_numpy(wrong)


class WrongTwice(lamina.autograd.Function):
    """x squared, with a gradient whose own gradient is lost."""

    @staticmethod
    def forward(ctx: Any, x: lamina.Tensor) -> lamina.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: lamina.Tensor) -> lamina.Tensor:
        (x,) = ctx.saved_tensors
        return grad * x.detach() * 2


X = np.array([[0.5, -1.0, 2.0], [3.0, 1.5, -0.25]])


@pytest.mark.parametrize("fast", [False, True])
def test_a_right_gradient_passes(fast: bool) -> None:
    assert gradcheck(lambda x, y: (x * y, x + y), (leaf(X), leaf(X[0])), fast_mode=fast)
    assert gradgradcheck(lambda x, y: (x * y * y, x + y), (leaf(X), leaf(X[0])), fast_mode=fast)


@pytest.mark.parametrize("fast", [False, True])
def test_a_wrong_gradient_is_found_and_located(fast: bool) -> None:
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda a, x: WrongAtOne.apply(x), (3.0, leaf(X)), fast_mode=fast)
    report = str(caught.value)
    assert "output 0 by input 1 is wrong in 1 of 36 elements" in report
    assert "output 0 at (1, 1) by input 1 at (1, 1)" in report
    assert "analytic 4.5, numerical 3" in report
    assert "kink" not in report


def test_raise_exception_false_tells_by_its_result() -> None:
    assert gradcheck(WrongAtOne.apply, leaf(X), raise_exception=False) is False
    assert gradgradcheck(WrongTwice.apply, leaf(X), raise_exception=False) is False


def test_a_wrong_second_derivative_is_found() -> None:
    assert gradcheck(WrongTwice.apply, leaf(X))
    with pytest.raises(GradcheckError):
        gradgradcheck(WrongTwice.apply, leaf(X))


def test_a_kink_is_called_one() -> None:
    class Absolute(lamina.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: lamina.Tensor) -> lamina.Tensor:
            a = x.detach().numpy()
            ctx.sign = lamina.from_numpy(np.where(a >= 0, 1.0, -1.0))
            return lamina.from_numpy(np.abs(a))

        @staticmethod
        def backward(ctx: Any, grad: lamina.Tensor) -> lamina.Tensor:
            return grad * ctx.sign

    assert gradcheck(Absolute.apply, leaf([1.0, -2.0]))
    with pytest.raises(GradcheckError, match="kink there: its slope is -1 from below and 1 from above"):
        gradcheck(Absolute.apply, leaf([1.0, 0.0]))


def test_an_output_that_is_cut_off_is_found() -> None:
    with pytest.raises(GradcheckError, match="analytic 0, numerical 1"):
        gradcheck(lambda x: x.detach() * 1, leaf([1.0]))


def test_backward_that_differs_from_run_to_run_is_found() -> None:
    runs = []

    class Drifting(lamina.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: lamina.Tensor) -> lamina.Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, grad: lamina.Tensor) -> lamina.Tensor:
            runs.append(1)
            return grad * (1 + 1e-7 * len(runs))

    with pytest.raises(GradcheckError, match="not deterministic"):
        gradcheck(Drifting.apply, leaf([1.0]))
    assert gradcheck(Drifting.apply, leaf([1.0]), nondet_tol=1e-5)


def test_float32_is_warned_about() -> None:
    x = lamina.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match=r"input 0 is lamina\.float32"):
        gradcheck(lambda x: x * 2, x, eps=1e-2, atol=1e-2)


def test_inputs_that_share_memory_are_refused() -> None:
    x = leaf([1.0]).detach().expand(3).requires_grad_()
    with pytest.raises(ValueError, match="memory of their own"):
        gradcheck(lambda x: x * 2, x)


def test_something_must_require_a_gradient() -> None:
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(lambda x: x, lamina.ones(2))


def test_inputs_are_put_back() -> None:
    x = leaf(X)
    gradcheck(lambda x: x * x, x)
    assert np.array_equal(x.detach().numpy(), X)


# -- numerical_gradient, relative_error


def test_numerical_gradient() -> None:
    x = lamina.from_numpy(X.copy())
    g = numerical_gradient(lambda x: (x * x * x).sum(), x)
    assert relative_error(g, 3 * X * X) < 1e-8
    assert np.array_equal(x.numpy(), X)
    assert g.shape == x.shape


def test_numerical_gradient_of_a_number() -> None:
    x = lamina.from_numpy(X.copy())
    assert relative_error(numerical_gradient(lambda x: float((x * x).sum()), x), 2 * X) < 1e-8


def test_numerical_gradient_with_grad_output() -> None:
    x, w = lamina.from_numpy(X.copy()), lamina.from_numpy(X[::-1].copy())
    assert relative_error(numerical_gradient(lambda x: x * x, x, grad_output=w), 2 * X * X[::-1]) < 1e-8
    with pytest.raises(ValueError, match="expected grad_output"):
        numerical_gradient(lambda x: x * x, x)
    with pytest.raises(ValueError, match=r"expected grad_output of shape \(2, 3\), got \(3,\)"):
        numerical_gradient(lambda x: x * x, x, grad_output=lamina.ones(3))


def test_relative_error() -> None:
    assert relative_error(lamina.tensor([1.0, 0.0]), np.array([1.0, 0.0])) == 0.0
    assert relative_error(2.0, 1.0) == pytest.approx(1 / 3)
    assert relative_error(np.zeros((0, 2)), np.zeros((0, 2))) == 0.0
    with pytest.raises(ValueError, match=r"equal shapes, got \(2,\) and \(3,\)"):
        relative_error(np.zeros(2), np.zeros(3))


# -- functional


def f(x: Any, y: Any) -> Any:
    return x * x * y, (x * y).sum()


def args(lib: Any) -> Any:
    return lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0])


def test_functional_as_torch(torch: Any) -> None:
    for program in (
        lambda lib: lib.autograd.functional.jacobian(lambda x: x * x, args(lib)[0]),
        lambda lib: lib.autograd.functional.jacobian(f, args(lib)),
        lambda lib: lib.autograd.functional.jacobian(lambda x, y: x * 2, args(lib)),
        lambda lib: lib.autograd.functional.jacobian(lambda x, y: x * 2, args(lib), strict=True),
        lambda lib: lib.autograd.functional.jacobian(lambda x: 1.0, args(lib)[0]),
        lambda lib: lib.autograd.functional.hessian(lambda x: (x * x * x).sum(), args(lib)[0]),
        lambda lib: lib.autograd.functional.hessian(lambda x, y: (x * x * y * y).sum(), args(lib)),
        lambda lib: lib.autograd.functional.hessian(lambda x: x * x, args(lib)[0]),
        lambda lib: lib.autograd.functional.vjp(f, args(lib), (lib.tensor([1.0, 2.0]), lib.tensor(3.0))),
        lambda lib: lib.autograd.functional.vjp(f, args(lib)),
        lambda lib: lib.autograd.functional.vjp(lambda x: x.sum(), args(lib)[0]),
        lambda lib: lib.autograd.functional.vjp(lambda x: x * 2, args(lib)[0], lib.tensor([1.0])),
        lambda lib: lib.autograd.functional.jvp(
            f, args(lib), (lib.tensor([1.0, 2.0]), lib.tensor([3.0, 5.0]))
        ),
        lambda lib: lib.autograd.functional.vhp(
            lambda x: (x * x * x).sum(), args(lib)[0], lib.tensor([1.0, 2.0])
        ),
        lambda lib: lib.autograd.functional.hvp(
            lambda x: (x * x * x).sum(), args(lib)[0], lib.tensor([1.0, 2.0])
        ),
        lambda lib: lib.autograd.functional.hvp(
            lambda x, y: (x * x * y).sum(), args(lib), (lib.tensor([1.0, 2.0]), lib.tensor([3.0, 5.0]))
        ),
    ):
        assert_same(program, torch)


def test_jacobian_that_can_be_differentiated() -> None:
    x = lamina.tensor([1.0, 2.0], requires_grad=True)
    j = functional.jacobian(lambda x: x * x * x, x, create_graph=True)
    j.sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]
    assert not functional.jacobian(lambda x: x * x, x).requires_grad


def test_jacobian_of_no_elements() -> None:
    assert functional.jacobian(lambda x: x * 2, lamina.zeros(0)).shape == (0, 0)
