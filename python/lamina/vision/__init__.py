"""What detection and segmentation need beyond layers."""

from lamina.vision import ops as ops
