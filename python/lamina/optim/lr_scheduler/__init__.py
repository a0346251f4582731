"""Learning-rate schedules."""

from lamina.optim.lr_scheduler.base import LRScheduler
from lamina.optim.lr_scheduler.compose import ChainedScheduler, SequentialLR, WarmupLR
from lamina.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from lamina.optim.lr_scheduler.cyclic import CyclicLR
from lamina.optim.lr_scheduler.decay import ExponentialLR, InverseTimeLR, MultiStepLR, PolynomialLR, StepLR
from lamina.optim.lr_scheduler.function import LambdaLR, MultiplicativeLR
from lamina.optim.lr_scheduler.one_cycle import OneCycleLR
from lamina.optim.lr_scheduler.plateau import ReduceLROnPlateau
from lamina.optim.lr_scheduler.ramp import ConstantLR, LinearLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "InverseTimeLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "WarmupLR",
]
