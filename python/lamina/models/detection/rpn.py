"""Region proposals: Ren et al., "Faster R-CNN: towards real-time object detection with region proposal networks", 2015
(arXiv:1506.01497)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lamina
from lamina import nn
from lamina.nn import functional as F
from lamina.tensor import Tensor
from lamina.vision import ops

from .matching import BELOW, match, sample

Target = Mapping[str, Tensor]


class RPNHead(nn.Module):
    """For each anchor at each place a score and four offsets, by one 3×3 convolution that all levels share.

    Args:
        in_channels: of the maps.
        num_anchors: at each place.
    """

    def __init__(self, in_channels: int, num_anchors: int) -> None:
        super().__init__()
        first = nn.Sequential(nn.Conv2d(in_channels, in_channels, 3, padding=1), nn.ReLU(inplace=True))
        self.conv = nn.Sequential(first)
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, 1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.get_parameter("bias"))

    def forward(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Scores [N, anchors] and offsets [N, anchors, 4] of each level, in the order of the anchors."""
        scores, offsets = [], []
        for x in maps:
            x = self.conv(x)
            n = x.shape[0]
            scores.append(self.cls_logits(x).permute(0, 2, 3, 1).reshape(n, -1))
            offsets.append(self.bbox_pred(x).permute(0, 2, 3, 1).reshape(n, -1, 4))
        return scores, offsets


class RegionProposalNetwork(nn.Module):
    """Boxes that may hold an object, and in training the losses of their scores and offsets.

    Args:
        anchor_generator: see :class:`lamina.vision.ops.AnchorGenerator`.
        head: see :class:`RPNHead`.
        fg_iou_thresh: an anchor that overlaps a true box so much is positive.
        bg_iou_thresh: one that overlaps none so much is negative.
        batch_size_per_image: anchors that a step learns from.
        positive_fraction: how many of them may be positive.
        pre_nms_top_n: proposals of a level before suppression, in training and in evaluation.
        post_nms_top_n: proposals of an image after it, likewise.
        nms_thresh: the overlap from which the lower score is dropped.
    """

    def __init__(
        self,
        anchor_generator: ops.AnchorGenerator,
        head: RPNHead,
        fg_iou_thresh: float = 0.7,
        bg_iou_thresh: float = 0.3,
        batch_size_per_image: int = 256,
        positive_fraction: float = 0.5,
        pre_nms_top_n: tuple[int, int] = (2000, 1000),
        post_nms_top_n: tuple[int, int] = (2000, 1000),
        nms_thresh: float = 0.7,
    ) -> None:
        super().__init__()
        self.anchor_generator, self.head = anchor_generator, head
        self.coder = ops.BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.fg_iou_thresh, self.bg_iou_thresh = fg_iou_thresh, bg_iou_thresh
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction
        self.pre_nms_top_n, self.post_nms_top_n, self.nms_thresh = pre_nms_top_n, post_nms_top_n, nms_thresh

    def forward(
        self, images: ops.ImageList, features: Mapping[str, Tensor], targets: Sequence[Target] | None = None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """
        Args:
            images: padded to one size.
            features: maps by name.
            targets: a dict an image with ``boxes`` [k, 4]; in training.

        Returns:
            Proposals [p, 4] of each image, and the losses (none in evaluation).
        """
        maps = list(features.values())
        anchors = self.anchor_generator(images, maps)
        scores, offsets = self.head(maps)
        counts = [s.shape[1] for s in scores]
        all_scores, all_offsets = lamina.cat(scores, 1), lamina.cat(offsets, 1)
        proposals = [
            self._propose(s, self.coder.decode_single(o, a), counts, size)
            for s, o, a, size in zip(
                all_scores.detach(), all_offsets.detach(), anchors, images.image_sizes, strict=True
            )
        ]
        if targets is None:
            return proposals, {}
        return proposals, self._losses(all_scores, all_offsets, anchors, targets)

    def _propose(self, scores: Tensor, boxes: Tensor, counts: Sequence[int], size: tuple[int, int]) -> Tensor:
        """The best boxes of an image that do not overlap; levels do not suppress each other."""
        chosen, levels, first = [], [], 0
        for i, count in enumerate(counts):
            best = scores[first : first + count].topk(min(count, self.pre_nms_top_n[not self.training]))[1]
            chosen.append(best + first)
            levels.append(lamina.full_like(best, i))
            first += count
        index, level = lamina.cat(chosen), lamina.cat(levels)
        boxes = ops.clip_boxes_to_image(boxes[index], size)
        kept = ops.remove_small_boxes(boxes, 1e-3)
        boxes, scores, level = boxes[kept], scores[index][kept], level[kept]
        kept = ops.batched_nms(boxes, scores, level, self.nms_thresh)
        return boxes[kept[: self.post_nms_top_n[not self.training]]]

    def _losses(
        self, scores: Tensor, offsets: Tensor, anchors: Sequence[Tensor], targets: Sequence[Target]
    ) -> dict[str, Tensor]:
        given: list[Tensor] = []  # scores of the sampled anchors, and whether they are positive
        truth: list[Tensor] = []
        errors: list[Tensor] = []
        for score, offset, boxes, target in zip(scores, offsets, anchors, targets, strict=True):
            true_boxes = target["boxes"]
            matched = match(
                ops.box_iou(true_boxes, boxes), self.fg_iou_thresh, self.bg_iou_thresh, keep_best=True
            )
            labels = (matched >= 0).long() - ((matched < BELOW).long())
            positive, negative = sample(labels, self.batch_size_per_image, self.positive_fraction)
            wanted = self.coder.encode_single(true_boxes[matched[positive]], boxes[positive])
            errors.append(F.smooth_l1_loss(offset[positive], wanted, beta=1 / 9, reduction="sum"))
            sampled = lamina.cat([positive, negative])
            given.append(score[sampled])
            truth.append(labels[sampled].to(score.dtype))
        logits = lamina.cat(given)
        return {
            "loss_objectness": F.binary_cross_entropy_with_logits(logits, lamina.cat(truth)),
            "loss_rpn_box_reg": lamina.stack(errors).sum() / max(1, len(logits)),
        }
