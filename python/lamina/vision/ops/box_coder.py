"""Boxes as offsets from others: what detectors regress."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.ops.join import stack
from lamina.ops.unary import exp, log
from lamina.tensor import Tensor
from lamina.vision.ops.boxes import box_convert

__all__ = ["BoxCoder"]


class BoxCoder:
    """Offsets (dx, dy, dw, dh) of boxes from proposals, scaled by weights (Ren et al., arXiv:1506.01497).

    Args:
        weights: the factors of the four offsets.
        bbox_xform_clip: the greatest dw and dh, before the exponential, that decoding heeds.

    Example:
        >>> coder = lamina.vision.ops.BoxCoder((1.0, 1.0, 1.0, 1.0))
        >>> proposal = lamina.tensor([[0.0, 0.0, 10.0, 10.0]])
        >>> coder.encode_single(lamina.tensor([[5.0, 0.0, 15.0, 10.0]]), proposal)
        tensor([[0.5000, 0.0000, 0.0000, 0.0000]])
    """

    def __init__(self, weights: Sequence[float], bbox_xform_clip: float = math.log(1000 / 16)) -> None:
        if len(weights) != 4:
            raise ValueError(f"[BoxCoder] expected 4 weights, got {tuple(weights)}")
        self.weights, self.bbox_xform_clip = tuple(weights), bbox_xform_clip

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """The offsets (n, 4) of boxes (n, 4) from proposals (n, 4)."""
        x, y, w, h = box_convert(reference_boxes, "xyxy", "cxcywh").unbind(-1)
        px, py, pw, ph = box_convert(proposals, "xyxy", "cxcywh").unbind(-1)
        offsets = ((x - px) / pw, (y - py) / ph, log(w / pw), log(h / ph))
        return stack([offset * weight for offset, weight in zip(offsets, self.weights, strict=True)], 1)

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """The boxes (n, 4 k) that k sets of offsets (n, 4 k) make of boxes (n, 4)."""
        n, width = rel_codes.shape
        x, y, w, h = (
            v.unsqueeze(1) for v in box_convert(boxes, "xyxy", "cxcywh").to(rel_codes.dtype).unbind(-1)
        )
        codes = rel_codes.reshape(n, width // 4, 4).unbind(-1)
        dx, dy, dw, dh = (code / weight for code, weight in zip(codes, self.weights, strict=True))
        dw, dh = dw.clamp(max=self.bbox_xform_clip), dh.clamp(max=self.bbox_xform_clip)
        decoded = stack([x + dx * w, y + dy * h, exp(dw) * w, exp(dh) * h], -1)
        return box_convert(decoded, "cxcywh", "xyxy").reshape(n, width)
