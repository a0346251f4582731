"""Capture: a step's kernel calls, recorded once and run again from C++."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from lamina import _C
from lamina.autograd.watch import Watch
from lamina.captured.recorded import Call, Recorded
from lamina.captured.structure import flatten, replaced, unflatten
from lamina.captured.watching import alive, check_results, same_states, watched
from lamina.tensor import Tensor

P = ParamSpec("P")
R = TypeVar("R")

_MOST_ATTEMPTS = 4


def capture(step: Callable[P, R], *, copy: bool = True) -> CapturedFunction[P, R]:
    """Gives a function that does what ``step`` does, from its third call on without Python: the kernel calls of the
    second call, forward, backward and optimizer, are run again on the same memory; those on CUDA devices as graphs.

    The first call runs the step as it is, so that state which is made when it is first needed exists. Every call
    leaves the same bits in parameters, buffers, gradients, optimizers and generators that ``step`` would.

    What a step may do: anything, on any device, whose kernels and shapes follow from the shapes of its arguments, with
    any random draws. What it computes in Python, and tensors that it makes from Python's or NumPy's values, stay what
    they were when it was recorded. State that it carries from call to call must be written in place, or be an argument
    and a result. Learning rates and other options of optimizers, ``train()`` and ``eval()``, ``requires_grad`` and
    gradients may change between calls: the step is then adjusted or recorded again.

    Args:
        step: takes and returns tensors, other values, and tuples, lists and dictionaries of them; calls ``backward``
            itself for whatever needs it.
        copy: give results memory of their own, as ``step`` does; if False, all calls give the same tensors, and each
            call writes them anew. Arguments are copied to where the step reads them, unless they are the tensors of
            ``inputs``.

    Raises:
        ValueError: at a call whose arguments differ from those that were recorded in anything but tensors' values.
        RuntimeError: at the recording, if the step reads values (``item()``, ``bool(tensor)``, ``nonzero``, …),
            replaces a tensor that it reads by another, writes to its arguments, returns what still needs backward, or
            does something with streams and events: replays run on the stream that is current when they are called.

    Source:
        The idea is CUDA graphs' (``torch.cuda.make_graphed_callables``), on a CPU, too.

    Example:
        >>> model = lamina.nn.Linear(3, 1)
        >>> optimizer = lamina.optim.Adam(model.parameters())
        >>> def step(x, y):
        ...     optimizer.zero_grad()
        ...     loss = lamina.nn.functional.mse_loss(model(x), y)
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss
        >>> fast = lamina.capture(step)
        >>> losses = [fast(lamina.ones(8, 3), lamina.ones(8, 1)) for _ in range(10)]
        >>> bool(losses[9] < losses[0])
        True
    """
    return CapturedFunction(step, copy)


class CapturedFunction(Generic[P, R]):
    """What :func:`capture` gives.

    Attributes:
        inputs: the tensors that a recorded step reads its arguments from; passing one saves its copy.
        kernels: how many calls a run of the recorded step makes; 0 while there is none.
        graphs: how many CUDA graphs it launches. One holds the calls in a row that launch the same every time; draws
            and optimizers, whose arguments change, stand between them.
        nbytes: memory that the recorded step holds.
    """

    def __init__(self, step: Callable[P, R], copy: bool) -> None:
        if not callable(step):
            raise TypeError(f"[capture] expected a function, got {type(step).__name__}")
        functools.update_wrapper(self, step, updated=())
        self._step, self._copy = step, copy
        self._seen: Watch | None = None  # the last run that was not a replay
        self._recorded: Recorded | None = None
        self._attempts = 0  # in a row to record it

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        recorded = self._recorded
        if recorded is not None:
            arrays = recorded.arrays_of(args, kwargs)
            if recorded.is_current():
                return recorded.replay(arrays, self._copy)
            self._recorded = None
        if self._seen is None:
            self._seen = Watch(None)
            with watched(self._seen):
                return self._step(*args, **kwargs)
        return self._record(args, kwargs)

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        before = self._seen
        assert before is not None
        given: list[Any] = []
        structure = flatten((args, kwargs), given)
        tensors = [t for t in given if isinstance(t, Tensor)]
        for x in given:
            if not isinstance(x, Tensor) and hasattr(x, "__array__"):
                raise TypeError(f"[capture] expected tensors as arguments, got {type(x).__name__}")
        for t in tensors:
            if t._requires_grad:
                raise ValueError(
                    "[capture] expected arguments that need no gradients; use requires_grad_() within the step"
                )
        inputs = [Tensor(_C.clone(t._array)) for t in tensors]
        versions = [t._version for t in inputs]
        entry = {id(leaf): leaf._grad for leaf in alive(before)}
        watch = Watch(_C.CapturedStep())
        own_args, own_kwargs = unflatten(structure, replaced(given, inputs))
        with watched(watch):
            result = self._step(*own_args, **own_kwargs)
        if [t._version for t in inputs] != versions:
            raise RuntimeError("[capture] expected a step that does not write to its arguments; clone() them")
        outputs: list[Any] = []
        result_structure = flatten(result, outputs)
        results = [t for t in outputs if isinstance(t, Tensor)]
        check_results(results, watch.roots)
        self._seen = Watch(None)
        self._seen.leaves = watch.leaves
        self._attempts += 1
        if entry.keys() == {id(leaf) for leaf in alive(watch)} and same_states(watch):
            self._attempts = 0
            call = Call(structure, [x for x in given if not isinstance(x, Tensor)], tensors)
            self._recorded = Recorded(call, watch, inputs, entry, result_structure, outputs)
        elif self._attempts == _MOST_ATTEMPTS:
            raise RuntimeError(
                "[capture] the step makes state in every call: an optimizer's, or a tensor that gets a gradient"
            )
        copies = [Tensor(_C.clone(t._array)) for t in results] if self._copy else results
        return unflatten(result_structure, replaced(outputs, copies))

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return () if self._recorded is None else tuple(self._recorded.inputs)

    @property
    def kernels(self) -> int:
        return 0 if self._recorded is None else self._recorded.tape.size

    @property
    def graphs(self) -> int:
        return 0 if self._recorded is None else self._recorded.tape.graphs

    @property
    def nbytes(self) -> int:
        return 0 if self._recorded is None else self._recorded.tape.bytes

    def reset(self) -> None:
        """Forgets the recorded step; the next call runs the step as the first did.

        Its memory goes back when no gradient and no tensor that the step made lies there any more.
        """
        self._recorded = self._seen = None
