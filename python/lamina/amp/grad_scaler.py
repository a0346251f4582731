"""Scaling of losses, so that gradients of 16-bit floats do not vanish."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lamina.autograd.grad_mode import no_grad
from lamina.ops.join import stack
from lamina.tensor import Tensor

if TYPE_CHECKING:
    from lamina.optim.optimizer import Optimizer

__all__ = ["GradScaler"]


class GradScaler:
    """Multiplies the loss by a scale and divides the gradients by it, skipping steps whose gradients overflow.

    Float16 has no numbers below 6e-8, where many gradients lie; a scaled loss moves them all up. After a step whose
    gradients hold an infinity or NaN the scale is multiplied by ``backoff_factor``; after ``growth_interval`` steps
    without one, by ``growth_factor``.

    Args:
        device: as in torch; the gradients' own device counts.
        init_scale: the first scale.
        growth_factor: above 1.
        backoff_factor: below 1.
        growth_interval: steps.
        enabled: whether it does anything at all.

    Source:
        Micikevicius et al., Mixed Precision Training, arXiv:1710.03740.

    Example:
        >>> weight = lamina.tensor([2.0], requires_grad=True)
        >>> optimizer = lamina.optim.SGD([weight], lr=0.5)
        >>> scaler = lamina.amp.GradScaler(init_scale=1024.0)
        >>> scaler.scale((weight * weight).sum()).backward()
        >>> weight.grad
        tensor([4096.])
        >>> scaler.step(optimizer)  # divides by the scale first
        >>> scaler.update()
        >>> weight.tolist()
        [0.0]
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if not growth_factor > 1:
            raise ValueError(f"[GradScaler] expected a growth_factor above 1, got {growth_factor}")
        if not 0 < backoff_factor < 1:
            raise ValueError(f"[GradScaler] expected a backoff_factor between 0 and 1, got {backoff_factor}")
        if not (init_scale > 0 and math.isfinite(init_scale)):
            raise ValueError(f"[GradScaler] expected a finite init_scale above 0, got {init_scale}")
        self._enabled = enabled
        self._scale = float(init_scale)
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._clean_steps = 0  # since the scale last changed
        self._unscaled: dict[int, bool] = {}  # by optimizer, since the last update: whether all was finite
        self._stepped: set[int] = set()

    def scale(self, outputs: Any) -> Any:
        """A tensor, or a list, tuple or iterable of them, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(x) for x in outputs)
        if hasattr(outputs, "__iter__"):
            return map(self.scale, outputs)
        raise TypeError(f"[GradScaler.scale] expected tensors, got {type(outputs).__name__}")

    @no_grad()  # type: ignore[untyped-decorator]
    def unscale_(self, optimizer: Optimizer) -> None:
        """Divides the gradients of an optimizer's parameters by the scale, in place: before they are clipped, say.

        Raises:
            RuntimeError: if that was done since the last :meth:`update`.
        """
        if not self._enabled:
            return
        if id(optimizer) in self._stepped:
            raise RuntimeError("[GradScaler.unscale_] expected to be called before step()")
        if id(optimizer) in self._unscaled:
            raise RuntimeError("[GradScaler.unscale_] expected one call an optimizer between updates")
        by_device: dict[Any, list[Tensor]] = {}
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.mul_(1 / self._scale)
                    by_device.setdefault(str(p.grad.device), []).append(p.grad.isfinite().all())
        # One wait a device.
        self._unscaled[id(optimizer)] = all([bool(stack(f).all().item()) for f in by_device.values()])

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step if all gradients are finite, after unscaling them if that was not done yet.

        Raises:
            RuntimeError: if it was called since the last :meth:`update`; for a closure, which makes new gradients.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs or any(callable(a) for a in args):
            raise RuntimeError("[GradScaler.step] expected no closure: its gradients would not be unscaled")
        if id(optimizer) in self._stepped:
            raise RuntimeError("[GradScaler.step] expected one call an optimizer between updates")
        if id(optimizer) not in self._unscaled:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return optimizer.step(*args, **kwargs) if self._unscaled[id(optimizer)] else None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Sets the scale for the next step: by what the gradients were, or to ``new_scale``.

        Raises:
            RuntimeError: if no gradients were unscaled since the last time.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._unscaled:
            raise RuntimeError("[GradScaler.update] expected step() or unscale_() before")
        elif not all(self._unscaled.values()):
            self._scale *= self._backoff_factor
            self._clean_steps = 0
        else:
            self._clean_steps += 1
            if self._clean_steps == self._growth_interval:
                grown = self._scale * self._growth_factor
                self._scale = grown if math.isfinite(grown) else self._scale
                self._clean_steps = 0
        self._unscaled.clear()
        self._stepped.clear()

    def get_scale(self) -> float:
        """The scale; 1 where the scaler is not enabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """With torch's keys; empty where the scaler is not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._clean_steps,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up a state.

        Raises:
            RuntimeError: for an empty one, of a scaler that was not enabled.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "[GradScaler] the state is empty; was it taken from a scaler that was not enabled?"
            )
        self._scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._clean_steps = state_dict["_growth_tracker"]
