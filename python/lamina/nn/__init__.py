"""Layers, networks and what they are made of, with torch.nn's names and meaning."""

from lamina.nn import functional, fusion, init, utils
from lamina.nn.modules import *  # noqa: F403
from lamina.nn.parameter import Buffer, Parameter
