"""A recorded step: its tape, what replays compare before they run it, and what they leave in Python."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamina import _C
from lamina.autograd.grad_mode import mode
from lamina.autograd.watch import Watch
from lamina.captured.structure import flatten, replaced, unflatten
from lamina.captured.updates import Updates
from lamina.captured.watching import alive
from lamina.devices import device
from lamina.dtypes import BY_CODE
from lamina.nn.folding import unchanged
from lamina.tensor import Tensor


class Call(NamedTuple):
    """The arguments of a call: all that replays must find again."""

    structure: Any
    values: list[Any]  # that are no tensors
    tensors: list[Tensor]


class Recorded:
    """A step on its tape, and what Python knows of it."""

    def __init__(
        self,
        call: Call,
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
        self._flat = not call.values and call.structure == flatten((tuple(call.tensors), {}), [])
        self._signatures = [(t._array.signature, t._array.strides) for t in call.tensors]
        self._kept, self._sources = watch.kept, watch.sources
        self._gradients = [(leaf, leaf._grad) for leaf in alive(watch)]
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
        self._updates = [Updates(step, entries) for step, entries in watch.steps]
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
        elif flatten((args, kwargs), given) != self._structure:
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
                compare(i, tensors[i], signature, strides)
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
        return unflatten(self._result_structure, replaced(self._outputs, tensors))

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


def compare(index: int, given: Tensor, signature: tuple[int, ...], strides: tuple[int, ...]) -> None:
    """Raises where an argument differs from the recorded one in what kernels depend on."""
    array = given._array
    if array.signature != signature:
        place = device.from_code(signature[0])
        expected = f"shape {signature[2:]}, {BY_CODE[signature[1]]} on {place}"
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
