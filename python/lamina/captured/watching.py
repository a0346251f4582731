"""One run of a step under a watch, and what the run must not have done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.autograd.graph import Node
from lamina.autograd.watch import Watch, now, states_of
from lamina.nn.modules.module import Module
from lamina.tensor import Tensor


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
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


class _Watching:  # how many threads watch a run
    lock = threading.Lock()
    threads = 0


_watching = _Watching()


def alive(watch: Watch) -> list[Tensor]:
    """Tensors that got gradients and outlived the run, each once."""
    leaves = [leaf for ref in watch.leaves if (leaf := ref()) is not None]
    return list({id(leaf): leaf for leaf in leaves}.values())


def same_states(watch: Watch) -> bool:
    """Whether optimizers kept as much before the run as after it; raises where the run changed their options."""
    for step, _ in watch.steps:
        if step.optimizer.param_groups != step.options:
            raise RuntimeError(
                f"[capture] the step changes the options of {type(step.optimizer).__name__}: step schedules outside"
            )
    return all([states_of(step.optimizer) == step.states for step, _ in watch.steps])


def check_results(results: list[Tensor], roots: list[Node]) -> None:
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
