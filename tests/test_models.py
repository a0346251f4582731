"""Models: parameters as in the literature, names as torchvision's, outputs and gradients as
torch's for the same source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness.torch_twin import check_trains_alike

import lamina
from lamina import nn


class Full(NamedTuple):
    """A model at full size: its number of parameters, and the shapes of some of its state."""

    parameters: int
    state: dict[str, tuple[int, ...]]
    options: dict[str, Any] = {}  # noqa: RUF012


# Numbers of torchvision's documentation, timm's for EfficientNet-Lite0, Keras's for MobileNet (trainable), else counted
# by hand from the paper's table.
FULL = {
    "alexnet": Full(61_100_840, {"features.10.weight": (256, 256, 3, 3), "classifier.6.bias": (1000,)}),
    "zfnet": Full(62_357_608, {"features.0.weight": (96, 3, 7, 7), "classifier.1.weight": (4096, 9216)}),
    "vgg11": Full(
        132_863_336, {"features.18.weight": (512, 512, 3, 3), "classifier.0.weight": (4096, 25088)}
    ),
    "vgg11_bn": Full(132_868_840, {"features.26.running_var": (512,)}),
    "vgg13": Full(133_047_848, {"features.22.weight": (512, 512, 3, 3)}),
    "vgg13_bn": Full(133_053_736, {"features.32.num_batches_tracked": ()}),
    "vgg16": Full(138_357_544, {"features.28.weight": (512, 512, 3, 3), "classifier.6.weight": (1000, 4096)}),
    "vgg16_bn": Full(138_365_992, {"features.41.weight": (512,)}),
    "vgg19": Full(143_667_240, {"features.34.weight": (512, 512, 3, 3)}),
    "vgg19_bn": Full(143_678_248, {"features.50.bias": (512,)}),
    "nin": Full(966_986, {"features.0.weight": (192, 3, 5, 5), "features.20.bias": (10,)}),
    "googlenet": Full(
        13_004_888,
        {
            "conv1.conv.weight": (64, 3, 7, 7),
            "inception3a.branch2.1.conv.weight": (128, 96, 3, 3),
            "inception5b.branch4.1.bn.running_mean": (128,),
            "aux2.fc1.weight": (1024, 2048),
            "aux1.conv.bn.bias": (128,),
            "fc.weight": (1000, 1024),
        },
    ),
    "googlenet without auxiliary classifiers": Full(6_624_904, {}, {"aux_logits": False}),
    "inception_v3": Full(
        27_161_264,
        {
            "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
            "Mixed_5b.branch3x3dbl_3.bn.weight": (96,),
            "Mixed_6b.branch7x7dbl_5.conv.weight": (192, 128, 1, 7),
            "Mixed_7c.branch3x3_2b.conv.weight": (384, 384, 3, 1),
            "AuxLogits.conv1.conv.weight": (768, 128, 5, 5),
            "AuxLogits.fc.weight": (1000, 768),
        },
    ),
    "inception_v3 without auxiliary classifier": Full(23_834_568, {}, {"aux_logits": False}),
    "resnet18": Full(11_689_512, {"layer2.0.downsample.0.weight": (128, 64, 1, 1), "fc.weight": (1000, 512)}),
    "resnet34": Full(21_797_672, {"layer3.5.bn2.running_var": (256,)}),
    "resnet50": Full(
        25_557_032,
        {
            "conv1.weight": (64, 3, 7, 7),
            "layer1.0.downsample.1.running_mean": (256,),
            "layer4.2.conv3.weight": (2048, 512, 1, 1),
            "fc.weight": (1000, 2048),
        },
    ),
    "resnet101": Full(44_549_160, {"layer3.22.bn3.weight": (1024,)}),
    "resnet152": Full(60_192_808, {"layer3.35.conv1.weight": (256, 1024, 1, 1)}),
    "resnext50_32x4d": Full(25_028_904, {"layer1.0.conv2.weight": (128, 4, 3, 3)}),
    "resnext101_32x8d": Full(88_791_336, {"layer4.2.conv2.weight": (2048, 64, 3, 3)}),
    "wide_resnet50_2": Full(68_883_240, {"layer1.0.conv2.weight": (128, 128, 3, 3)}),
    "wide_resnet101_2": Full(126_886_696, {"layer4.0.conv3.weight": (2048, 1024, 1, 1)}),
    "squeezenet1_0": Full(
        1_248_424, {"features.3.squeeze.weight": (16, 96, 1, 1), "classifier.1.weight": (1000, 512, 1, 1)}
    ),
    "squeezenet1_1": Full(1_235_496, {"features.12.expand3x3.weight": (256, 64, 3, 3)}),
    "mobilenet_v1": Full(4_231_976, {"features.13.1.0.weight": (1024, 1024, 1, 1)}),
    "mobilenet_v2": Full(
        3_504_872,
        {
            "features.0.0.weight": (32, 3, 3, 3),
            "features.1.conv.0.0.weight": (32, 1, 3, 3),
            "features.17.conv.3.running_mean": (320,),
            "features.18.1.weight": (1280,),
            "classifier.1.weight": (1000, 1280),
        },
    ),
    "mobilenet_v3_large": Full(
        5_483_032,
        {
            "features.4.block.2.fc1.weight": (24, 72, 1, 1),
            "features.16.0.weight": (960, 160, 1, 1),
            "classifier.0.weight": (1280, 960),
            "classifier.3.bias": (1000,),
        },
    ),
    "mobilenet_v3_small": Full(2_542_856, {"features.1.block.1.fc2.bias": (16,)}),
    "densenet121": Full(
        7_978_856,
        {
            "features.conv0.weight": (64, 3, 7, 7),
            "features.denseblock1.denselayer1.norm1.weight": (64,),
            "features.denseblock3.denselayer24.conv2.weight": (32, 128, 3, 3),
            "features.transition2.conv.weight": (256, 512, 1, 1),
            "features.norm5.running_var": (1024,),
            "classifier.weight": (1000, 1024),
        },
    ),
    "densenet161": Full(28_681_000, {"features.norm0.weight": (96,)}),
    "densenet169": Full(14_149_480, {"classifier.weight": (1000, 1664)}),
    "densenet201": Full(20_013_928, {"classifier.weight": (1000, 1920)}),
    "efficientnet_lite0": Full(
        4_652_008,
        {
            "conv_stem.weight": (32, 3, 3, 3),
            "blocks.0.0.conv_dw.weight": (32, 1, 3, 3),
            "blocks.1.0.conv_pwl.weight": (24, 96, 1, 1),
            "blocks.6.0.bn3.running_var": (320,),
            "conv_head.weight": (1280, 320, 1, 1),
            "bn2.bias": (1280,),
            "classifier.weight": (1000, 1280),
        },
    ),
}


@pytest.fixture
def undrawn(monkeypatch):
    """Parameters keep the memory as it came: counting those of VGG needs no half a gigabyte of draws."""
    for name in dir(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, lambda tensor, *args, **options: tensor)


@pytest.mark.parametrize("name", FULL)
def test_parameters_and_names(name, undrawn):
    full = FULL[name]
    model = getattr(lamina.models, name.split()[0])(**full.options)
    assert sum(p.numel() for p in model.parameters()) == full.parameters
    state = model.state_dict()
    assert {key: tuple(state[key].shape) for key in full.state} == full.state


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("alexnet", 16),
        ("vgg16", 32),
        ("resnet18", 122),
        ("resnet50", 320),
        ("squeezenet1_1", 52),
        ("mobilenet_v2", 314),
        ("densenet121", 727),
    ],
)
def test_state_dicts_have_as_many_entries_as_torchvisions(name, entries, undrawn):
    assert len(getattr(lamina.models, name)().state_dict()) == entries


def _slim(model: Any, nn: Any, sizes: dict[int, tuple[int, int]]) -> Any:
    """The model with its widest linear layers replaced."""
    for position, size in sizes.items():
        model.classifier[position] = nn.Linear(*size)
    return model


class Small(NamedTuple):
    """A model at a size that trains in a moment: ``build(module, nn)`` makes it of lamina's layers or torch's."""

    module: str
    build: Callable[[Any, Any], Any]
    shape: tuple[int, ...]


SMALL = {
    "lenet": Small("lenet", lambda m, nn: m.LeNet5(), (2, 1, 28, 28)),
    "alexnet": Small(
        "alexnet",
        lambda m, nn: _slim(m.alexnet(num_classes=5), nn, {1: (9216, 6), 4: (6, 7), 6: (7, 5)}),
        (2, 3, 67, 64),
    ),
    "zfnet": Small(
        "zfnet",
        lambda m, nn: _slim(m.zfnet(num_classes=5), nn, {1: (9216, 6), 4: (6, 7), 6: (7, 5)}),
        (2, 3, 64, 67),
    ),
    "vgg": Small(
        "vgg",
        lambda m, nn: _slim(
            m.VGG(m.vgg_features((1, 2, 1, 1, 1), (4, 6, 8, 8, 512))),
            nn,
            {0: (25088, 6), 3: (6, 7), 6: (7, 5)},
        ),
        (2, 3, 64, 33),
    ),
    "vgg_bn": Small("vgg", lambda m, nn: m.vgg_features((1, 2), (4, 6), batch_norm=True), (2, 3, 8, 9)),
    "nin": Small("nin", lambda m, nn: m.nin(), (2, 3, 12, 11)),
    "googlenet": Small("googlenet", lambda m, nn: m.googlenet(num_classes=5), (2, 3, 64, 64)),
    "googlenet, other range": Small(
        "googlenet",
        lambda m, nn: m.googlenet(aux_logits=False, transform_input=True, num_classes=5),
        (2, 3, 33, 40),
    ),
    "inception_v3": Small(
        "inception", lambda m, nn: m.inception_v3(aux_logits=False, num_classes=5), (2, 3, 75, 76)
    ),
    "inception_v3's auxiliary classifier": Small(
        "inception", lambda m, nn: m.AuxiliaryClassifier(768, 5), (2, 768, 17, 17)
    ),
    "resnet18": Small("resnet", lambda m, nn: m.resnet18(num_classes=5), (2, 3, 33, 48)),
    "resnet18, small images": Small(
        "resnet", lambda m, nn: m.resnet18(5, small_images=True, zero_init_residual=True), (2, 3, 9, 8)
    ),
    "resnet50, dilated": Small(
        "resnet",
        lambda m, nn: m.ResNet(
            m.Bottleneck, (1, 1, 2, 1), 5, replace_stride_with_dilation=(False, True, True)
        ),
        (2, 3, 33, 32),
    ),
    "resnext": Small(
        "resnet",
        lambda m, nn: m.ResNet(m.Bottleneck, (1, 1, 1, 1), 5, groups=8, width_per_group=4),
        (2, 3, 33, 32),
    ),
    "small_resnet": Small("small_resnet", lambda m, nn: m.SmallResNet(pool_stem=True), (2, 1, 16, 16)),
    "squeezenet1_0": Small("squeezenet", lambda m, nn: m.squeezenet1_0(num_classes=5), (2, 3, 33, 32)),
    "squeezenet1_1": Small("squeezenet", lambda m, nn: m.squeezenet1_1(num_classes=5), (2, 3, 33, 32)),
    "mobilenet_v1": Small("mobilenet_v1", lambda m, nn: m.mobilenet_v1(width_mult=0.25), (2, 3, 33, 32)),
    "mobilenet_v2": Small("mobilenet_v2", lambda m, nn: m.mobilenet_v2(width_mult=0.25), (2, 3, 33, 32)),
    "mobilenet_v3_large": Small(
        "mobilenet_v3", lambda m, nn: m.mobilenet_v3_large(width_mult=0.25), (2, 3, 33, 32)
    ),
    "mobilenet_v3_small": Small(
        "mobilenet_v3", lambda m, nn: m.mobilenet_v3_small(width_mult=0.5), (2, 3, 33, 32)
    ),
    "densenet": Small(
        "densenet", lambda m, nn: m.DenseNet(4, (2, 2, 3), 8, drop_rate=0.1, num_classes=5), (2, 3, 33, 32)
    ),
    "efficientnet_lite0": Small(
        "efficientnet_lite", lambda m, nn: m.efficientnet_lite0(num_classes=5), (2, 3, 33, 32)
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_trains_as_the_same_source_on_torch(name, torch):
    module, build, shape = SMALL[name]
    check_trains_alike(torch, module, build, np.random.default_rng(0).standard_normal(shape))


def test_inception_v3_gives_both_scores_in_training():
    model = lamina.models.inception_v3(num_classes=5)
    x = lamina.zeros(2, 3, 299, 299)
    with lamina.no_grad():
        scores = model(x)
        assert isinstance(scores, lamina.models.InceptionOutputs)
        assert scores.logits.shape == scores.aux_logits.shape == (2, 5)
        assert model.eval()(x).shape == (2, 5)


def test_bad_options():
    with pytest.raises(ValueError, match=r"\[SqueezeNet\] expected version '1_0' or '1_1', got '2'"):
        lamina.models.SqueezeNet("2")
    with pytest.raises(ValueError, match=r"\[BasicBlock\] expected groups=1"):
        lamina.models.resnet18(groups=2)
    with pytest.raises(ValueError, match=r"\[ResNet\] expected 4 numbers of blocks"):
        lamina.models.ResNet(lamina.models.BasicBlock, (1, 2))
