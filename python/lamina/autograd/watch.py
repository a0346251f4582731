"""What a step that is captured changes besides memory: those parts of the library that change it tell who watches.

Kernels are recorded in C++ (``csrc/core/tape.h``). Gradients that tensors get, steps that optimizers count and modules
that run are Python's.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from lamina import _C
    from lamina.autograd.graph import Node
    from lamina.optim.optimizer import Optimizer
    from lamina.tensor import Tensor


class OptimizerStep(NamedTuple):
    """One ``step()`` of an optimizer, as its replays need it."""

    optimizer: Optimizer
    gradients: list[tuple[Tensor, Tensor]]  # of the parameters that had one
    options: list[dict[str, Any]]  # of its groups
    states: int  # numbers and tensors that it kept before
    entries: tuple[int, int]  # on the tape before it: all, and those of optimizers


class Watch:
    """One run of a step.

    Attributes:
        tape: what records the run; None where it is only watched.
        leaves: tensors that got gradients.
        roots: nodes that backward passes started from.
        modules: that were called, by id.
        steps: of optimizers, and the entries on the tape after each.
        sources: tensors from which a kept result was made, with their memory and its version.
        kept: objects that kernels refer to.
    """

    def __init__(self, tape: _C.CapturedStep | None) -> None:
        self.tape = tape
        self.leaves: list[weakref.ref[Tensor]] = []
        self.roots: list[Node] = []
        self.modules: dict[int, Any] = {}
        self.steps: list[tuple[OptimizerStep, tuple[int, int]]] = []
        self.sources: list[tuple[Tensor, _C.Array, int]] = []
        self.kept: list[Any] = []

    def entries(self) -> tuple[int, int]:
        return (0, 0) if self.tape is None else (self.tape.size, self.tape.updates)

    def begin_step(self, optimizer: Optimizer) -> OptimizerStep:
        gradients = [(p, p._grad) for p in optimizer._parameters() if p._grad is not None]
        options = [dict(group) for group in optimizer.param_groups]
        return OptimizerStep(optimizer, gradients, options, states_of(optimizer), self.entries())

    def end_step(self, step: OptimizerStep) -> None:
        self.steps.append((step, self.entries()))


def states_of(optimizer: Optimizer) -> int:
    """How many numbers and tensors an optimizer keeps."""
    return sum([len(state) for state in optimizer.state.values()])


class _Now(threading.local):
    watch: Watch | None = None


now = _Now()
