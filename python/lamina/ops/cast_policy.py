"""What :class:`lamina.autocast` does to the arguments of ops: one policy an op and type of device.

The lists are torch's (``ATen/autocast_mode.h``, and the CPU's in ``autocast_mode.cpp``), as far as lamina has the ops.
``KEEPS`` is lamina's own: what torch runs in the dtype that it gets and lamina has kernels of float32 for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, ParamSpec, TypeVar

from lamina.autograd.cast_mode import casting
from lamina.autograd.grad_mode import mode
from lamina.dtypes import bfloat16, dtype, float16, float32
from lamina.tensor import Tensor

P = ParamSpec("P")
R = TypeVar("R")
F = Callable[..., Any]
Convert = Callable[[Tensor], Tensor]

HALVES = (bfloat16, float16)
ELIGIBLE = (*HALVES, float32)  # float64 and integers stay what they are

CONVOLUTIONS = "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d"
PRODUCTS = "addmm baddbmm bmm einsum linear matmul mm prelu"
LOSSES = """
    cosine_embedding_loss cross_entropy hinge_embedding_loss huber_loss kl_div l1_loss margin_ranking_loss mse_loss
    multi_margin_loss multilabel_margin_loss nll_loss poisson_nll_loss smooth_l1_loss soft_margin_loss
    triplet_margin_loss binary_cross_entropy_with_logits
"""
POOLS = """
    max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d lp_pool1d lp_pool2d lp_pool3d
    fractional_max_pool2d fractional_max_pool3d
"""

# Run in the lower precision.
LOWERS = {
    "cuda": f"{CONVOLUTIONS} {PRODUCTS} mv lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
    "cpu": PRODUCTS,
}
# Likewise, where the kernels are of float32: arguments and result are rounded to the lower precision, and what lies
# between is computed as its own kernels would, with sums in float32.
ROUNDS = {"cuda": "recurrent_layer", "cpu": CONVOLUTIONS}
# Run in float32, and give it.
WIDENS = {
    "cuda": f"""
        acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow softplus
        layer_norm rms_norm group_norm cosine_similarity dist pdist cdist logsumexp interpolate
        prod softmax log_softmax cumprod cumsum sum norm vector_norm {LOSSES}
    """,
    "cpu": f"""
        avg_pool3d max_pool3d adaptive_avg_pool3d max_unpool2d max_unpool3d
        binary_cross_entropy grid_sample prod cdist ctc_loss recurrent_layer {LOSSES}
    """,
}
# Run in the widest dtype among their arguments.
PROMOTES = {
    "cuda": "addcdiv addcmul atan2 bilinear cross dot inner tensordot scatter_add grid_sample",
    "cpu": "stack cat index_copy",
}
# Run in float32 where they have no kernel for halves, and give what they got.
NORMS = "batch_norm batch_norm_relu batch_norm_of_moments instance_norm local_response_norm"
KEEPS = {
    "cuda": f"{NORMS} {POOLS} unfold fold ctc_loss",
    "cpu": f"{NORMS} {POOLS} unfold fold layer_norm rms_norm group_norm softmax log_softmax pdist",
}
# Refused: the results would be wrong.
REFUSES = {"cuda": "binary_cross_entropy"}


def is_listed(name: str) -> bool:
    """Whether an op is in one of the lists."""
    return any(name in table for table in POLICIES.values())


def in_autocast(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs an op with its arguments cast, as its name in the lists says.  A listed op begins with

        if casting.on:
            return in_autocast(op, its arguments)

    which costs one look at a flag; a decorator costs the smallest ops 15 to 35 % of their time. Results written to
    ``out=``, and so all that is done in place, take dtypes as they come, as in torch.
    """
    device = _device_type((*args, *kwargs.values()))
    policy = POLICIES[device].get(function.__name__) if casting.enabled.get(device) else None
    casting.on = False  # within the op dtypes are what they are
    try:
        if policy is None or kwargs.get("out") is not None:
            return function(*args, **kwargs)
        result: R = policy(function, device, args, kwargs)
        return result
    finally:
        casting.on = True


def _lower(function: F, device: str, args: Any, kwargs: Any) -> Any:
    to = casting.dtypes[device]
    return _call(function, args, kwargs, device, lambda x: _lowered(x, to))


def _round(function: F, device: str, args: Any, kwargs: Any) -> Any:
    to = casting.dtypes[device]
    result = _call(function, args, kwargs, device, lambda x: _to(_lowered(x, to), float32))
    return _mapped(result, lambda x: _to(x, to) if x.dtype is float32 else x)


def _widen(function: F, device: str, args: Any, kwargs: Any) -> Any:
    return _call(function, args, kwargs, device, lambda x: _to(x, float32))


def _promote(function: F, device: str, args: Any, kwargs: Any) -> Any:
    dtypes = {x.dtype for x in _tensors((*args, *kwargs.values())) if _eligible(x, device)}
    if len(dtypes) > 1:  # float16 and bfloat16 too meet in float32
        return _widen(function, device, args, kwargs)
    if function.__name__ == "grid_sample":
        return _keep(function, device, args, kwargs)
    return function(*args, **kwargs)


def _keep(function: F, device: str, args: Any, kwargs: Any) -> Any:
    """Casts the activations alone, which have one rank: what an op updates in place must not be a copy."""
    first = next(_tensors((*args, *kwargs.values())))
    given, rank = first.dtype, first.ndim
    if given not in HALVES:
        return function(*args, **kwargs)
    result = _call(
        function,
        args,
        kwargs,
        device,
        lambda x: _to(x, float32) if x.ndim == rank and x.dtype is given else x,
    )
    return _mapped(result, lambda x: _to(x, given) if x.dtype is float32 else x)


def _refuse(function: F, device: str, args: Any, kwargs: Any) -> NoReturn:
    name = function.__name__
    raise RuntimeError(
        f"[{name}] is unsafe to autocast: the logarithm of a rounded probability; give the scores themselves, "
        f"without a sigmoid, to {name}_with_logits"
    )


def _table(device: str) -> dict[str, Callable[..., Any]]:
    lists = (
        (LOWERS, _lower),
        (ROUNDS, _round),
        (KEEPS, _keep),
        (WIDENS, _widen),
        (PROMOTES, _promote),
        (REFUSES, _refuse),
    )
    return {name: policy for names, policy in lists for name in names.get(device, "").split()}


POLICIES = {device: _table(device) for device in ("cpu", "cuda")}

# ---- casts


def _eligible(x: Tensor, device: str) -> bool:
    return x.dtype in ELIGIBLE and x.device.type == device


def _to(x: Tensor, to: dtype) -> Tensor:
    return x if x.dtype is to else x.to(to)


def _lowered(x: Tensor, to: dtype) -> Tensor:
    """The cast; that of a parameter is made once, until it changes or the outermost block ends."""
    if x.dtype is to:
        return x
    parameter = x.dtype is float32 and x._requires_grad and x.is_leaf and x._base is None
    if not (parameter and casting.cache_enabled):
        return x.to(to)
    state = (x._version, to, mode.enabled)  # a cast that was not recorded serves no backward
    kept, kept_state, copy = casting.cache.get(id(x), (None, None, None))
    if kept is not x or kept_state != state:  # the cache holds x: no other tensor gets its id
        copy = x.to(to)
        casting.cache[id(x)] = x, state, copy
    return copy


def _call(function: F, args: Any, kwargs: Any, device: str, convert: Convert) -> Any:
    def cast(x: Tensor) -> Tensor:
        return convert(x) if _eligible(x, device) else x

    return function(*_mapped(args, cast), **{k: _mapped(v, cast) for k, v in kwargs.items()})


def _mapped(value: Any, convert: Convert) -> Any:
    """The value with its tensors converted, also those in lists and tuples."""
    if isinstance(value, Tensor):
        return convert(value)
    if type(value) in (list, tuple):
        return type(value)([_mapped(v, convert) for v in value])
    if isinstance(value, tuple):  # a named one
        return type(value)(*[_mapped(v, convert) for v in value])
    return value


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


def _device_type(values: Iterable[Any]) -> str:
    """Of the first tensor; empty where there is none."""
    first = next(_tensors(values), None)
    return "" if first is None else first.device.type
