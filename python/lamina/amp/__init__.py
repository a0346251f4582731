"""Mixed precision: ops that choose their own dtype, and losses scaled so that 16-bit gradients do not vanish."""

from lamina.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from lamina.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
