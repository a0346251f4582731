"""lamina: convolutional and recurrent networks on kernels of our own, with PyTorch's names and meaning."""

import importlib as _importlib
from math import e, inf, nan, pi

from lamina import autograd
from lamina.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from lamina.config import (
    empty_cache,
    get_num_threads,
    memory_stats,
    reset_peak_memory_stats,
    set_num_threads,
    show_config,
)
from lamina.devices import device
from lamina.dtypes import (
    bfloat16,
    bool,
    double,
    dtype,
    float,
    float16,
    float32,
    float64,
    half,
    int,
    int8,
    int32,
    int64,
    long,
    uint8,
)
from lamina.ops import *  # noqa: F403
from lamina.random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from lamina.size import Size
from lamina.tensor import Tensor

__version__ = "0.1.0"

newaxis = None  # in an index: a dimension of size 1, as in NumPy

# The star import brought lamina.ops.random under this name.
random = _importlib.import_module("lamina.random")

# Loaded at first use, so that `import lamina` stays quick.
_SUBMODULES = (
    "amp",
    "backends",
    "cuda",
    "data",
    "distributions",
    "io",
    "linalg",
    "models",
    "nn",
    "optim",
    "training",
    "vision",
    "viz",
)
_FUNCTIONAL = (  # what torch offers in its top namespace too
    "adaptive_avg_pool1d",
    "adaptive_max_pool1d",
    "alpha_dropout",
    "avg_pool1d",
    "batch_norm",
    "bilinear",
    "cdist",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_similarity",
    "dropout",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "group_norm",
    "gru_cell",
    "hardshrink",
    "layer_norm",
    "lstm_cell",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "native_channel_shuffle",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "rms_norm",
    "relu_",
    "rnn_relu_cell",
    "rnn_tanh_cell",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "threshold",
    "threshold_",
)
_AUTOCAST = (  # of lamina.amp
    "autocast",
    "clear_autocast_cache",
    "get_autocast_dtype",
    "is_autocast_cache_enabled",
    "is_autocast_enabled",
    "set_autocast_cache_enabled",
    "set_autocast_dtype",
    "set_autocast_enabled",
)
_FILES = ("load", "load_checkpoint", "save", "save_checkpoint")  # of lamina.io


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        return _importlib.import_module(f"lamina.{name}")
    if name == "explain":
        return _importlib.import_module("lamina.explanation").explain
    if name in _FUNCTIONAL:
        return getattr(_importlib.import_module("lamina.nn.functional"), name)
    if name in _AUTOCAST:
        return getattr(_importlib.import_module("lamina.amp.autocast_mode"), name)
    if name in _FILES:
        return getattr(_importlib.import_module("lamina.io"), name)
    if name == "capture":
        return _importlib.import_module("lamina.captured").capture
    if name == "summary":
        return getattr(_importlib.import_module("lamina._summary"), name)
    raise AttributeError(f"module 'lamina' has no attribute {name!r}")
