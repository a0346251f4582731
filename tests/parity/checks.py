"""One call in both libraries: its values, or its error."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from parity.compare import difference, is_tensor, wrong_error
from parity.tally import Tally

Function = Callable[..., Any]
SEEDS = 16  # a draw of one coin shows within so many seeds, but for one in 2^15


def quiet(f: Function, *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*args, **kwargs)


def detached(x: Any) -> Any:
    """A copy of an argument whose tensors require no gradient and share no memory with it."""
    if type(x) is dict:
        return {k: detached(v) for k, v in x.items()}
    if isinstance(x, (list, tuple)) and type(x) is not torch.Size:
        values = [detached(v) for v in x]
        return type(x)(*values) if hasattr(x, "_fields") else type(x)(values)
    return x.detach().clone() if is_tensor(x) else x


def is_drawn(f: Function, args: Any, kwargs: Any) -> bool:
    """Whether torch's result depends on its generator."""

    def result(seed: int) -> Any:
        torch.manual_seed(seed)
        with torch.no_grad():
            return quiet(f, *detached(args), **detached(kwargs))

    first, state = result(0), torch.get_rng_state()
    torch.manual_seed(0)
    if torch.equal(torch.get_rng_state(), state):  # it drew nothing
        return False
    return any(difference(result(seed), first) is not None for seed in range(1, SEEDS))


def check_values(
    tally: Tally, where: str, ours: Function, args: Any, kwargs: Any, want: Any, values: bool
) -> Any:
    """lamina's result if it equals torch's ``want``, else None."""
    try:
        got = quiet(ours, *args, **kwargs)
    except Exception as e:
        tally.add("values", where, f"{type(e).__name__}: {e}")
        return None
    problem = difference(got, want, values)
    tally.add("values", where, problem)
    return got if problem is None else None


def check_error(tally: Tally, where: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    """Where torch raises, lamina must raise, an exception of a kind that ``compare`` lets count."""
    try:
        quiet(theirs)
    except Exception as e:
        tally.add("errors", where, _problem(ours, e))


def _problem(ours: Callable[[], Any], theirs: Exception) -> str | None:
    try:
        quiet(ours)
    except Exception as mine:
        return wrong_error(mine, theirs)
    return f"raises nothing, torch {type(theirs).__name__}: {(str(theirs).splitlines() or [''])[0]}"
