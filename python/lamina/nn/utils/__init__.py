"""Helpers around modules and parameters."""

from lamina.nn.utils import rnn
from lamina.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from lamina.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from lamina.nn.utils.penalty import elastic_net_penalty, l1_penalty, l2_penalty, max_norm_

__all__ = [
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "elastic_net_penalty",
    "get_total_norm",
    "l1_penalty",
    "l2_penalty",
    "max_norm_",
    "parameters_to_vector",
    "rnn",
    "vector_to_parameters",
]
