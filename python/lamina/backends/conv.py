"""Which algorithm convolutions run by.

By itself lamina picks one by shape; :func:`lamina.explain` says which.
"""

from __future__ import annotations

from lamina.nn.functional.conv import ALGORITHMS
from lamina.nn.functional.conv import conv_algorithm as algorithm

__all__ = ["ALGORITHMS", "algorithm"]
