"""Mask R-CNN: its names and size, its parts by hand, its backbone as on torch, and that it learns to find squares."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from harness.torch_twin import check_trains_alike

import lamina
from lamina import nn
from lamina.models import BasicBlock, ResNet, detection, resnet18
from lamina.models.detection.matching import BELOW, match, sample


def small(**options):
    resnet = ResNet(BasicBlock, (1, 1, 1, 1), norm_layer=detection.FrozenBatchNorm2d)
    settings = {"min_size": 64, "max_size": 96, "anchor_sizes": (8, 16, 32, 48, 64), "hidden": 64}
    backbone = detection.ResNetFPN(resnet, out_channels=32)
    return detection.mask_rcnn(backbone, 3, **settings, mask_layers=(16,), **options)


def squares(count, generator):
    """Images with a bright (class 1) or a dark (class 2) square, and what a detector should say of them."""
    images, targets = [], []
    for _ in range(count):
        (left, top), side = generator.integers(4, 28, 2), int(generator.integers(18, 32))
        label = int(generator.integers(1, 3))
        image, mask = np.full((3, 64, 64), 0.5, "float32"), np.zeros((1, 64, 64), "uint8")
        area = (slice(None), slice(top, top + side), slice(left, left + side))
        image[area], mask[area] = 2 - label, 1
        box = np.array([[left, top, left + side, top + side]], "float32")
        images.append(lamina.from_numpy(image))
        targets.append(
            {
                "boxes": lamina.from_numpy(box),
                "labels": lamina.tensor([label]),
                "masks": lamina.from_numpy(mask),
            }
        )
    return images, targets


def test_names_and_size_are_torchvisions(monkeypatch):
    for name in dir(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, lambda tensor, *args, **options: tensor)
    model = lamina.models.maskrcnn_resnet50_fpn()
    assert sum(p.numel() for p in model.parameters()) == 44_401_393
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    expected = {
        "backbone.body.conv1.weight": (64, 3, 7, 7),
        "backbone.body.bn1.running_var": (64,),
        "backbone.body.layer4.2.conv3.weight": (2048, 512, 1, 1),
        "backbone.fpn.inner_blocks.3.0.weight": (256, 2048, 1, 1),
        "backbone.fpn.layer_blocks.0.0.bias": (256,),
        "rpn.head.conv.0.0.weight": (256, 256, 3, 3),
        "rpn.head.cls_logits.weight": (3, 256, 1, 1),
        "rpn.head.bbox_pred.bias": (12,),
        "roi_heads.box_head.fc6.weight": (1024, 12544),
        "roi_heads.box_predictor.cls_score.weight": (91, 1024),
        "roi_heads.box_predictor.bbox_pred.weight": (364, 1024),
        "roi_heads.mask_head.3.0.weight": (256, 256, 3, 3),
        "roi_heads.mask_predictor.conv5_mask.weight": (256, 256, 2, 2),
        "roi_heads.mask_predictor.mask_fcn_logits.weight": (91, 256, 1, 1),
    }
    assert {key: shapes[key] for key in expected} == expected
    assert not any("num_batches_tracked" in key or ".fc." in key for key in shapes)
    assert len(shapes) == 53 * 5 + 8 * 2 + 3 * 2 + 4 * 2 + 6 * 2  # body, pyramid, proposals, boxes, masks


def test_backbone_trains_as_the_same_source_on_torch(torch):
    def build(m, nn):
        block = sys.modules[m.ResNet.__module__].BasicBlock
        model = m.ResNetFPN(m.ResNet(block, (1, 1, 1, 1), 2, norm_layer=m.FrozenBatchNorm2d), 6)
        for buffer in model.buffers():
            nn.init.uniform_(buffer, 0.5, 1.5)
        forward = model.forward
        model.forward = lambda x: tuple(forward(x).values())
        return model

    x = np.random.default_rng(0).standard_normal((2, 3, 64, 96))
    check_trains_alike(torch, "detection.backbone", build, x)


def test_trainable_layers():
    backbone = detection.ResNetFPN(resnet18(), 8, trainable_layers=2)
    frozen = {name.split(".")[1] for name, p in backbone.named_parameters() if not p.requires_grad}
    assert frozen == {"conv1", "bn1", "layer1", "layer2"}


def test_matching_and_sampling():
    iou = lamina.tensor([[0.9, 0.5, 0.1, 0.0], [0.2, 0.6, 0.2, 0.25]])
    assert match(iou, 0.7, 0.3).tolist() == [0, -2, BELOW, BELOW]
    assert match(lamina.zeros(0, 3), 0.7, 0.3).tolist() == [BELOW] * 3
    labels = lamina.tensor([1] * 3 + [0] * 10 + [-1] * 5)
    positive, negative = sample(labels, 8, 0.25)
    assert len(positive) == 2 and (labels[positive] == 1).all()
    assert len(negative) == 6 and (labels[negative] == 0).all() and len(negative.unique()) == 6


def test_transform_brings_boxes_and_masks_along_and_back():
    transform = detection.DetectionTransform(min_size=64, max_size=100)
    images = [lamina.rand(3, 32, 48), lamina.rand(3, 20, 60)]
    masks = lamina.zeros(1, 32, 48)
    masks[0, 8:16, 12:24] = 1
    target = {"boxes": lamina.tensor([[12.0, 8.0, 24.0, 16.0]]), "labels": lamina.tensor([1]), "masks": masks}
    empty = {
        "boxes": lamina.zeros(0, 4),
        "labels": lamina.zeros(0, dtype=lamina.int64),
        "masks": lamina.zeros(0, 20, 60),
    }
    batch, moved = transform(images, [target, empty])
    assert batch.image_sizes == [(64, 96), (33, 100)] and batch.tensors.shape == (2, 3, 64, 128)
    assert batch.tensors[1, :, 33:].abs().sum().item() == 0
    assert moved[0]["boxes"].tolist() == [[24, 16, 48, 32]]
    assert moved[0]["masks"].sum().item() == 16 * 24 and moved[0]["masks"][0, 16:32, 24:48].all()
    assert moved[1]["masks"].shape == (0, 33, 100)
    result = {"boxes": moved[0]["boxes"], "masks": lamina.ones(1, 1, 28, 28)}
    (back,) = transform.postprocess([result], [(64, 96)], [(32, 48)])
    assert back["boxes"].tolist() == target["boxes"].tolist()
    pasted = (back["masks"][0, 0] > 0.5).float()
    assert (pasted * masks[0]).sum().item() == masks.sum().item()  # covers the object
    assert pasted.sum().item() <= 10 * 14  # and at most a pixel around it


def test_masks_pasted_beyond_the_image_are_cut():
    masks = detection.paste_masks(
        lamina.ones(2, 1, 4, 4), lamina.tensor([[-3.0, -3.0, 3.0, 3.0], [20.0, 20.0, 30.0, 30.0]]), (8, 8)
    )
    assert masks.shape == (2, 1, 8, 8)
    assert (masks[0, 0, :3, :3] > 0.5).all() and masks[0, 0, 5:].sum().item() == 0
    assert masks[1].sum().item() == 0


def test_bad_input():
    model, (images, targets) = small(), squares(1, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"\[MaskRCNN\] expected a target for each of 1 images, got none"):
        model(images)
    with pytest.raises(ValueError, match=r"\[MaskRCNN\] expected boxes \[k, 4\] with x1 < x2"):
        model(images, [{**targets[0], "boxes": lamina.tensor([[5.0, 5.0, 5.0, 9.0]])}])
    with pytest.raises(ValueError, match=r"\[DetectionTransform\] expected images of shape \(3, H, W\)"):
        model.eval()([lamina.rand(1, 3, 8, 8)])


def test_an_image_without_objects_trains_too():
    lamina.manual_seed(0)
    model = small()
    target = {
        "boxes": lamina.zeros(0, 4),
        "labels": lamina.zeros(0, dtype=lamina.int64),
        "masks": lamina.zeros(0, 64, 64),
    }
    losses = model([lamina.rand(3, 64, 64)], [target])
    assert (
        losses["loss_mask"].item() == losses["loss_box_reg"].item() == losses["loss_rpn_box_reg"].item() == 0
    )
    sum(losses.values()).backward()
    assert all(math.isfinite(p.grad.abs().sum().item()) for p in model.rpn.parameters())


def test_learns_to_find_squares():
    lamina.manual_seed(0)
    generator = np.random.default_rng(0)
    model = small(
        rpn_options={"pre_nms_top_n": (200, 100), "post_nms_top_n": (50, 30), "batch_size_per_image": 64},
        box_options={"batch_size_per_image": 32, "detections_per_img": 5},
    )
    optimizer = lamina.optim.Adam(model.parameters(), 1e-3)
    for _ in range(90):
        losses = model(*squares(4, generator))
        assert sorted(losses) == [
            "loss_box_reg", "loss_classifier", "loss_mask", "loss_objectness", "loss_rpn_box_reg",
        ]  # fmt: skip
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    images, targets = squares(8, generator)
    right, overlaps = 0, []
    for found, target in zip(model.eval()(images), targets, strict=True):
        right += found["labels"][:1].tolist() == target["labels"].tolist()
        mask, truth = found["masks"][0, 0] > 0.5, target["masks"][0] > 0
        overlaps.append((mask & truth).sum().item() / (mask | truth).sum().item())
    assert right >= 7 and np.median(overlaps) > 0.6, (right, overlaps)
