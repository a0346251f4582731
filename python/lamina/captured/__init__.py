"""Captured steps: what runs a step and records it, what a recording holds, what its replays compare and leave."""

from __future__ import annotations

from lamina.captured.function import CapturedFunction, capture

__all__ = ["CapturedFunction", "capture"]
