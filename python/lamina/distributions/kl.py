"""Kullback-Leibler divergences, dispatched on the two kinds of distributions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from lamina.distributions.distribution import Distribution
from lamina.tensor import Tensor

__all__ = ["kl_divergence", "register_kl"]

Rule = TypeVar("Rule", bound=Callable[..., Tensor])

_rules: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}
_found: dict[tuple[type, type], Callable[[Any, Any], Tensor] | None] = {}


def register_kl(type_p: type[Distribution], type_q: type[Distribution]) -> Callable[[Rule], Rule]:
    """Makes a function of (p, q) the divergence of all distributions of these kinds and those derived from them.

    Args:
        type_p: the kind of p.
        type_q: the kind of q.

    Raises:
        TypeError: for something that is no kind of distribution.

    Example:
        >>> class Twin(lamina.distributions.Normal):
        ...     pass
        >>> @lamina.distributions.register_kl(Twin, Twin)
        ... def twins(p, q):
        ...     return lamina.zeros(p.batch_shape)
        >>> lamina.distributions.kl_divergence(Twin(0.0, 1.0), Twin(1.0, 1.0))
        tensor(0.)
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"[register_kl] expected kinds of Distribution, got {kind!r}")

    def register(rule: Rule) -> Rule:
        _rules[type_p, type_q] = rule
        _found.clear()
        return rule

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """``KL(p || q)``, the expected value under p of ``log p(x) - log q(x)``, in nats.

    Args:
        p: the distribution that the expectation is taken over.
        q: the distribution it is compared with.

    Returns:
        One number for each of the batches, broadcast.

    Raises:
        NotImplementedError: for two kinds that no rule is registered for.

    Example:
        >>> p, q = lamina.distributions.Normal(0.0, 1.0), lamina.distributions.Normal(1.0, 1.0)
        >>> lamina.distributions.kl_divergence(p, q)
        tensor(0.5000)
    """
    kinds = type(p), type(q)
    if kinds not in _found:
        _found[kinds] = _closest(*kinds)
    rule = _found[kinds]
    if rule is None:
        raise NotImplementedError(
            f"[kl_divergence] no rule is registered for {kinds[0].__name__} and {kinds[1].__name__}"
        )
    return rule(p, q)


def _closest(type_p: type, type_q: type) -> Callable[[Any, Any], Tensor] | None:
    """The rule of the nearest ancestors; where one is nearer in p and another in q, p decides and a warning says so."""
    steps = {
        pair: (type_p.__mro__.index(pair[0]), type_q.__mro__.index(pair[1]))
        for pair in _rules
        if issubclass(type_p, pair[0]) and issubclass(type_q, pair[1])
    }
    if not steps:
        return None
    by_p = min(steps, key=lambda pair: steps[pair])
    by_q = min(steps, key=lambda pair: steps[pair][::-1])
    if by_p != by_q:
        names = [f"({left.__name__}, {right.__name__})" for left, right in (by_p, by_q)]
        warnings.warn(
            f"[kl_divergence] both {names[0]} and {names[1]} fit ({type_p.__name__}, {type_q.__name__}); "
            f"register_kl({type_p.__name__}, {type_q.__name__}) decides",
            RuntimeWarning,
            stacklevel=3,
        )
    return _rules[by_p]
