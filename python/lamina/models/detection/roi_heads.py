"""What is in a proposed box: its class, its exact corners and the object's mask (He et al., arXiv:1703.06870)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lamina
from lamina import nn
from lamina.nn import functional as F
from lamina.tensor import Tensor
from lamina.vision import ops

from .matching import match, sample

Target = Mapping[str, Tensor]
Sizes = Sequence[tuple[int, int]]


class BoxHead(nn.Module):
    """Two linear layers on a pooled box; x [K, C, h, w] -> [K, hidden]."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.fc6, self.fc7 = nn.Linear(features, hidden), nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(1)))))


class BoxPredictor(nn.Module):
    """Scores [K, classes] and offsets [K, 4 classes], four for each class."""

    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(features, num_classes)
        self.bbox_pred = nn.Linear(features, num_classes * 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x), self.bbox_pred(x)


class MaskHead(nn.Sequential):
    """3×3 convolutions on a pooled box; x [K, C, 14, 14] -> [K, layers[-1], 14, 14]."""

    def __init__(self, in_channels: int, layers: Sequence[int]) -> None:
        rows = []
        for before, width in zip((in_channels, *layers[:-1]), layers, strict=True):
            rows.append(nn.Sequential(nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)))
        super().__init__(*rows)
        _initialise(self)


class MaskPredictor(nn.Module):
    """A mask of twice the resolution for each class; x [K, C, 14, 14] -> [K, classes, 28, 28]."""

    def __init__(self, in_channels: int, hidden: int, num_classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(in_channels, hidden, 2, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.mask_fcn_logits = nn.Conv2d(hidden, num_classes, 1)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.mask_fcn_logits(self.relu(self.conv5_mask(x)))


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.get_parameter("bias"))


class RoIHeads(nn.Module):
    """Classes, boxes and masks of proposals; in training their losses.

    Args:
        box_roi_pool, box_head, box_predictor: for classes and boxes.
        mask_roi_pool, mask_head, mask_predictor: for masks.
        fg_iou_thresh: a proposal that overlaps a true box so much is that object, others are background.
        batch_size_per_image: proposals that a step learns from.
        positive_fraction: how many of them may be objects.
        bbox_reg_weights: of the offsets; see :class:`lamina.vision.ops.BoxCoder`.
        score_thresh: the least score of a detection.
        nms_thresh: the overlap from which the lower score of a class is dropped.
        detections_per_img: how many detections at most.
    """

    def __init__(
        self,
        box_roi_pool: ops.MultiScaleRoIAlign,
        box_head: nn.Module,
        box_predictor: nn.Module,
        mask_roi_pool: ops.MultiScaleRoIAlign,
        mask_head: nn.Module,
        mask_predictor: nn.Module,
        fg_iou_thresh: float = 0.5,
        batch_size_per_image: int = 512,
        positive_fraction: float = 0.25,
        bbox_reg_weights: Sequence[float] = (10.0, 10.0, 5.0, 5.0),
        score_thresh: float = 0.05,
        nms_thresh: float = 0.5,
        detections_per_img: int = 100,
    ) -> None:
        super().__init__()
        self.box_roi_pool, self.box_head, self.box_predictor = box_roi_pool, box_head, box_predictor
        self.mask_roi_pool, self.mask_head, self.mask_predictor = mask_roi_pool, mask_head, mask_predictor
        self.coder = ops.BoxCoder(bbox_reg_weights)
        self.fg_iou_thresh = fg_iou_thresh
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction
        self.score_thresh, self.nms_thresh = score_thresh, nms_thresh
        self.detections_per_img = detections_per_img

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: Sequence[Tensor],
        image_sizes: Sizes,
        targets: Sequence[Target] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """
        Args:
            features: maps by name.
            proposals: [p, 4] of each image.
            image_sizes: (height, width) of each image.
            targets: a dict an image with ``boxes`` [k, 4], ``labels`` [k] and ``masks`` [k, H, W]; in training.

        Returns:
            In evaluation a dict an image with ``boxes``, ``labels``, ``scores`` and ``masks`` [d, 1, 28, 28], in
            training the losses.
        """
        if targets is not None:
            return [], self._losses(features, proposals, image_sizes, targets)
        scores, offsets = self._boxes(features, proposals, image_sizes)
        counts = [len(p) for p in proposals]
        pieces = zip(scores.split(counts), offsets.split(counts), proposals, image_sizes, strict=True)
        results = [self._detect(*piece) for piece in pieces]
        boxes = [result["boxes"] for result in results]
        labels = lamina.cat([result["labels"] for result in results])
        masks = self._masks(features, boxes, image_sizes, labels).sigmoid()
        for result, mask in zip(results, masks.unsqueeze(1).split([len(b) for b in boxes]), strict=True):
            result["masks"] = mask
        return results, {}

    def _boxes(
        self, features: dict[str, Tensor], boxes: Sequence[Tensor], sizes: Sizes
    ) -> tuple[Tensor, Tensor]:
        return self.box_predictor(self.box_head(self.box_roi_pool(features, boxes, sizes)))

    def _masks(
        self, features: dict[str, Tensor], boxes: Sequence[Tensor], sizes: Sizes, labels: Tensor
    ) -> Tensor:
        """Scores [K, 28, 28] of the mask of each box's class."""
        masks: Tensor = self.mask_predictor(self.mask_head(self.mask_roi_pool(features, boxes, sizes)))
        return masks[lamina.arange(len(labels), device=labels.device), labels]

    def _losses(
        self,
        features: dict[str, Tensor],
        proposals: Sequence[Tensor],
        sizes: Sizes,
        targets: Sequence[Target],
    ) -> dict[str, Tensor]:
        chosen: list[Tensor] = []  # sampled boxes of each image, objects first
        labels: list[Tensor] = []
        objects: list[Tensor] = []
        wanted: list[Tensor] = []
        masks: list[Tensor] = []
        size = 2 * self.mask_roi_pool.output_size[0]
        for boxes, target in zip(proposals, targets, strict=True):
            boxes = lamina.cat([boxes, target["boxes"]])  # so that there are good ones from the first step on
            matched = match(ops.box_iou(target["boxes"], boxes), self.fg_iou_thresh, self.fg_iou_thresh)
            positive, negative = sample(
                (matched >= 0).long(), self.batch_size_per_image, self.positive_fraction
            )
            truth = matched[positive]
            chosen.append(boxes[lamina.cat([positive, negative])])
            labels.append(lamina.cat([target["labels"][truth], lamina.zeros_like(negative)]))
            objects.append(boxes[positive])
            wanted.append(self.coder.encode_single(target["boxes"][truth], boxes[positive]))
            rois = lamina.cat([truth.to(boxes.dtype).unsqueeze(1), boxes[positive]], 1)
            masks.append(ops.roi_align(target["masks"].to(boxes.dtype).unsqueeze(1), rois, size)[:, 0])
        scores, offsets = self._boxes(features, chosen, sizes)
        every = lamina.cat(labels)
        at = (every > 0).nonzero().flatten()
        classes = every[at]
        errors = offsets.reshape(len(every), -1, 4)[at, classes]
        box_loss = F.smooth_l1_loss(errors, lamina.cat(wanted), beta=1 / 9, reduction="sum")
        found = self._masks(features, objects, sizes, classes)
        mask_loss = F.binary_cross_entropy_with_logits(found, lamina.cat(masks), reduction="sum")
        return {
            "loss_classifier": F.cross_entropy(scores, every),
            "loss_box_reg": box_loss / len(every),
            "loss_mask": mask_loss / max(1, found.numel()),
        }

    def _detect(
        self, scores: Tensor, offsets: Tensor, proposals: Tensor, size: tuple[int, int]
    ) -> dict[str, Tensor]:
        """The detections of an image: every class of every proposal competes."""
        classes = scores.shape[1]
        boxes = self.coder.decode_single(offsets, proposals).reshape(-1, 4)
        boxes = ops.clip_boxes_to_image(boxes, size).reshape(-1, classes, 4)[:, 1:].reshape(-1, 4)
        likely = scores.softmax(1)[:, 1:].flatten()  # without the background
        labels = lamina.arange(1, classes, device=scores.device).expand(len(proposals), -1).flatten()
        kept = (likely > self.score_thresh).nonzero().flatten()
        boxes, likely, labels = boxes[kept], likely[kept], labels[kept]
        kept = ops.remove_small_boxes(boxes, 1e-2)
        boxes, likely, labels = boxes[kept], likely[kept], labels[kept]
        kept = ops.batched_nms(boxes, likely, labels, self.nms_thresh)[: self.detections_per_img]
        return {"boxes": boxes[kept], "labels": labels[kept], "scores": likely[kept]}
