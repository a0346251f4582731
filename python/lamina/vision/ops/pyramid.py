"""RoIAlign over the levels of a feature pyramid."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lamina.nn.modules.module import Module
from lamina.ops.gather import index_copy
from lamina.ops.join import cat
from lamina.ops.unary import floor, log2
from lamina.tensor import Tensor
from lamina.vision.ops.boxes import box_area
from lamina.vision.ops.roi import roi_align

__all__ = ["MultiScaleRoIAlign"]


class MultiScaleRoIAlign(Module):
    """:func:`roi_align` on the level that suits each box's size (Lin et al., arXiv:1612.03144, equation 1).

    Args:
        featmap_names: the levels to use, the finest first.
        output_size: the bins, down and across.
        sampling_ratio: samples a bin along each axis.
        canonical_scale: the side of a box that belongs to ``canonical_level``.
        canonical_level: see there.

    Example:
        >>> pooler = lamina.vision.ops.MultiScaleRoIAlign(["a", "b"], 3, 2)
        >>> maps = {"a": lamina.ones(1, 5, 16, 16), "b": lamina.ones(1, 5, 8, 8)}
        >>> pooler(maps, [lamina.tensor([[0.0, 0.0, 20.0, 30.0]])], [(64, 64)]).shape
        lamina.Size([1, 5, 3, 3])
    """

    def __init__(
        self,
        featmap_names: Sequence[str],
        output_size: int | Sequence[int],
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names = list(featmap_names)
        self.output_size = (output_size,) * 2 if isinstance(output_size, int) else tuple(output_size)
        self.sampling_ratio = sampling_ratio
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level

    def forward(
        self, x: dict[str, Tensor], boxes: Sequence[Tensor], image_shapes: Sequence[tuple[int, int]]
    ) -> Tensor:
        """The pooled boxes of all images, (K, C, *output_size).

        Args:
            x: the feature maps by name, (N, C, H, W) each.
            boxes: for each image (k, 4), in pixels of the image.
            image_shapes: the (height, width) of the images.
        """
        maps = [x[name] for name in self.featmap_names if name in x]
        if not maps:
            raise ValueError(f"[MultiScaleRoIAlign] expected maps named {self.featmap_names}, got {list(x)}")
        scales = [self._scale(m, image_shapes) for m in maps]
        rois = cat([cat([b.new_full((len(b), 1), float(i)), b], 1) for i, b in enumerate(boxes)])
        if len(maps) == 1:
            return roi_align(maps[0], rois, self.output_size, scales[0], self.sampling_ratio)
        levels = self._levels(rois[:, 1:], -round(math.log2(scales[0])), -round(math.log2(scales[-1])))
        result = maps[0].new_zeros(len(rois), maps[0].shape[1], *self.output_size)
        for level, (features, scale) in enumerate(zip(maps, scales, strict=True)):
            chosen = (levels == level).nonzero().flatten()
            pooled = roi_align(features, rois[chosen], self.output_size, scale, self.sampling_ratio)
            result = index_copy(result, 0, chosen, pooled)
        return result

    def _scale(self, features: Tensor, image_shapes: Sequence[tuple[int, int]]) -> float:
        """The power of two nearest to pixels of the map a pixel of the image."""
        height = max(shape[0] for shape in image_shapes)
        return float(2 ** round(math.log2(features.shape[-2] / height)))

    def _levels(self, boxes: Tensor, finest: int, coarsest: int) -> Tensor:
        """Which map each box takes, counted from the finest."""
        side = box_area(boxes).sqrt()
        level = floor(log2(side / self.canonical_scale) + self.canonical_level + 1e-6)
        return (level.clamp(finest, coarsest) - finest).long()

    def extra_repr(self) -> str:
        return (
            f"featmap_names={self.featmap_names}, output_size={self.output_size}, "
            f"sampling_ratio={self.sampling_ratio}"
        )
