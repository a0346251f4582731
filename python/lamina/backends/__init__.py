"""Settings of how ops are computed, as ``torch.backends`` has them."""

from lamina.backends import conv as conv
