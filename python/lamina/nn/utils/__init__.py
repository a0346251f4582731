"""Helpers around modules and parameters."""

from lamina.nn.utils import rnn
from lamina.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_
from lamina.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters

__all__ = ["clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "rnn", "vector_to_parameters"]
