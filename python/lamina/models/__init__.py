"""Networks ready to train, each with its paper.

Where torchvision (or, for EfficientNet-Lite0, timm) has the model, parameters bear its names, so that its weights load.
"""

from . import detection
from .alexnet import AlexNet, alexnet
from .attention import AdditiveAttention
from .autoencoder import ConvAutoencoder, DenseAutoencoder
from .captioning import CaptioningNet, coverage_penalty
from .char_rnn import CharRNN
from .dcgan import Discriminator, Generator
from .densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from .detection.mask_rcnn import MaskRCNN, maskrcnn_resnet50_fpn
from .efficientnet_lite import EfficientNetLite, efficientnet_lite0
from .fcn import FCN, fcn8s, fcn16s, fcn32s
from .glimpse import GlimpseOutput, RecurrentGlimpseModel, glimpse_loss, glimpses
from .googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from .inception import Inception3, InceptionOutputs, inception_v3
from .lenet import LeNet5
from .mobilenet_v1 import MobileNetV1, mobilenet_v1
from .mobilenet_v2 import MobileNetV2, mobilenet_v2
from .mobilenet_v3 import MobileNetV3, mobilenet_v3_large, mobilenet_v3_small
from .nin import NiN, nin
from .resnet import (
    BasicBlock,
    Bottleneck,
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from .segnet import SegNet
from .seq2seq import Seq2Seq
from .small_resnet import SmallResNet
from .spatial_transformer import SpatialTransformer, SpatialTransformerNet
from .squeezenet import SqueezeNet, squeezenet1_0, squeezenet1_1
from .unet import UNet
from .vae import VAE, VAEOutput, vae_loss
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from .zfnet import ZFNet, zfnet

__all__ = [
    "FCN",
    "VAE",
    "VGG",
    "AdditiveAttention",
    "AlexNet",
    "BasicBlock",
    "Bottleneck",
    "CaptioningNet",
    "CharRNN",
    "ConvAutoencoder",
    "DenseAutoencoder",
    "DenseNet",
    "Discriminator",
    "EfficientNetLite",
    "Generator",
    "GlimpseOutput",
    "GoogLeNet",
    "GoogLeNetOutputs",
    "Inception3",
    "InceptionOutputs",
    "LeNet5",
    "MaskRCNN",
    "MobileNetV1",
    "MobileNetV2",
    "MobileNetV3",
    "NiN",
    "RecurrentGlimpseModel",
    "ResNet",
    "SegNet",
    "Seq2Seq",
    "SmallResNet",
    "SpatialTransformer",
    "SpatialTransformerNet",
    "SqueezeNet",
    "UNet",
    "VAEOutput",
    "ZFNet",
    "alexnet",
    "coverage_penalty",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
    "detection",
    "efficientnet_lite0",
    "fcn8s",
    "fcn16s",
    "fcn32s",
    "glimpse_loss",
    "glimpses",
    "googlenet",
    "inception_v3",
    "maskrcnn_resnet50_fpn",
    "mobilenet_v1",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "nin",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "squeezenet1_0",
    "squeezenet1_1",
    "vae_loss",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet50_2",
    "wide_resnet101_2",
    "zfnet",
]
