"""Modules, one file a family."""

from lamina.nn.modules.activation import *  # noqa: F403
from lamina.nn.modules.batch_norm import *  # noqa: F403
from lamina.nn.modules.container import *  # noqa: F403
from lamina.nn.modules.conv import *  # noqa: F403
from lamina.nn.modules.conv_transpose import *  # noqa: F403
from lamina.nn.modules.dropout import *  # noqa: F403
from lamina.nn.modules.embedding import *  # noqa: F403
from lamina.nn.modules.group_norm import *  # noqa: F403
from lamina.nn.modules.instance_norm import *  # noqa: F403
from lamina.nn.modules.layer_norm import *  # noqa: F403
from lamina.nn.modules.fractional_pool import *  # noqa: F403
from lamina.nn.modules.linear import *  # noqa: F403
from lamina.nn.modules.local_response_norm import *  # noqa: F403
from lamina.nn.modules.loss import *  # noqa: F403
from lamina.nn.modules.lp_pool import *  # noqa: F403
from lamina.nn.modules.loss_binary import *  # noqa: F403
from lamina.nn.modules.loss_ctc import *  # noqa: F403
from lamina.nn.modules.loss_embedding import *  # noqa: F403
from lamina.nn.modules.loss_margin import *  # noqa: F403
from lamina.nn.modules.loss_regression import *  # noqa: F403
from lamina.nn.modules.module import *  # noqa: F403
from lamina.nn.modules.pool import *  # noqa: F403
from lamina.nn.modules.unfold import *  # noqa: F403
from lamina.nn.modules.unpool import *  # noqa: F403
