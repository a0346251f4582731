"""Images of any size into one batch, and detections back to their pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lamina
from lamina import nn
from lamina.nn import functional as F
from lamina.tensor import Tensor
from lamina.vision import ops

Target = Mapping[str, Tensor]
Size = tuple[int, int]  # height, width


class DetectionTransform(nn.Module):
    """Normalises, resizes and pads images; brings boxes and masks along, and back.

    Args:
        min_size: pixels of the shorter side,
        max_size: unless the longer one would exceed this.
        image_mean: of each channel, subtracted.
        image_std: of each channel, divided by.
        size_divisible: the batch's sides are multiples of this.
    """

    def __init__(
        self,
        min_size: int = 800,
        max_size: int = 1333,
        image_mean: Sequence[float] = (0.485, 0.456, 0.406),
        image_std: Sequence[float] = (0.229, 0.224, 0.225),
        size_divisible: int = 32,
    ) -> None:
        super().__init__()
        self.min_size, self.max_size, self.size_divisible = min_size, max_size, size_divisible
        self.image_mean, self.image_std = tuple(image_mean), tuple(image_std)

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> tuple[ops.ImageList, list[Target] | None]:
        """The batch, and targets in its pixels; images are [3, H, W] with values in [0, 1]."""
        resized = [self._resized(self._normalised(image)) for image in images]
        sizes = [(image.shape[-2], image.shape[-1]) for image in resized]
        height, width = (
            -(-max(side) // self.size_divisible) * self.size_divisible for side in zip(*sizes, strict=True)
        )
        batch = lamina.stack([F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2])) for x in resized])
        if targets is None:
            return ops.ImageList(batch, sizes), None
        moved = [
            self._moved(target, (image.shape[-2], image.shape[-1]), size)
            for target, image, size in zip(targets, images, sizes, strict=True)
        ]
        return ops.ImageList(batch, sizes), moved

    def _normalised(self, image: Tensor) -> Tensor:
        if image.ndim != 3 or image.shape[0] != len(self.image_mean):
            raise ValueError(
                f"[DetectionTransform] expected images of shape ({len(self.image_mean)}, H, W), "
                f"got {tuple(image.shape)}"
            )
        mean, std = (image.new_tensor(v)[:, None, None] for v in (self.image_mean, self.image_std))
        return (image - mean) / std

    def _resized(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        scale = min(self.min_size / min(height, width), self.max_size / max(height, width))
        size = (int(height * scale), int(width * scale))
        return F.interpolate(image[None], size=size, mode="bilinear", align_corners=False)[0]

    def _moved(self, target: Target, before: Size, after: Size) -> Target:
        moved = dict(target)
        moved["boxes"] = _scaled(target["boxes"], before, after)
        masks = target["masks"].float()
        moved["masks"] = F.interpolate(masks[:, None], size=after, mode="nearest")[:, 0]
        return moved

    def postprocess(
        self, results: Sequence[dict[str, Tensor]], sizes: Sequence[Size], original: Sequence[Size]
    ) -> list[dict[str, Tensor]]:
        """Detections in the pixels of the images as they came, masks [d, 1, H, W] in place."""
        moved = []
        for result, size, before in zip(results, sizes, original, strict=True):
            boxes = _scaled(result["boxes"], size, before)
            moved.append({**result, "boxes": boxes, "masks": paste_masks(result["masks"], boxes, before)})
        return moved


def _scaled(boxes: Tensor, before: Size, after: Size) -> Tensor:
    down, across = after[0] / before[0], after[1] / before[1]
    return boxes * boxes.new_tensor([across, down, across, down])


def paste_masks(masks: Tensor, boxes: Tensor, size: Size) -> Tensor:
    """Masks of boxes, each stretched to its box in an image of zeros.

    Args:
        masks: [d, 1, M, M].
        boxes: [d, 4], in pixels of the image.
        size: (height, width) of the image.

    Returns:
        [d, 1, height, width].

    Example:
        >>> mask = lamina.models.detection.paste_masks(
        ...     lamina.ones(1, 1, 2, 2), lamina.tensor([[1.0, 1.0, 3.0, 3.0]]), (5, 5)
        ... )
        >>> (mask[0, 0] > 0.5).int().tolist()[2]
        [0, 1, 1, 1, 0]
    """
    height, width = size
    result = masks.new_zeros((len(masks), 1, height, width))
    side = masks.shape[-1]
    padded = F.pad(masks, (1, 1, 1, 1))  # so that interpolation fades out at the border
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * ((side + 2) / side)
    corners = lamina.cat([middle - half, middle + half], 1).long().tolist()
    for i, (left, top, right, bottom) in enumerate(corners):
        extent = (max(bottom - top + 1, 1), max(right - left + 1, 1))
        mask = F.interpolate(padded[i : i + 1], size=extent, mode="bilinear", align_corners=False)[0, 0]
        rows, columns = (max(top, 0), min(bottom + 1, height)), (max(left, 0), min(right + 1, width))
        if rows[0] < rows[1] and columns[0] < columns[1]:
            piece = mask[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left]
            result[i, 0, rows[0] : rows[1], columns[0] : columns[1]] = piece
    return result
