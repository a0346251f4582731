"""Modules, one file a family."""

from lamina.nn.modules.activation import *  # noqa: F403
from lamina.nn.modules.attention import *  # noqa: F403
from lamina.nn.modules.batchnorm import *  # noqa: F403
from lamina.nn.modules.container import *  # noqa: F403
from lamina.nn.modules.conv import *  # noqa: F403
from lamina.nn.modules.distance import *  # noqa: F403
from lamina.nn.modules.dropout import *  # noqa: F403
from lamina.nn.modules.embedding import *  # noqa: F403
from lamina.nn.modules.linear import *  # noqa: F403
from lamina.nn.modules.loss import *  # noqa: F403
from lamina.nn.modules.module import *  # noqa: F403
from lamina.nn.modules.padding import *  # noqa: F403
from lamina.nn.modules.pool import *  # noqa: F403
from lamina.nn.modules.rnn import *  # noqa: F403
from lamina.nn.modules.shrink import *  # noqa: F403
from lamina.nn.modules.shuffle import *  # noqa: F403
from lamina.nn.modules.softmax import *  # noqa: F403
from lamina.nn.modules.upsampling import *  # noqa: F403
