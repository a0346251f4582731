"""Settings of how ops are computed, as ``torch.backends`` has them."""

from lamina.backends import conv as conv
from lamina.backends import cuda as cuda
from lamina.backends.cuda import cudnn as cudnn
