"""How work on a CUDA device is timed: by events around many calls, and as a graph, which leaves out the host."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import lamina

ROUNDS = 7
ROTATED_BYTES = 256 << 20  # more than any L2


def copies_for(size: int, quick: bool) -> int:
    """How many sets of inputs, of ``size`` bytes each, take turns so that none is found in L2."""
    return 2 if quick else max(2, -(-ROTATED_BYTES // max(size, 1)))


def elapsed(library: Any, work: Callable[[], object]) -> float:
    """Milliseconds that the device spends on what ``work`` launches; the host's clock where torch has no device."""
    if library is not lamina and not library.cuda.is_available():
        begun = time.perf_counter()
        work()
        return 1e3 * (time.perf_counter() - begun)
    start, end = (library.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    work()
    end.record()
    library.cuda.synchronize()
    return float(start.elapsed_time(end))


def by_events(library: Any, call: Callable[[int], object], copies: int) -> float:
    """The median time of one call, over rounds of each input twice, launched one by one."""

    def work() -> None:
        for i in range(2 * copies):
            call(i % copies)

    work()
    return median([elapsed(library, work) for _ in range(ROUNDS)]) / (2 * copies)


def graph_of(library: Any, work: Callable[[], object]) -> Callable[[], object]:
    """``work`` as one graph: lamina's or torch's capture."""
    if library is lamina:
        fast = lamina.capture(lambda: (work(), None)[1])
        for _ in range(3):
            fast()
        if fast.graphs == 0:
            raise RuntimeError("expected a step with a graph")
        return fast
    if not library.cuda.is_available():
        return work
    side = library.cuda.Stream()
    side.wait_stream(library.cuda.current_stream())
    with library.cuda.stream(side):
        for _ in range(3):
            work()
    library.cuda.current_stream().wait_stream(side)
    graph = library.cuda.CUDAGraph()
    with library.cuda.graph(graph):
        work()
    replay: Callable[[], object] = graph.replay
    return replay


def by_graph(library: Any, call: Callable[[int], object], copies: int) -> float:
    """The median time of one call among all of a graph that makes one call for each input."""

    def work() -> None:
        for i in range(copies):
            call(i)

    replay = graph_of(library, work)
    replay()
    return median([elapsed(library, replay) for _ in range(ROUNDS)]) / copies
