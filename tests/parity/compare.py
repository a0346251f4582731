"""When two results count as the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

# (rtol, atol).  float32 sums of a thousand terms in another order differ by some 1e-5 of their largest.
TOLERANCE = {
    "float64": (1e-9, 1e-9),
    "float32": (3e-5, 3e-5),
    "float16": (2e-3, 2e-3),
    "bfloat16": (2e-2, 2e-2),
}

# torch raises RuntimeError for whatever its C++ refuses; lamina says which kind.  Other kinds are matched.
KINDS = (ValueError, TypeError, IndexError, RuntimeError, NotImplementedError)
SAME_KIND = {ValueError: (ValueError,), TypeError: (TypeError,), IndexError: (IndexError,)}


def leaves(x: Any) -> Iterator[Any]:
    """The tensors, numbers and None of a result, in order."""
    if isinstance(x, dict):
        x = list(x.values())
    if isinstance(x, (list, tuple)):
        for v in x:
            yield from leaves(v)
    else:
        yield x


def is_tensor(x: Any) -> bool:
    return hasattr(x, "detach")


def array(x: Any) -> np.ndarray:
    """The values of a tensor of either library, or of a number; bfloat16 as float32."""
    if not is_tensor(x):
        return np.asarray(x)
    if "bfloat16" in str(x.dtype):
        x = x.float()
    return x.detach().numpy(force=True)  # also of torch's tensors of zeros that have no memory


def kind(x: Any) -> str:
    """The dtype's name, or the type of what is no tensor."""
    return str(x.dtype).rpartition(".")[2] if is_tensor(x) else type(x).__name__


def difference(got: Any, want: Any, values: bool = True) -> str | None:
    """What differs first between lamina's result and torch's; None where they agree.

    Args:
        values: False compares shapes and dtypes alone, for draws and memory nobody wrote.
    """
    mine, theirs = list(leaves(got)), list(leaves(want))
    if len(mine) != len(theirs):
        return f"{len(mine)} results, torch gives {len(theirs)}"
    for k, (a, b) in enumerate(zip(mine, theirs)):
        found = _difference(a, b, values)
        if found:
            return f"result {k}: {found}" if len(mine) > 1 else found
    return None


def _difference(got: Any, want: Any, values: bool) -> str | None:
    if got is None or want is None:
        return None if got is want else f"{kind(got)}, torch gives {kind(want)}"
    if kind(got).replace("Size", "") != kind(want).replace("Size", ""):
        return f"{kind(got)}, torch gives {kind(want)}"
    a, b = array(got), array(want)
    if a.shape != b.shape:
        return f"shape {a.shape}, torch gives {b.shape}"
    return close(a, b, kind(want)) if values else None


def close(a: np.ndarray, b: np.ndarray, dtype: str) -> str | None:
    """Elementwise to the dtype's tolerance, the absolute one measured by the largest finite value."""
    if a.dtype.kind not in "fc":
        wrong = a != b
    else:
        rtol, atol = TOLERANCE["float64" if dtype == "float" else dtype]
        a, b = a.astype(np.float64), b.astype(np.float64)
        scale = max(1.0, np.max(np.abs(b[np.isfinite(b)]), initial=0.0))
        with np.errstate(all="ignore"):
            near = np.abs(a - b) <= atol * scale + rtol * np.abs(b)
        wrong = ~(near | (a == b) | (np.isnan(a) & np.isnan(b)))
    if not np.any(wrong):
        return None
    worst = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(np.sum(wrong))} of {a.size} values differ, first at {worst}: {a[worst]}, torch gives {b[worst]}"


def wrong_error(mine: BaseException, theirs: BaseException) -> str | None:
    """What is wrong with the kind of lamina's exception, if anything."""
    expected = next((kinds for base, kinds in SAME_KIND.items() if isinstance(theirs, base)), KINDS)
    if isinstance(mine, expected) and not isinstance(mine, (KeyError, UnboundLocalError, RecursionError)):
        return None
    return f"{type(mine).__name__}({mine}), torch raises {type(theirs).__name__}"
