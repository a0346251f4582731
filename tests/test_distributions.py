"""Distributions against torch's: values, gradients, divergences, shapes and errors; draws against their own moments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from harness.compare import assert_close

import lamina
from lamina import distributions as D

RNG = np.random.default_rng(0)
LOC, SCALE = RNG.normal(size=(2, 3)), RNG.uniform(0.5, 2, (2, 3))
PROBS = RNG.uniform(0.1, 0.9, (2, 3))
WEIGHTS, LOGITS = RNG.uniform(0.1, 1, (2, 4)), RNG.normal(size=(2, 4))

# Kind, arguments: arrays become tensors that need gradients.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "normal": ("Normal", {"loc": LOC, "scale": SCALE}),
    "normal_number": ("Normal", {"loc": 0.5, "scale": SCALE}),
    "uniform": ("Uniform", {"low": LOC, "high": LOC + SCALE}),
    "bernoulli": ("Bernoulli", {"probs": PROBS}),
    "bernoulli_logits": ("Bernoulli", {"logits": LOC}),
    "categorical": ("Categorical", {"probs": WEIGHTS}),
    "categorical_logits": ("Categorical", {"logits": LOGITS}),
    "log_normal": ("LogNormal", {"loc": LOC, "scale": SCALE}),
    "half_normal": ("HalfNormal", {"scale": SCALE}),
    "exponential": ("Exponential", {"rate": SCALE}),
    "laplace": ("Laplace", {"loc": LOC, "scale": SCALE}),
    "gumbel": ("Gumbel", {"loc": LOC, "scale": SCALE}),
    "cauchy": ("Cauchy", {"loc": LOC, "scale": SCALE}),
    "student_t": ("StudentT", {"df": SCALE + 3, "loc": LOC, "scale": SCALE}),
    "student_t_number": ("StudentT", {"df": np.array([0.7, 1.5, 9.0])}),
    "gamma": ("Gamma", {"concentration": SCALE * 2, "rate": SCALE}),
    "chi2": ("Chi2", {"df": SCALE * 3}),
    "beta": ("Beta", {"concentration1": SCALE, "concentration0": SCALE[::-1] + 0.7}),
    "dirichlet": ("Dirichlet", {"concentration": WEIGHTS * 4}),
    "dirichlet_corner": ("Dirichlet", {"concentration": WEIGHTS * 0.9}),
    "poisson": ("Poisson", {"rate": SCALE * 4}),
    "geometric": ("Geometric", {"probs": PROBS}),
    "geometric_logits": ("Geometric", {"logits": LOC}),
    "binomial": ("Binomial", {"total_count": 7, "probs": PROBS}),
    "binomial_logits": ("Binomial", {"total_count": 5, "logits": LOC}),
    "multinomial": ("Multinomial", {"total_count": 6, "probs": WEIGHTS}),
    "multinomial_logits": ("Multinomial", {"total_count": 3, "logits": LOGITS}),
    "one_hot": ("OneHotCategorical", {"probs": WEIGHTS}),
    "one_hot_logits": ("OneHotCategorical", {"logits": LOGITS}),
    "straight_through": ("OneHotCategoricalStraightThrough", {"probs": WEIGHTS}),
    "relaxed_bernoulli": ("RelaxedBernoulli", {"temperature": np.array(0.7), "probs": PROBS}),
    "relaxed_bernoulli_logits": ("RelaxedBernoulli", {"temperature": np.array(1.3), "logits": LOC}),
    "relaxed_one_hot": ("RelaxedOneHotCategorical", {"temperature": np.array(0.7), "probs": WEIGHTS}),
    "relaxed_one_hot_logits": ("RelaxedOneHotCategorical", {"temperature": np.array(1.3), "logits": LOGITS}),
}
NO_CDF = ("gamma", "chi2")  # the incomplete gamma function is no op yet
NO_MOMENTS = ("cauchy", "student_t", "student_t_number")  # of fourth order, or none at all
BY_REJECTION = ("gamma", "chi2", "beta", "dirichlet", "dirichlet_corner", "student_t", "student_t_number")
ASKED = ("mean", "mode", "variance", "stddev", "entropy", "perplexity")


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    state = lamina.get_rng_state()
    lamina.manual_seed(0)
    yield
    lamina.set_rng_state(state)


def make(module: Any, tensor: Any, kind: str, **options: Any) -> tuple[Any, list[Any]]:
    """The distribution of a library, and its parameters that need gradients."""
    name, arguments = KINDS[kind]
    given = {
        key: tensor(value, requires_grad=True) if isinstance(value, np.ndarray) else value
        for key, value in arguments.items()
    }
    leaves = [value for value in given.values() if hasattr(value, "grad")]
    return getattr(module, name)(**given, **options), leaves


def both(torch: Any, kind: str, **options: Any) -> tuple[Any, list[Any], Any, list[Any]]:
    ours, leaves = make(D, lamina.tensor, kind, **options)
    theirs, their_leaves = make(torch.distributions, torch.tensor, kind, **options)
    return ours, leaves, theirs, their_leaves


def array(x: Any) -> np.ndarray:
    return x.detach().numpy()


def close(got: Any, want: Any, what: str, tolerance: float = 1e-9) -> None:
    assert_close(array(got), array(want), tolerance, tolerance, what)


def compare_grads(
    got: Any, leaves: list[Any], want: Any, their_leaves: list[Any], what: str, tolerance: float = 1e-7
) -> None:
    """The gradients of both results' sums, where torch's has any."""
    if not want.requires_grad:
        assert not got.requires_grad, what
        return
    (got * got.detach()).sum().backward(retain_graph=True)
    (want * want.detach()).sum().backward(retain_graph=True)
    for leaf, their_leaf in zip(leaves, their_leaves):
        ours = leaf.grad if leaf.grad is not None else lamina.zeros_like(leaf)
        wanted = their_leaf.grad if their_leaf.grad is not None else their_leaf.detach() * 0
        close(ours, wanted, f"gradient of {what}", tolerance)  # torch's trigamma has nine digits
        leaf.grad = their_leaf.grad = None


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob(torch: Any, kind: str) -> None:
    ours, leaves, theirs, their_leaves = both(torch, kind)
    assert ours.batch_shape == tuple(theirs.batch_shape) and ours.event_shape == tuple(theirs.event_shape)
    torch.manual_seed(0)
    value = theirs.sample((5,))
    x, y = lamina.tensor(value.numpy()), value
    if value.dtype.is_floating_point and theirs.has_rsample:
        x, y = x.requires_grad_(), y.requires_grad_()
        leaves, their_leaves = [*leaves, x], [*their_leaves, y]
    got, want = ours.log_prob(x), theirs.log_prob(y)
    close(got, want, "log_prob")
    compare_grads(got, leaves, want, their_leaves, "log_prob")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("asked", ASKED)
def test_what_is_known(torch: Any, kind: str, asked: str) -> None:
    ours, leaves, theirs, their_leaves = both(torch, kind)
    try:
        want = getattr(theirs, asked)
        want = want() if callable(want) else want
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            got = getattr(ours, asked)
            got() if callable(got) else got
        return
    got = getattr(ours, asked)
    got = got() if callable(got) else got
    if (kind, asked) == (
        "dirichlet_corner",
        "mode",
    ):  # torch takes the first corner of equally infinite densities
        assert (array(got).argmax(-1) == KINDS[kind][1]["concentration"].argmax(-1)).all()
        return
    single = ours.event_shape and kind.startswith("multinomial") and asked in ("entropy", "perplexity")
    close(got, want, asked, 1e-6 if single else 1e-9)  # torch takes log n! in single precision there
    compare_grads(got, leaves, want, their_leaves, asked, 1e-6 if single else 1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_cdf_and_its_inverse(torch: Any, kind: str) -> None:
    ours, leaves, theirs, their_leaves = both(torch, kind)
    value = theirs.sample((3,))
    if kind in NO_CDF:
        with pytest.raises(NotImplementedError, match="cdf"):
            ours.cdf(lamina.tensor(value.numpy()))
        return
    try:
        want = theirs.cdf(value)
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            ours.cdf(lamina.tensor(value.numpy()))
        return
    got = ours.cdf(lamina.tensor(value.numpy()))
    close(got, want, "cdf")
    compare_grads(got, leaves, want, their_leaves, "cdf")
    level = np.linspace(0.05, 0.95, 6).reshape(2, 3)
    quantile = ours.icdf(lamina.tensor(level))
    close(quantile, theirs.icdf(torch.tensor(level)), "icdf")
    close(ours.cdf(quantile), torch.tensor(level), "cdf(icdf)")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("expand", [True, False])
def test_enumerate_support(torch: Any, kind: str, expand: bool) -> None:
    ours, _, theirs, _ = both(torch, kind)
    assert ours.has_enumerate_support == theirs.has_enumerate_support
    if theirs.has_enumerate_support:
        got, want = ours.enumerate_support(expand), theirs.enumerate_support(expand)
        assert got.dtype.name == str(want.dtype).removeprefix("torch.")
        close(got, want, "enumerate_support")
    else:
        with pytest.raises(NotImplementedError):
            ours.enumerate_support(expand)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_expand(torch: Any, kind: str) -> None:
    ours, _, theirs, _ = both(torch, kind)
    wide, their_wide = ours.expand((5, *ours.batch_shape)), theirs.expand((5, *theirs.batch_shape))
    for sizes in ((), (0,), (2, 3)):
        for a, b in ((ours, theirs), (wide, their_wide)):
            assert a.batch_shape == tuple(b.batch_shape) and a.event_shape == tuple(b.event_shape)
            drawn = a.sample(sizes)
            assert drawn.shape == (*sizes, *b.batch_shape, *b.event_shape)
            assert drawn.dtype.name == str(b.sample().dtype).removeprefix("torch.")
            assert not drawn.requires_grad
    value = theirs.sample()
    close(wide.log_prob(lamina.tensor(value.numpy())), their_wide.log_prob(value), "log_prob of expanded")
    if not repr(theirs).endswith("()"):  # torch shows no parameters that are properties
        assert repr(ours) == repr(theirs).replace("torch.Size", "lamina.Size")
    with pytest.raises(TypeError, match="sequence of sizes"):
        ours.sample(3)


@pytest.mark.parametrize("kind", KINDS)
def test_draws(torch: Any, kind: str) -> None:
    """Draws have the mean and the variance that the distribution states, within five standard errors."""
    ours, _, _, _ = both(torch, kind)
    n = 20_000
    drawn = array(ours.sample((n,))).astype(np.float64)
    assert lamina.tensor(drawn).shape[1:] == ours.batch_shape + ours.event_shape
    assert bool(ours.support.check(lamina.tensor(drawn)).all())
    if isinstance(ours, D.Categorical):
        frequency = np.stack([(drawn == k).mean(0) for k in range(4)], -1)
        p = array(ours.probs)
        assert (np.abs(frequency - p) < 5 * np.sqrt(p * (1 - p) / n)).all()
        return
    if kind in NO_MOMENTS or kind.startswith("relaxed"):
        return
    mean, variance = array(ours.mean), array(ours.variance)
    assert (np.abs(drawn.mean(0) - mean) < 5 * np.sqrt(variance / n)).all()
    fourth = ((drawn - drawn.mean(0)) ** 4).mean(0)
    assert (np.abs(drawn.var(0) - variance) < 5 * np.sqrt((fourth - variance**2).clip(1e-12) / n)).all()


@pytest.mark.parametrize("kind", ["cauchy", "student_t", "student_t_number"])
def test_quartiles(torch: Any, kind: str) -> None:
    """Of kinds without moments: a quarter of the draws lies beyond each quartile of torch's draws."""
    ours, _, theirs, _ = both(torch, kind)
    torch.manual_seed(0)
    n = 20_000
    drawn, wanted = array(ours.sample((n,))), array(theirs.sample((n,)))
    for level in (0.25, 0.5, 0.75):
        share = (drawn <= np.quantile(wanted, level, 0)).mean(0)
        assert (np.abs(share - level) < 5 * np.sqrt(2 * level * (1 - level) / n)).all()


@pytest.mark.parametrize("kind", ["relaxed_bernoulli", "relaxed_one_hot"])
def test_relaxed_draws(torch: Any, kind: str) -> None:
    ours, _, theirs, _ = both(torch, kind)
    torch.manual_seed(0)
    n = 20_000
    drawn, wanted = array(ours.sample((n,))), array(theirs.sample((n,)))
    error = np.sqrt((drawn.var(0) + wanted.var(0)) / n)
    assert (np.abs(drawn.mean(0) - wanted.mean(0)) < 5 * error).all()


@pytest.mark.parametrize("kind", ["gamma", "chi2", "beta", "dirichlet", "dirichlet_corner"])
def test_rsample_of_rejection_samplers(kind: str) -> None:
    """The gradient of the mean of draws is that of the mean, within five standard errors of draws' own gradients."""
    ours, leaves = make(D, lamina.tensor, kind)
    weight = lamina.tensor(np.linspace(1, 2, ours.mean.numel()).reshape(ours.mean.shape))
    wanted = lamina.autograd.grad((ours.mean * weight).sum(), leaves, retain_graph=True)
    runs = []
    for _ in range(40):
        mean = (ours.rsample((500,)).mean(0) * weight).sum()
        runs.append([array(g) for g in lamina.autograd.grad(mean, leaves, retain_graph=True)])
    for i, want in enumerate(wanted):
        got = np.stack([run[i] for run in runs])
        assert (np.abs(got.mean(0) - array(want)) < 5 * got.std(0) / np.sqrt(len(runs)) + 1e-12).all()


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in KINDS
        if getattr(D, KINDS[kind][0]).has_rsample and kind not in (*BY_REJECTION, "straight_through")
    ],
)
def test_rsample_moves_with_its_parameters(kind: str) -> None:
    """The gradient of E[tanh x] through draws is its derivative, by differences at the same seed."""
    ours, leaves = make(D, lamina.tensor, kind)

    def expectation(distribution: Any) -> Any:
        lamina.manual_seed(3)
        return distribution.rsample((4000,)).tanh().mean(0).sum()

    expectation(ours).backward()
    name, arguments = KINDS[kind]
    step = 1e-5
    for key, leaf in zip([k for k, v in arguments.items() if isinstance(v, np.ndarray)], leaves):

        def at(change: float, key: str = key) -> float:
            moved = {k: lamina.tensor(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
            moved[key] = moved[key] + change
            return expectation(getattr(D, name)(**moved)).item()

        slope = (at(step) - at(-step)) / (2 * step)
        assert leaf.grad.sum().item() == pytest.approx(slope, rel=1e-4, abs=1e-6)


CONTINUOUS = ("normal", "uniform", "exponential", "laplace", "gumbel", "gamma", "beta")
PAIRS = [
    ("normal", "normal_number"),
    ("uniform", "uniform"),
    ("bernoulli", "bernoulli_logits"),
    ("categorical", "categorical_logits"),
    ("one_hot", "one_hot_logits"),
    ("geometric", "geometric_logits"),
    *((kind, kind) for kind in ("half_normal", "log_normal", "cauchy", "dirichlet", "beta")),
    ("dirichlet", "dirichlet_corner"),
    ("gamma", "chi2"),
    ("bernoulli", "poisson"),
    *itertools.product(CONTINUOUS, CONTINUOUS),
]


@pytest.mark.parametrize(("p", "q"), sorted({*PAIRS, *((q, p) for p, q in PAIRS)}))
def test_kl_divergence(torch: Any, p: str, q: str) -> None:
    ours_p, leaves_p, theirs_p, their_leaves_p = both(torch, p)
    ours_q, leaves_q, theirs_q, their_leaves_q = both(torch, q)
    try:
        want = torch.distributions.kl_divergence(theirs_p, theirs_q)
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            D.kl_divergence(ours_p, ours_q)
        return
    got = D.kl_divergence(ours_p, ours_q)
    close(got, want, f"KL({p} || {q})")
    if np.isfinite(array(want)).all():
        compare_grads(got, leaves_p + leaves_q, want, their_leaves_p + their_leaves_q, f"KL({p} || {q})")


def test_kl_of_certain_outcomes(torch: Any) -> None:
    ends = [0.0, 0.3, 1.0]
    pairs = np.array(list(itertools.product(ends, ends)))
    got = D.kl_divergence(*(D.Bernoulli(lamina.tensor(pairs[:, i])) for i in (0, 1)))
    want = torch.distributions.kl_divergence(
        *(torch.distributions.Bernoulli(torch.tensor(pairs[:, i])) for i in (0, 1))
    )
    close(got, want, "KL of Bernoulli")
    rows = np.array([[0.0, 0.5, 0.5], [0.2, 0.8, 0.0], [1.0, 0.0, 0.0]])
    got = D.kl_divergence(D.Categorical(lamina.tensor(rows)[:, None]), D.Categorical(lamina.tensor(rows)))
    kinds = torch.distributions.Categorical
    want = torch.distributions.kl_divergence(kinds(torch.tensor(rows)[:, None]), kinds(torch.tensor(rows)))
    close(got, want, "KL of Categorical")


def test_kl_dispatch() -> None:
    class Left(D.Normal):
        pass

    class Right(D.Normal):
        pass

    assert D.kl_divergence(Left(0.0, 1.0), Right(0.0, 1.0)).item() == 0
    with pytest.raises(NotImplementedError, match="Bernoulli and Normal"):
        D.kl_divergence(D.Bernoulli(0.5), D.Normal(0.0, 1.0))
    D.register_kl(Left, D.Normal)(lambda p, q: lamina.tensor(1.0))
    D.register_kl(D.Normal, Right)(lambda p, q: lamina.tensor(2.0))
    with pytest.warns(RuntimeWarning, match=r"register_kl\(Left, Right\)"):
        assert D.kl_divergence(Left(0.0, 1.0), Right(0.0, 1.0)).item() == 1
    with pytest.raises(TypeError, match="kinds of Distribution"):
        D.register_kl(int, D.Normal)


def test_independent(torch: Any) -> None:
    def made(module: Any, tensor: Any, count: int) -> Any:
        return module.Independent(module.Normal(tensor(LOC), tensor(SCALE)), count)

    for count in range(3):
        ours, theirs = made(D, lamina.tensor, count), made(torch.distributions, torch.tensor, count)
        assert ours.batch_shape == tuple(theirs.batch_shape) and ours.event_shape == tuple(theirs.event_shape)
        close(ours.log_prob(lamina.tensor(LOC * 2)), theirs.log_prob(torch.tensor(LOC * 2)), "log_prob")
        close(ours.entropy(), theirs.entropy(), "entropy")
        wide, their_wide = ours.expand((4, *ours.batch_shape)), theirs.expand((4, *theirs.batch_shape))
        assert wide.rsample((2,)).shape == tuple(their_wide.rsample((2,)).shape)
        assert wide.batch_shape == tuple(their_wide.batch_shape)
        close(D.kl_divergence(ours, ours), torch.distributions.kl_divergence(theirs, theirs), "KL")
    with pytest.raises(ValueError, match="0 to 2 reinterpreted_batch_ndims"):
        made(D, lamina.tensor, 3)
    with pytest.raises(NotImplementedError, match="as many"):
        D.kl_divergence(made(D, lamina.tensor, 1), made(D, lamina.tensor, 2))


NAN = math.nan
# Calls of (module, tensor) that raise ValueError in both libraries, and what ours says.
BAD: list[tuple[str, Any]] = [
    (r"\[Normal\] expected scale", lambda m, t: m.Normal(0.0, t([1.0, -1.0]))),
    (r"\[Normal\] expected loc", lambda m, t: m.Normal(NAN, 1.0)),
    (r"\[Normal\] expected a value that broadcasts", lambda m, t: m.Normal(t([0.0] * 3), 1.0).log_prob(t([0.0] * 2))),
    (r"\[Normal\] expected the value to be a tensor, got float", lambda m, t: m.Normal(0.0, 1.0).log_prob(0.5)),
    (r"\[Normal\] expected a value within the support Real", lambda m, t: m.Normal(0.0, 1.0).log_prob(t(NAN))),
    (r"\[Uniform\] expected low", lambda m, t: m.Uniform(1.0, 0.0)),
    (r"\[Uniform\] expected a value within the support", lambda m, t: m.Uniform(0.0, 1.0).log_prob(t(2.0))),
    (r"\[Bernoulli\] expected probs", lambda m, t: m.Bernoulli(1.5)),
    (r"\[Bernoulli\] expected either probs or logits", lambda m, t: m.Bernoulli()),
    (r"got probs and logits", lambda m, t: m.Bernoulli(0.5, 0.0)),
    (r"\[Bernoulli\] expected a value within the support Boolean", lambda m, t: m.Bernoulli(0.5).log_prob(t(0.5))),
    (r"\[Categorical\] expected probs", lambda m, t: m.Categorical(t([-1.0, 3.0]))),
    (r"\[Categorical\] expected probs to be a tensor", lambda m, t: m.Categorical(t(1.0))),
    (r"IntegerInterval\(lower_bound=0, upper_bound=1\)", lambda m, t: m.Categorical(t([1.0, 1.0])).log_prob(t(2))),
    (r"\[Exponential\] expected rate", lambda m, t: m.Exponential(t([1.0, 0.0]))),
    (r"\[Exponential\] expected a value within", lambda m, t: m.Exponential(1.0).log_prob(t(-1.0))),
    (r"\[Gamma\] expected concentration", lambda m, t: m.Gamma(0.0, 1.0)),
    (r"\[Chi2\] expected df", lambda m, t: m.Chi2(t(-1.0))),
    (r"\[Beta\] expected concentration0", lambda m, t: m.Beta(1.0, -1.0)),
    (r"\[Dirichlet\] expected concentration", lambda m, t: m.Dirichlet(t(1.0))),
    (r"\[Dirichlet\] expected a value within", lambda m, t: m.Dirichlet(t([1.0, 1.0])).log_prob(t([0.5, 0.6]))),
    (r"\[StudentT\] expected df", lambda m, t: m.StudentT(-1.0)),
    (r"\[Poisson\] expected rate", lambda m, t: m.Poisson(-1.0)),
    (r"\[Poisson\] expected a value within", lambda m, t: m.Poisson(1.0).log_prob(t(0.5))),
    (r"\[Geometric\] expected probs above 0", lambda m, t: m.Geometric(t([0.5, 0.0]))),
    (r"\[Geometric\] expected probs", lambda m, t: m.Geometric(1.5)),
    (r"\[Binomial\] expected total_count", lambda m, t: m.Binomial(t([-1.0]), t([0.5]))),
    (r"\[Binomial\] expected a value within", lambda m, t: m.Binomial(3, t(0.5)).log_prob(t(4.0))),
    (r"got probs and logits", lambda m, t: m.Multinomial(3, t([1.0, 1.0]), t([0.0, 0.0]))),
    (r"\[Multinomial\] expected a value within", lambda m, t: m.Multinomial(3, t([1.0, 1.0])).log_prob(t([3.0, 1.0]))),
    (r"\[OneHotCategorical\] expected a value", lambda m, t: m.OneHotCategorical(t([1.0])).log_prob(t([0.0]))),
    (r"\[RelaxedBernoulli\] expected a value within", lambda m, t: m.RelaxedBernoulli(t(0.5), t(0.5)).log_prob(t(1.5))),
    (r"\[HalfNormal\] expected scale", lambda m, t: m.HalfNormal(-1.0)),
    (r"\[LogNormal\] expected scale", lambda m, t: m.LogNormal(0.0, -1.0)),
    (r"\[Gumbel\] expected scale", lambda m, t: m.Gumbel(0.0, 0.0)),
    (r"\[Cauchy\] expected scale", lambda m, t: m.Cauchy(0.0, t([1.0, -2.0]))),
    (r"\[Laplace\] expected loc", lambda m, t: m.Laplace(NAN, 1.0)),
    (r"\[Normal\] expected a value", lambda m, t: m.Independent(m.Normal(t([0.0] * 3), 1.0), 1).log_prob(t([0.0] * 2))),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(BAD)))
def test_errors(torch: Any, i: int) -> None:
    match, call = BAD[i]
    with pytest.raises(ValueError, match=match):
        call(D, lamina.tensor)
    with pytest.raises(ValueError):
        call(torch.distributions, torch.tensor)


def test_multinomial_entropy_is_the_sum_over_all_counts() -> None:
    p = D.Multinomial(5, lamina.tensor(WEIGHTS[0]))
    counts = lamina.tensor([c for c in itertools.product(range(6), repeat=4) if sum(c) == 5])
    log_probs = p.log_prob(counts.to(lamina.float64))
    close(p.entropy(), -(log_probs.exp() * log_probs).sum(), "entropy")


def test_checks_can_be_turned_off() -> None:
    D.Normal(0.0, -1.0, validate_args=False)
    D.Distribution.set_default_validate_args(False)
    try:
        assert D.Uniform(0.0, 1.0).log_prob(lamina.tensor(2.0)).item() == -math.inf
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="True or False"):
        D.Distribution.set_default_validate_args("no")


@pytest.mark.parametrize("kind", ["Bernoulli", "Geometric"])
def test_parameters_of_no_floating_dtype_are_named(kind: str) -> None:
    with pytest.raises(TypeError, match="floating dtype, got int64"):
        getattr(D, kind)(lamina.tensor([1, 1])).entropy()
