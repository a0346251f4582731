"""Optimizer: parameter groups, state and their state dict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

from lamina.autograd.grad_mode import enable_grad, no_grad
from lamina.tensor import Tensor

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class Optimizer:
    """The base of all optimizers: a subclass updates one group's parameters in ``_update``.

    Args:
        params: tensors, ``(name, tensor)`` pairs, or dictionaries with ``"params"`` and options of their own.
        defaults: options for groups that do not set them.

    Attributes:
        param_groups: a dictionary a group: its parameters and options; schedules change ``"lr"`` there.
        state: a dictionary a parameter.
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(f"[{type(self).__name__}] expected an iterable of tensors, got one tensor")
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"[{type(self).__name__}] expected at least one parameter")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own.

        Raises:
            TypeError: for anything that is no tensor.
            ValueError: for a parameter that is in a group already, or is no leaf.
        """
        name = type(self).__name__
        given = param_group["params"]
        params = [
            p[1] if isinstance(p, tuple) else p for p in ([given] if isinstance(given, Tensor) else given)
        ]
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"[{name}] expected tensors, got {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError(
                    f"[{name}] expected leaves, got a tensor of shape {tuple(p.shape)} made by {p.grad_fn}"
                )
            if id(p) in known:
                raise ValueError(f"[{name}] a parameter of shape {tuple(p.shape)} appears twice")
            known.add(id(p))
        group = {**self.defaults, **param_group, "params": params}
        self._check_options(group)
        self.param_groups.append(group)

    def _check_options(self, group: dict[str, Any]) -> None:
        for option in ("lr", "eps", "weight_decay"):
            if option in group and not group[option] >= 0:
                raise ValueError(
                    f"[{type(self).__name__}] expected {option} of at least 0, got {group[option]}"
                )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets the gradients, or sets them to zero."""
        for p in self._parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad.detach_().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters that have gradients.

        Args:
            closure: computes the loss anew and its gradients; called first.

        Returns:
            What the closure returns.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                self._update(group, [p for p in group["params"] if p.grad is not None])
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        raise NotImplementedError

    def _parameters(self) -> Iterator[Tensor]:
        return (p for group in self.param_groups for p in group["params"])

    def state_dict(self) -> dict[str, Any]:
        """Options and state, parameters as numbers in the order of the groups."""
        number = {id(p): i for i, p in enumerate(self._parameters())}
        groups = [
            {**group, "params": [number[id(p)] for p in group["params"]]} for group in self.param_groups
        ]
        return {"state": {number[id(p)]: dict(s) for p, s in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over options and state; parameters keep the places they have.

        Raises:
            ValueError: if the groups or the numbers of their parameters differ.
        """
        sizes = [len(group["params"]) for group in self.param_groups]
        given = [len(group["params"]) for group in state_dict["param_groups"]]
        if sizes != given:
            raise ValueError(
                f"[{type(self).__name__}] expected groups of {sizes} parameters, got a state dict for {given}"
            )
        params = list(self._parameters())
        numbers = [i for group in state_dict["param_groups"] for i in group["params"]]
        by_number = dict(zip(numbers, params))
        for group, saved in zip(self.param_groups, state_dict["param_groups"]):
            group.update({k: deepcopy(v) for k, v in saved.items() if k != "params"})
        self.state.clear()
        for number, state in state_dict["state"].items():
            p = by_number[int(number)]
            self.state[p] = {k: _like(v, p) for k, v in state.items()}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def _like(value: Any, p: Tensor) -> Any:
    """State of a parameter in memory of its own, in the parameter's dtype and memory order."""
    if not isinstance(value, Tensor):
        return deepcopy(value)
    if value.shape != p.shape:
        return value.detach().clone()
    from lamina.ops.creation import empty_like

    return empty_like(p.detach()).copy_(value.detach())
