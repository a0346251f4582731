"""Anchors: the boxes, at every place of feature maps, that a detector corrects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lamina import dtypes
from lamina.dtypes import dtype
from lamina.nn.modules.module import Module
from lamina.ops.creation import tensor
from lamina.ops.join import cat, stack
from lamina.ops.ranges import arange
from lamina.tensor import Tensor

__all__ = ["AnchorGenerator", "ImageList"]


class ImageList(NamedTuple):
    """Images of different sizes, padded to one.

    Attributes:
        tensors: (N, C, H, W).
        image_sizes: the (height, width) of each before padding.
    """

    tensors: Tensor
    image_sizes: list[tuple[int, int]]


class AnchorGenerator(Module):
    """Anchors of several sizes and shapes at every place of feature maps (Ren et al., arXiv:1506.01497).

    Args:
        sizes: for each feature map the sides, in pixels of the image, of its square anchors.
        aspect_ratios: for each feature map the heights over widths; the areas are those of the squares.

    Example:
        >>> anchors = lamina.vision.ops.AnchorGenerator(((8,),), ((1.0,),))
        >>> images = lamina.vision.ops.ImageList(lamina.zeros(1, 3, 16, 16), [(16, 16)])
        >>> anchors(images, [lamina.zeros(1, 4, 2, 1)])[0]
        tensor([[-4., -4.,  4.,  4.],
                [-4.,  4.,  4., 12.]])
    """

    def __init__(
        self,
        sizes: Sequence[Sequence[float]] = ((128, 256, 512),),
        aspect_ratios: Sequence[Sequence[float]] = ((0.5, 1.0, 2.0),),
    ) -> None:
        super().__init__()
        if len(sizes) != len(aspect_ratios):
            raise ValueError(
                "[AnchorGenerator] expected sizes and aspect_ratios for the same number of feature maps, "
                f"got {len(sizes)} and {len(aspect_ratios)}"
            )
        self.sizes, self.aspect_ratios = tuple(map(tuple, sizes)), tuple(map(tuple, aspect_ratios))

    def num_anchors_per_location(self) -> list[int]:
        """How many anchors each place of each feature map has."""
        return [len(s) * len(a) for s, a in zip(self.sizes, self.aspect_ratios, strict=True)]

    def generate_anchors(
        self, scales: Sequence[float], aspect_ratios: Sequence[float], dtype: dtype = dtypes.float32
    ) -> Tensor:
        """The anchors around (0, 0): (aspect ratios x scales, 4), corners rounded to whole pixels."""
        side = tensor(list(scales), dtype=dtype)
        height = tensor(list(aspect_ratios), dtype=dtype).sqrt()
        width = 1 / height
        w, h = ((v.unsqueeze(1) * side.unsqueeze(0)).flatten() for v in (width, height))
        return (stack([-w, -h, w, h], 1) / 2).round()

    def grid_anchors(
        self, grid_sizes: Sequence[tuple[int, int]], strides: Sequence[tuple[int, int]]
    ) -> list[Tensor]:
        """The anchors of each feature map: (rows x columns x anchors, 4), the places in row-major order."""
        anchors = []
        settings = zip(grid_sizes, strides, self.sizes, self.aspect_ratios, strict=True)
        for (rows, columns), (down, across), scales, ratios in settings:
            x = (arange(columns) * across).expand(rows, columns).flatten()
            y = (arange(rows) * down).unsqueeze(1).expand(rows, columns).flatten()
            places = stack([x, y, x, y], 1).to(dtypes.float32)
            anchors.append((places.unsqueeze(1) + self.generate_anchors(scales, ratios)).reshape(-1, 4))
        return anchors

    def forward(self, image_list: ImageList, feature_maps: Sequence[Tensor]) -> list[Tensor]:
        """For each image the anchors of all feature maps, one after the other: (anchors, 4), where the images are."""
        if len(feature_maps) != len(self.sizes):
            raise ValueError(
                f"[AnchorGenerator] expected {len(self.sizes)} feature maps, got {len(feature_maps)}"
            )
        height, width = image_list.tensors.shape[-2:]
        sizes = [(f.shape[-2], f.shape[-1]) for f in feature_maps]
        strides = [(height // rows, width // columns) for rows, columns in sizes]
        anchors = cat(self.grid_anchors(sizes, strides)).to(image_list.tensors)
        return [anchors for _ in image_list.image_sizes]
