"""Distributions with parameters, as in ``torch.distributions``: draws, log probabilities, divergences."""

from lamina.distributions import constraints, utils
from lamina.distributions.bernoulli import Bernoulli
from lamina.distributions.categorical import Categorical
from lamina.distributions.distribution import Distribution
from lamina.distributions.independent import Independent
from lamina.distributions.kl import kl_divergence, register_kl
from lamina.distributions.normal import Normal
from lamina.distributions.uniform import Uniform

__all__ = [
    "Bernoulli",
    "Categorical",
    "Distribution",
    "Independent",
    "Normal",
    "Uniform",
    "constraints",
    "kl_divergence",
    "register_kl",
    "utils",
]
