"""Detection and instance segmentation: Mask R-CNN, with the names of torchvision's parameters."""

from .backbone import FeaturePyramid, FrozenBatchNorm2d, ResNetFPN
from .mask_rcnn import MaskRCNN, mask_rcnn, maskrcnn_resnet50_fpn
from .roi_heads import RoIHeads
from .rpn import RegionProposalNetwork, RPNHead
from .transform import DetectionTransform, paste_masks

__all__ = [
    "DetectionTransform",
    "FeaturePyramid",
    "FrozenBatchNorm2d",
    "MaskRCNN",
    "RPNHead",
    "RegionProposalNetwork",
    "ResNetFPN",
    "RoIHeads",
    "mask_rcnn",
    "maskrcnn_resnet50_fpn",
    "paste_masks",
]
