"""What programs can't compare with torch: depth, memory, threads and what one node costs."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from typing import Any

import numpy as np

import lamina
from lamina import _C


def leaf(*values: float) -> lamina.Tensor:
    return lamina.tensor(values, requires_grad=True)


def chain(x: lamina.Tensor, length: int) -> lamina.Tensor:
    y = x
    for _ in range(length):
        y = y + x
    return y


def test_deep_graphs_are_walked_without_recursion() -> None:
    x = leaf(1.0, 2.0)
    y = chain(x, 50_000)
    assert sys.getrecursionlimit() < 50_000
    y.sum().backward()
    assert x.grad.tolist() == [50_001.0, 50_001.0]


def test_deep_graphs_are_freed_without_recursion() -> None:
    x = leaf(1.0, 2.0)
    y = chain(x, 60_000)
    del y  # a chain of destructors as long as the graph, in one thread ...

    z = chain(x, 30_000)
    old = threading.stack_size(256 * 1024)
    try:
        holder = [z]
        del z
        thread = threading.Thread(target=holder.clear)  # ... and on a small stack
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)


def test_grad_of_a_deep_graph_with_respect_to_its_middle() -> None:
    x = leaf(1.0)
    middle = chain(x, 10_000)
    y = middle
    for _ in range(10_000):
        y = y + 1
    assert lamina.autograd.grad(y.sum(), [middle, x])[1].tolist() == [10_001.0]


def test_what_no_rule_needs_is_freed_during_forward() -> None:
    x = leaf(1.0, 2.0)
    gc.disable()
    try:
        h = x * 2
        array = weakref.ref(h)
        y = h + 1
        del h
        assert array() is None
        y.sum().backward()
    finally:
        gc.enable()


def live_bytes() -> int:
    return int(_C.memory_stats()["allocated"])


def test_saved_memory_is_freed_as_backward_consumes_it() -> None:
    x = lamina.ones(1 << 18, requires_grad=True)  # 1 MB
    used: list[int] = []
    y = x * x
    for _ in range(24):
        z = y * y
        z.register_hook(lambda g: used.append(live_bytes()))
        y = z
    del z
    total = y.sum()
    del y
    before = live_bytes()
    total.backward()
    assert len(used) == 24
    # Each rule frees what it saved: 1 MB a step, apart from the gradients in flight (a few MB, not growing).
    assert used[-1] < before - 16 * 2**20
    assert used[2:] == sorted(used[2:], reverse=True)


def test_retain_graph_keeps_saved_memory() -> None:
    x = lamina.ones(1 << 18, requires_grad=True)
    total = ((x * x) * 2).sum()
    total.backward(retain_graph=True)
    before = live_bytes()
    x.grad = None
    total.backward()
    x.grad = None
    assert live_bytes() < before


def test_a_leaf_takes_over_its_gradients_memory() -> None:
    x = lamina.ones(1 << 18, requires_grad=True)
    y = (x * 3).sum()
    _C.reset_peak_memory_stats()
    before = live_bytes()
    y.backward()
    assert (
        int(_C.memory_stats()["peak_allocated"]) - before < 2.5 * 2**20
    )  # one gradient in, one out: no third


def test_a_tensor_that_forward_returned_is_not_part_of_a_cycle() -> None:
    x = leaf(1.0, 2.0)
    gc.collect()
    gc.disable()
    try:
        y = (x * x).sum()
        y.backward()
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_gradients_have_the_memory_order_of_their_leaf() -> None:
    w = lamina.from_numpy(np.asfortranarray(np.ones((3, 4), np.float32))).requires_grad_()
    v = lamina.ones(3, 4, requires_grad=True)
    (w * v).sum().backward()
    assert w.grad.stride() == w.stride()
    assert v.grad.stride() == v.stride()


def test_threads_walk_disjoint_graphs_at_once() -> None:
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            rng = np.random.default_rng(seed)
            for _ in range(50):
                x = lamina.from_numpy(rng.standard_normal(7)).requires_grad_()
                y = x
                for _ in range(20):
                    y = y * 0.5 + x
                y.sum().backward()
                want = sum(0.5**k for k in range(21))
                assert abs(x.grad.tolist()[0] - want) < 1e-12
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors


def test_threads_accumulate_into_one_leaf() -> None:
    x = lamina.zeros(1 << 16, requires_grad=True)  # large enough that the interpreter lock is released

    def work() -> None:
        for _ in range(25):
            (x * 1).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(x.grad.tolist()) == {100.0}


def test_modes_belong_to_their_thread() -> None:
    seen: list[Any] = []
    with lamina.no_grad():
        t = threading.Thread(target=lambda: seen.append(lamina.is_grad_enabled()))
        t.start()
        t.join()
    assert seen == [True]
