"""Capture: a step's kernel calls, recorded once and run again from C++."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.graph import Node
from lamina.autograd.watch import OptimizerStep, Watch, now, states_of
from lamina.dtypes import BY_CODE
from lamina.nn.folding import unchanged
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor

__all__ = ["CapturedFunction", "capture"]

P = ParamSpec("P")
R = TypeVar("R")

_MOST_ATTEMPTS = 4


def capture(step: Callable[P, R], *, copy: bool = True) -> CapturedFunction[P, R]:
    """Gives a function that does what ``step`` does, from its third call on without Python: the kernel calls of the
    second call, forward, backward and optimizer, are run again on the same memory.

    The first call runs the step as it is, so that state which is made when it is first needed exists. Every call
    leaves the same bits in parameters, buffers, gradients, optimizers and generators that ``step`` would.

    What a step may do: anything on the CPU whose kernels and shapes follow from the shapes of its arguments, with any
    random draws. What it computes in Python, and tensors that it makes from Python's or NumPy's values, stay what they
    were when it was recorded. State that it carries from call to call must be written in place, or be an argument and
    a result. Learning rates and other options of optimizers, ``train()`` and ``eval()``, ``requires_grad`` and
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
            replaces a tensor that it reads by another, writes to its arguments, or returns what still needs backward.

    Source:
        The idea is CUDA graphs' (``torch.cuda.make_graphed_callables``), on a CPU.

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
        nbytes: memory that the recorded step holds.
    """

    def __init__(self, step: Callable[P, R], copy: bool) -> None:
        if not callable(step):
            raise TypeError(f"[capture] expected a function, got {type(step).__name__}")
        functools.update_wrapper(self, step, updated=())
        self._step, self._copy = step, copy
        self._seen: Watch | None = None  # the last run that was not a replay
        self._recorded: _Recorded | None = None
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
            with _watched(self._seen):
                return self._step(*args, **kwargs)
        return self._record(args, kwargs)

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        before = self._seen
        assert before is not None
        given: list[Any] = []
        structure = _flatten((args, kwargs), given)
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
        entry = {id(leaf): leaf._grad for leaf in _alive(before)}
        watch = Watch(_C.CapturedStep())
        own_args, own_kwargs = _unflatten(structure, _replaced(given, inputs))
        with _watched(watch):
            result = self._step(*own_args, **own_kwargs)
        if [t._version for t in inputs] != versions:
            raise RuntimeError("[capture] expected a step that does not write to its arguments; clone() them")
        outputs: list[Any] = []
        result_structure = _flatten(result, outputs)
        results = [t for t in outputs if isinstance(t, Tensor)]
        _check_results(results, watch.roots)
        self._seen = Watch(None)
        self._seen.leaves = watch.leaves
        self._attempts += 1
        if entry.keys() == {id(leaf) for leaf in _alive(watch)} and _same_states(watch):
            self._attempts = 0
            call = _Call(structure, [x for x in given if not isinstance(x, Tensor)], tensors)
            self._recorded = _Recorded(call, watch, inputs, entry, result_structure, outputs)
        elif self._attempts == _MOST_ATTEMPTS:
            raise RuntimeError(
                "[capture] the step makes state in every call: an optimizer's, or a tensor that gets a gradient"
            )
        copies = [Tensor(_C.clone(t._array)) for t in results] if self._copy else results
        return _unflatten(result_structure, _replaced(outputs, copies))

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return () if self._recorded is None else tuple(self._recorded.inputs)

    @property
    def kernels(self) -> int:
        return 0 if self._recorded is None else self._recorded.tape.size

    @property
    def nbytes(self) -> int:
        return 0 if self._recorded is None else self._recorded.tape.bytes

    def reset(self) -> None:
        """Forgets the recorded step; the next call runs the step as the first did.

        Its memory goes back when no gradient and no tensor that the step made lies there any more.
        """
        self._recorded = self._seen = None


class _Call(NamedTuple):
    """The arguments of a call: all that replays must find again."""

    structure: Any
    values: list[Any]  # that are no tensors
    tensors: list[Tensor]


class _Recorded:
    """A step on its tape, and what Python knows of it."""

    def __init__(
        self,
        call: _Call,
        watch: Watch,
        inputs: list[Tensor],
        entry: dict[int, Tensor | None],
        structure: Any,
        outputs: list[Any],
    ) -> None:
        assert watch.tape is not None
        self.tape = watch.tape
        self.inputs = inputs
        self.modes = (mode.enabled, mode.inference)
        self._structure, self._values = call.structure, call.values
        self._flat = not call.values and call.structure == _flatten((tuple(call.tensors), {}), [])
        self._signatures = [(t._array.signature, t._array.strides) for t in call.tensors]
        self._kept, self._sources = watch.kept, watch.sources
        self._gradients = [(leaf, leaf._grad) for leaf in _alive(watch)]
        # A gradient that was there before, and still is, was added to; where there was none, none may be now.
        self._entry = [
            (leaf, before)
            for leaf, _ in self._gradients
            if (before := entry.pop(id(leaf))) is None or before is leaf._grad
        ]
        modules = {id(m): m for root in watch.modules.values() for m in root.modules()}
        self._training = [(m, m.training) for m in modules.values()]
        self._attributes = [
            (m.__dict__, name, t, t._array, t._requires_grad)
            for m in modules.values()
            for name, t in m.__dict__.items()
            if isinstance(t, Tensor)
        ]
        self._updates = [_Updates(step, entries) for step, entries in watch.steps]
        gone = [g._array for updates in self._updates for p, g in updates.gradients if p._grad is not g]
        if self.tape.replaced_what_it_read(gone):
            raise RuntimeError(
                "[capture] the step replaces a tensor that it reads by another one: write to it in place, "
                "with copy_(), or make it an argument and a result"
            )
        self._result_structure, self._outputs = structure, outputs
        self._results = [t for t in outputs if isinstance(t, Tensor)]
        self._single = structure is Tensor
        self.tape.connect([t._array for t in inputs], [t._array for t in self._results])
        self._results = [Tensor(t._array) for t in self._results]

    def arrays_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[_C.Array]:
        """The arguments' arrays; raises where the call differs from the recorded one."""
        given: list[Any] = []
        if self._flat and not kwargs:
            given = list(args)
        elif _flatten((args, kwargs), given) != self._structure:
            raise ValueError(
                "[capture] expected arguments in the structure that was recorded, got another one"
            )
        tensors = [t for t in given if isinstance(t, Tensor)]
        if len(tensors) != len(self._signatures):
            raise ValueError(f"[capture] expected {len(self._signatures)} tensors, got {len(tensors)}")
        if not self._flat or len(given) != len(tensors):
            values = [x for x in given if not isinstance(x, Tensor)]
            if values != self._values:
                raise ValueError(f"[capture] expected the arguments {self._values} as recorded, got {values}")
        arrays = [t._array for t in tensors]
        for i, (array, (signature, strides)) in enumerate(zip(arrays, self._signatures)):
            if array.signature != signature or array.strides != strides or tensors[i]._requires_grad:
                _compare(i, tensors[i], signature, strides)
        return arrays

    def is_current(self) -> bool:
        """Whether the step would make the calls that were recorded, as far as modules and tensors say."""
        if (mode.enabled, mode.inference) != self.modes:
            return False
        for module, training in self._training:
            if module.training is not training:
                return False
        for owner, name, t, array, requires_grad in self._attributes:
            if owner.get(name) is not t or t._array is not array or t._requires_grad is not requires_grad:
                return False
        for leaf, grad in self._entry:
            if leaf._grad is not grad:
                return False
        if not unchanged(self._sources):
            return False
        return all([updates.amendable or not updates.changed() for updates in self._updates])

    def replay(self, arrays: list[_C.Array], copy: bool) -> Any:
        amends = any([updates.changed() for updates in self._updates])
        if amends:
            self._amend()
        results = self.tape.replay(arrays, copy)
        for updates in self._updates:
            if not (amends and updates.amendable):
                for state in updates.counts:
                    state["step"] += 1
        for leaf, grad in self._gradients:
            leaf._grad = grad
        tensors = [Tensor(array) for array in results] if copy else self._results
        if self._single:
            return tensors[0]
        return _unflatten(self._result_structure, _replaced(self._outputs, tensors))

    def _amend(self) -> None:
        """Puts the optimizers' present options and counts on the tape."""
        self.tape.begin_amendment()
        try:
            for updates in self._updates:
                if updates.amendable:
                    updates.amend()
        finally:
            self.tape.end_amendment()
        for updates in self._updates:
            updates.note()


class _Updates:
    """One recorded ``step()`` of an optimizer, whose options and counts may change from replay to replay."""

    def __init__(self, step: OptimizerStep, entries: tuple[int, int]) -> None:
        self.optimizer, self.gradients = step.optimizer, step.gradients
        kernels, updates = (after - before for before, after in zip(step.entries, entries))
        self.amendable = kernels == updates > 0
        numbers = [
            v for s in self.optimizer.state.values() for v in s.values() if isinstance(v, (int, float))
        ]
        if kernels > updates == 0 and numbers:
            raise RuntimeError(
                f"[capture] {type(self.optimizer).__name__} computes with numbers in Python, which replays do not do"
            )
        self._always = self.optimizer._numbers != ("step",)  # numbers that kernels do not count themselves
        self.note()

    def note(self) -> None:
        states = self.optimizer.state
        self.counts = [states[p] for p, _ in self.gradients if "step" in states.get(p, ())]
        self._changes = self.optimizer._changes
        self._options = [dict(group) for group in self.optimizer.param_groups]

    def changed(self) -> bool:
        optimizer = self.optimizer
        return self._always or optimizer._changes != self._changes or optimizer.param_groups != self._options

    def amend(self) -> None:
        """Runs the optimizer's Python, whose kernel calls then replace those on the tape."""
        present = [(p, p._grad) for p in self.optimizer._parameters()]
        try:
            for p, _ in present:
                p._grad = None
            for p, grad in self.gradients:
                p._grad = grad
            self.optimizer.step()
        finally:
            for p, before in present:
                p._grad = before


def _compare(index: int, given: Tensor, signature: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """Raises where an argument differs from the recorded one in what kernels depend on."""
    array = given._array
    if array.signature != signature:
        expected = f"shape {signature[2:]}, {BY_CODE[signature[1]]}"
        raise ValueError(
            f"[capture] expected tensor {index} of the arguments to have {expected} as recorded, got shape "
            f"{array.shape}, {given.dtype} on {given.device}; call the step itself, or capture it again"
        )
    if any([size > 1 and a != b for size, a, b in zip(array.shape, array.strides, strides)]):
        raise ValueError(
            f"[capture] expected tensor {index} of the arguments to lie in memory with strides {strides}, got "
            f"{array.strides}"
        )
    if given._requires_grad:
        raise ValueError(f"[capture] expected tensor {index} of the arguments to need no gradient")


def _check_results(results: list[Tensor], roots: list[Node]) -> None:
    """Raises where a result has a graph that no backward pass of the step has walked."""
    walked: set[int] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if id(node) not in walked:
            walked.add(id(node))
            stack += [edge[0] for edge in node.edges if edge is not None]
    for t in results:
        if t.grad_fn is not None and id(t.grad_fn) not in walked:
            raise RuntimeError(
                f"[capture] the step returns a tensor of shape {tuple(t.shape)} that still needs backward: call "
                "backward within the step, or return it detached"
            )


def _alive(watch: Watch) -> list[Tensor]:
    """Tensors that got gradients and outlived the run, each once."""
    leaves = [leaf for ref in watch.leaves if (leaf := ref()) is not None]
    return list({id(leaf): leaf for leaf in leaves}.values())


def _same_states(watch: Watch) -> bool:
    """Whether optimizers kept as much before the run as after it; raises where the run changed their options."""
    for step, _ in watch.steps:
        if step.optimizer.param_groups != step.options:
            raise RuntimeError(
                f"[capture] the step changes the options of {type(step.optimizer).__name__}: step schedules outside"
            )
    return all([states_of(step.optimizer) == step.states for step, _ in watch.steps])


@contextmanager
def _watched(watch: Watch) -> Iterator[None]:
    """Within the block the watch sees what this thread does, and its tape records."""
    if now.watch is not None:
        raise RuntimeError("[capture] a captured step can't be recorded within another")
    with _watching.lock:
        _watching.threads += 1
        Module._hooked = True  # calls of modules then pass where the watch sees them
    now.watch = watch
    try:
        if watch.tape is not None:
            watch.tape.start()
        yield
    finally:
        if watch.tape is not None:
            watch.tape.stop()
        now.watch = None
        with _watching.lock:
            _watching.threads -= 1
            Module._hooked = _watching.threads > 0


class _Watching:
    lock = threading.Lock()
    threads = 0


_watching = _Watching()


def _flatten(x: Any, leaves: list[Any]) -> Any:
    """Appends what ``x`` holds to ``leaves``; returns its structure, with Tensor or None for a leaf."""
    if isinstance(x, (tuple, list)):
        return type(x), [_flatten(item, leaves) for item in x]
    if isinstance(x, dict):
        return dict, [(key, _flatten(value, leaves)) for key, value in x.items()]
    leaves.append(x)
    return Tensor if isinstance(x, Tensor) else None


def _unflatten(structure: Any, leaves: Iterator[Any]) -> Any:
    if not isinstance(structure, tuple):
        return next(leaves)
    kind, items = structure
    if kind is dict:
        return {key: _unflatten(value, leaves) for key, value in items}
    values = [_unflatten(item, leaves) for item in items]
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


def _replaced(leaves: list[Any], tensors: list[Tensor]) -> Iterator[Any]:
    """The leaves with other tensors in the places of theirs."""
    others = iter(tensors)
    return iter([next(others) if isinstance(x, Tensor) else x for x in leaves])
