"""Boxes, regions of interest and anchors, with the names of torchvision.ops."""

from lamina.vision.ops.anchors import *  # noqa: F403
from lamina.vision.ops.box_coder import *  # noqa: F403
from lamina.vision.ops.boxes import *  # noqa: F403
from lamina.vision.ops.iou import *  # noqa: F403
from lamina.vision.ops.pyramid import *  # noqa: F403
from lamina.vision.ops.roi import *  # noqa: F403
from lamina.vision.ops.suppress import *  # noqa: F403
