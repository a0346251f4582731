"""The functions of torch.nn.functional, one file a family."""

from lamina.nn.functional.activation import *  # noqa: F403
from lamina.nn.functional.attention import *  # noqa: F403
from lamina.nn.functional.batch_norm import *  # noqa: F403
from lamina.nn.functional.conv import *  # noqa: F403
from lamina.nn.functional.conv_transpose import *  # noqa: F403
from lamina.nn.functional.distance import *  # noqa: F403
from lamina.nn.functional.dropout import *  # noqa: F403
from lamina.nn.functional.embedding import *  # noqa: F403
from lamina.nn.functional.embedding_bag import *  # noqa: F403
from lamina.nn.functional.fractional_pool import *  # noqa: F403
from lamina.nn.functional.grid_sample import *  # noqa: F403
from lamina.nn.functional.group_norm import *  # noqa: F403
from lamina.nn.functional.interpolate import *  # noqa: F403
from lamina.nn.functional.layer_norm import *  # noqa: F403
from lamina.nn.functional.linear import *  # noqa: F403
from lamina.nn.functional.local_response_norm import *  # noqa: F403
from lamina.nn.functional.loss import *  # noqa: F403
from lamina.nn.functional.loss_binary import *  # noqa: F403
from lamina.nn.functional.loss_ctc import *  # noqa: F403
from lamina.nn.functional.loss_embedding import *  # noqa: F403
from lamina.nn.functional.loss_margin import *  # noqa: F403
from lamina.nn.functional.loss_regression import *  # noqa: F403
from lamina.nn.functional.lp_pool import *  # noqa: F403
from lamina.nn.functional.multi_head_attention import *  # noqa: F403
from lamina.nn.functional.pad import *  # noqa: F403
from lamina.nn.functional.pool import *  # noqa: F403
from lamina.nn.functional.rectifier import *  # noqa: F403
from lamina.nn.functional.rnn import *  # noqa: F403
from lamina.nn.functional.rnn_cell import *  # noqa: F403
from lamina.nn.functional.shrink import *  # noqa: F403
from lamina.nn.functional.shuffle import *  # noqa: F403
from lamina.nn.functional.unfold import *  # noqa: F403
from lamina.nn.functional.unpool import *  # noqa: F403
from lamina.ops.softmax import log_softmax as log_softmax
from lamina.ops.softmax import softmax as softmax
from lamina.ops.softmax import softmin as softmin
