"""Initialisation of parameters, in place."""

from lamina.nn.init.lsuv import *  # noqa: F403
from lamina.nn.init.orthogonal import *  # noqa: F403
from lamina.nn.init.plain import *  # noqa: F403
from lamina.nn.init.scaled import *  # noqa: F403
from lamina.nn.init.truncated import *  # noqa: F403
