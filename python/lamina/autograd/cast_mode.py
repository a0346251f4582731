"""Whether ops choose their own dtype (:class:`lamina.autocast`): a setting of each thread."""

from __future__ import annotations

import threading
from typing import Any

from lamina.dtypes import bfloat16, dtype, float16

DEVICE_TYPES = ("cpu", "cuda")


class _Casting(threading.local):
    on = False  # whether ops look at all: somewhere enabled, and neither an op nor backward is running

    def __init__(self) -> None:
        self.enabled = dict.fromkeys(DEVICE_TYPES, False)
        self.dtypes: dict[str, dtype] = {"cpu": bfloat16, "cuda": float16}
        self.cache_enabled = True
        self.nesting = 0  # blocks that are open
        self.cache: dict[int, Any] = {}  # casts of parameters, by id: lamina.ops.cast_policy fills it


casting = _Casting()


def enable(device_type: str, enabled: bool) -> None:
    """Sets it for one type of device."""
    casting.enabled[device_type] = enabled
    casting.on = any(casting.enabled.values())
