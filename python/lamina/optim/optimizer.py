"""Optimizer: parameter groups, state and their state dict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, ClassVar

from lamina.autograd.grad_mode import enable_grad, no_grad
from lamina.autograd.watch import now
from lamina.tensor import Tensor

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]

_NOT_NEGATIVE = (
    "lr",
    "eps",
    "weight_decay",
    "l1_decay",
    "momentum",
    "alpha",
    "lr_decay",
    "initial_accumulator_value",
    "momentum_decay",
)


class Optimizer:
    """The base of all optimizers: a subclass updates one group's parameters in ``_update``.

    Args:
        params: tensors, ``(name, tensor)`` pairs, or dictionaries with ``"params"`` and options of their own.
        defaults: options for groups that do not set them.

    Options that the optimizers share:
        lr: the learning rate, a number or a 0-d tensor.
        weight_decay: the factor of the L2 penalty's gradient, the parameter itself.
        l1_decay: the factor of the L1 penalty's gradient, the parameter's sign; with ``weight_decay`` an elastic net.
        maximize: go uphill.
        foreach, fused, capturable: as in torch, where they choose among loops; here every step is one kernel call over
            all parameters of a group, whatever they say.
        differentiable: must be False, since no graph records a step.
        max_grad_norm: a bound on the norm of all gradients of a step, taken together over all groups: the update is
            that after :func:`lamina.nn.utils.clip_grad_norm_`, to the bit, but gradients are scaled as they are read
            and ``grad`` keeps what it is; two passes over them less. Fixed, and no part of ``state_dict``.

    Attributes:
        param_groups: a dictionary a group: its parameters and options; schedules change ``"lr"`` there.
        state: a dictionary a parameter; counts and other numbers in it are Python's, and 0-d tensors in ``state_dict``.
    """

    _numbers: ClassVar[tuple[str, ...]] = ("step",)  # state that is one number a parameter

    def __init__(self, params: Params, defaults: dict[str, Any], max_grad_norm: float | None = None) -> None:
        if isinstance(params, Tensor):
            raise TypeError(f"[{type(self).__name__}] expected an iterable of tensors, got one tensor")
        self._check_options(defaults)
        if max_grad_norm is not None and not max_grad_norm >= 0:
            raise ValueError(
                f"[{type(self).__name__}] expected max_grad_norm of at least 0, got {max_grad_norm}"
            )
        self._max_grad_norm = max_grad_norm
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._changes = 0  # of the state; a captured step sees by it that others have been made
        self.param_groups: list[dict[str, Any]] = []
        if isinstance(params, (set, frozenset)):
            raise TypeError(f"[{type(self).__name__}] expected parameters in an order, got a set")
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(f"[{type(self).__name__}] expected at least one parameter")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own.

        Raises:
            TypeError: for anything that is no tensor.
            ValueError: for a parameter that is in a group already, or is no leaf; for an option out of its range.
        """
        name = type(self).__name__
        given = param_group["params"]
        if isinstance(given, set):
            raise TypeError(f"[{name}] expected parameters in an order, got a set")
        entries = [given] if isinstance(given, Tensor) else list(given)
        params = [p[1] if isinstance(p, tuple) else p for p in entries]
        if len({isinstance(p, tuple) for p in entries}) > 1:
            raise ValueError(f"[{name}] expected names for all parameters or for none")
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
        named = [p[0] for p in entries if isinstance(p, tuple)]
        if self.param_groups and ("param_names" in self.param_groups[0]) != bool(named):
            raise ValueError(f"[{name}] expected names for the parameters of all groups or of none")
        if named:
            group["param_names"] = named
        self._check_options(group)
        self.param_groups.append(group)

    def _check_options(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        lr = group.get("lr")
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"[{name}] expected a learning rate of one element, got {tuple(lr.shape)}")
        for option in _NOT_NEGATIVE:
            if option in group and not group[option] >= 0:
                raise ValueError(f"[{name}] expected {option} of at least 0, got {group[option]}")
        if not all(0 <= b < 1 for b in group.get("betas", ())):
            raise ValueError(f"[{name}] expected betas from 0 to below 1, got {group['betas']}")
        if group.get("differentiable"):
            raise ValueError(f"[{name}] expected differentiable=False: no graph records a step")
        if group.get("foreach") and group.get("fused"):
            raise RuntimeError(f"[{name}] expected at most one of foreach and fused")

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
        watch = now.watch
        watched = None if watch is None else watch.begin_step(self)
        self._changes += 1
        with no_grad():
            scale = None if self._max_grad_norm is None else self._scale(self._max_grad_norm)
            for group in self.param_groups:
                for params in _of_one_kind([p for p in group["params"] if p._grad is not None]):
                    if scale is None:
                        self._update(group, params)
                    else:
                        self._update({**group, "scale": scale.to(params[0])._array}, params)
        if watch is not None and watched is not None:
            watch.end_step(watched)
        return loss

    def _scale(self, max_norm: float) -> Tensor:
        """What gradients are multiplied by, 0-d."""
        from lamina.nn.utils.clip_grad import clip_scale, get_total_norm

        return clip_scale(
            max_norm, get_total_norm([p._grad for p in self._parameters() if p._grad is not None])
        )

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        """One step of parameters of one dtype and device that all have gradients."""
        raise NotImplementedError

    def _counted(
        self, params: list[Tensor], fresh: Callable[[Tensor], dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The states of parameters, made by ``fresh`` in a first step, with this step counted."""
        states = [self.state[p] for p in params]
        for p, state in zip(params, states):
            if not state:
                state.update(fresh(p.detach()), step=0)
            state["step"] += 1
        return states

    def _parameters(self) -> Iterator[Tensor]:
        return (p for group in self.param_groups for p in group["params"])

    def state_dict(self) -> dict[str, Any]:
        """Options and state in torch's layout, parameters as numbers in the order of the groups."""
        from lamina.dtypes import float32, float64
        from lamina.ops.creation import tensor

        number = {id(p): i for i, p in enumerate(self._parameters())}
        groups = [
            {**group, "params": [number[id(p)] for p in group["params"]]} for group in self.param_groups
        ]

        def packed(name: str, value: Any) -> Any:
            if name not in self._numbers:
                return value
            return tensor(float(value), dtype=float32 if name == "step" else float64)

        state = {number[id(p)]: {k: packed(k, v) for k, v in s.items()} for p, s in self.state.items() if s}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Takes over options and state, lamina's or torch's; parameters keep the places they have.

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
        self._changes += 1
        for number, state in state_dict["state"].items():
            p = by_number[int(number)]
            self.state[p] = {k: _number(v) if k in self._numbers else _like(v, p) for k, v in state.items()}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join([*lines, ")"])


def arguments(
    group: dict[str, Any],
    params: list[Tensor],
    states: list[dict[str, Any]],
    names: Sequence[str | None],
    *,
    steps: list[float] | None = None,
    factors: Sequence[tuple[float, float]] = (),
) -> tuple[Any, Any, Any, Any, Any, float, float, bool, bool, Any]:
    """What every update kernel takes first: parameters, gradients, the named states, steps, factors, penalties, scale.

    Args:
        group: the group's options.
        params: its parameters, all with gradients.
        states: their states.
        names: of the states in the kernel's order; None for one that these options do without.
        steps: the number of each parameter's step; by default what its state has counted.
        factors: two numbers a parameter, for the kernels that want them.
    """
    return (
        [p._array for p in params],
        [p._grad._array for p in params],  # type: ignore[union-attr]
        [[] if name is None else [s[name]._array for s in states] for name in names],
        [s["step"] for s in states] if steps is None else steps,
        factors,
        *penalty(group),
        group.get("scale"),
    )


def penalty(group: dict[str, Any]) -> tuple[float, float, bool, bool]:
    """weight_decay, l1_decay, whether they are decoupled from the gradient, maximize."""
    return (
        float(group.get("weight_decay", 0.0)),
        group.get("l1_decay", 0.0),
        group.get("decoupled_weight_decay", False),
        group["maximize"],
    )


def _of_one_kind(params: list[Tensor]) -> list[list[Tensor]]:
    """Parameters by dtype and device, which a kernel call has one of."""
    kinds: dict[Any, list[Tensor]] = {}
    for p in params:
        kinds.setdefault((p._array.dtype, p._array.device), []).append(p)
    return list(kinds.values())


def _number(value: Any) -> float:
    number = float(value)
    return int(number) if number == int(number) else number


def _like(value: Any, p: Tensor) -> Any:
    """State of a parameter in memory of its own, in the parameter's dtype and, in its shape, memory order."""
    if isinstance(value, (list, tuple)):
        return type(value)(_like(v, p) for v in value)
    if not isinstance(value, Tensor):
        if not hasattr(value, "__dlpack__"):
            return deepcopy(value)
        from lamina.ops.interchange import from_dlpack

        value = from_dlpack(value.detach())
    if value.shape != p.shape:
        return value.detach().to(p.dtype, copy=True)
    from lamina.ops.creation import empty_like

    return empty_like(p.detach()).copy_(value.detach())
