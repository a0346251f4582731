"""Optimizers of a recorded step: their counts, and options that change between replays."""

from __future__ import annotations

from lamina.autograd.watch import OptimizerStep


class Updates:
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
