"""Mask R-CNN: He, Gkioxari, Dollár & Girshick, "Mask R-CNN", 2017 (arXiv:1703.06870)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina import nn
from lamina.tensor import Tensor
from lamina.vision import ops

from ..resnet import resnet50
from .backbone import FrozenBatchNorm2d, ResNetFPN
from .roi_heads import BoxHead, BoxPredictor, MaskHead, MaskPredictor, RoIHeads
from .rpn import RegionProposalNetwork, RPNHead
from .transform import DetectionTransform

Target = Mapping[str, Tensor]
LEVELS = ("0", "1", "2", "3")  # of the pyramid; proposals use "pool" too


class MaskRCNN(nn.Module):
    """Finds objects, their boxes and their masks; made of parts, by :func:`mask_rcnn` in the usual way.

    Args:
        backbone: images [N, 3, H, W] -> maps by name.
        rpn: proposes boxes.
        roi_heads: tells what they hold.
        transform: brings images to one size, and detections back.
    """

    def __init__(
        self,
        backbone: nn.Module,
        rpn: RegionProposalNetwork,
        roi_heads: RoIHeads,
        transform: DetectionTransform,
    ) -> None:
        super().__init__()
        self.transform, self.backbone, self.rpn, self.roi_heads = transform, backbone, rpn, roi_heads

    def forward(
        self, images: Sequence[Tensor], targets: Sequence[Target] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        """
        Args:
            images: [3, H, W] each, of any sizes, values in [0, 1].
            targets: in training a dict an image: ``boxes`` [k, 4] (x1, y1, x2, y2), ``labels`` [k] from 1 on, ``masks``
                [k, H, W] of zeros and ones.

        Returns:
            In training the five losses by name; in evaluation a dict an image: ``boxes`` [d, 4], ``labels`` [d],
            ``scores`` [d], the best first, and ``masks`` [d, 1, H, W] of probabilities.

        Raises:
            ValueError: for training without targets, or a box without area.
        """
        if self.training:
            _check(images, targets)
        batch, moved = self.transform(images, targets if self.training else None)
        features = self.backbone(batch.tensors)
        proposals, losses = self.rpn(batch, features, moved)
        results, more = self.roi_heads(features, proposals, batch.image_sizes, moved)
        if self.training:
            return {**losses, **more}
        original = [(image.shape[-2], image.shape[-1]) for image in images]
        return self.transform.postprocess(results, batch.image_sizes, original)


def _check(images: Sequence[Tensor], targets: Sequence[Target] | None) -> None:
    if targets is None or len(targets) != len(images):
        given = "none" if targets is None else len(targets)
        raise ValueError(f"[MaskRCNN] expected a target for each of {len(images)} images, got {given}")
    for i, target in enumerate(targets):
        boxes = target["boxes"]
        if boxes.ndim != 2 or boxes.shape[1] != 4 or (boxes[:, 2:] <= boxes[:, :2]).any():
            raise ValueError(
                f"[MaskRCNN] expected boxes [k, 4] with x1 < x2 and y1 < y2, target {i} has {boxes.tolist()}"
            )


def mask_rcnn(
    backbone: ResNetFPN,
    num_classes: int = 91,
    min_size: int = 800,
    max_size: int = 1333,
    anchor_sizes: Sequence[int] = (32, 64, 128, 256, 512),
    hidden: int = 1024,
    mask_layers: Sequence[int] = (256, 256, 256, 256),
    rpn_options: Mapping[str, Any] | None = None,
    box_options: Mapping[str, Any] | None = None,
) -> MaskRCNN:
    """Mask R-CNN on a feature pyramid.

    Args:
        backbone: see :class:`ResNetFPN`.
        num_classes: with the background, class 0.
        min_size, max_size: see :class:`DetectionTransform`.
        anchor_sizes: sides of the anchors on each level, "pool" the last.
        hidden: units of the box head.
        mask_layers: channels of the mask head's convolutions.
        rpn_options: for :class:`RegionProposalNetwork`.
        box_options: for :class:`RoIHeads`.

    Example:
        >>> from lamina.models import detection
        >>> resnet = lamina.models.resnet18(norm_layer=detection.FrozenBatchNorm2d)
        >>> backbone = detection.ResNetFPN(resnet, out_channels=16)
        >>> model = detection.mask_rcnn(backbone, 3, min_size=64, hidden=32, mask_layers=(8,)).eval()
        >>> sorted(model([lamina.rand(3, 48, 64)])[0])
        ['boxes', 'labels', 'masks', 'scores']
    """
    channels = backbone.out_channels
    ratios = (0.5, 1.0, 2.0)
    anchors = ops.AnchorGenerator([(size,) for size in anchor_sizes], [ratios] * len(anchor_sizes))
    box_pool = ops.MultiScaleRoIAlign(LEVELS, output_size=7, sampling_ratio=2)
    mask_pool = ops.MultiScaleRoIAlign(LEVELS, output_size=14, sampling_ratio=2)
    heads = RoIHeads(
        box_pool,
        BoxHead(channels * 7 * 7, hidden),
        BoxPredictor(hidden, num_classes),
        mask_pool,
        MaskHead(channels, mask_layers),
        MaskPredictor(mask_layers[-1], mask_layers[-1], num_classes),
        **(box_options or {}),
    )
    rpn = RegionProposalNetwork(anchors, RPNHead(channels, len(ratios)), **(rpn_options or {}))
    return MaskRCNN(backbone, rpn, heads, DetectionTransform(min_size, max_size))


def maskrcnn_resnet50_fpn(num_classes: int = 91, trainable_layers: int = 5, **options: Any) -> MaskRCNN:
    """Mask R-CNN on ResNet-50; options as :func:`mask_rcnn`."""
    resnet = resnet50(norm_layer=FrozenBatchNorm2d)
    return mask_rcnn(ResNetFPN(resnet, 256, trainable_layers), num_classes, **options)
