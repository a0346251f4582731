"""The functions of the ``lamina`` namespace, one module a family; importing it attaches the methods of Tensor."""

from lamina.ops.compare import *  # noqa: F403
from lamina.ops.convert import *  # noqa: F403
from lamina.ops.count import *  # noqa: F403
from lamina.ops.creation import *  # noqa: F403
from lamina.ops.einsum import *  # noqa: F403
from lamina.ops.elementwise import *  # noqa: F403
from lamina.ops.extrema import *  # noqa: F403
from lamina.ops.gather import *  # noqa: F403
from lamina.ops.indexing import *  # noqa: F403
from lamina.ops.interchange import *  # noqa: F403
from lamina.ops.join import *  # noqa: F403
from lamina.ops.matmul import *  # noqa: F403
from lamina.ops.moments import *  # noqa: F403
from lamina.ops.power import *  # noqa: F403
from lamina.ops.printing import *  # noqa: F403
from lamina.ops.random import *  # noqa: F403
from lamina.ops.ranges import *  # noqa: F403
from lamina.ops.rearrange import *  # noqa: F403
from lamina.ops.reduce import *  # noqa: F403
from lamina.ops.select import *  # noqa: F403
from lamina.ops.shape import *  # noqa: F403
from lamina.ops.softmax import *  # noqa: F403
from lamina.ops.sort import *  # noqa: F403
from lamina.ops.split import *  # noqa: F403
from lamina.ops.strided import *  # noqa: F403
from lamina.ops.unary import *  # noqa: F403
