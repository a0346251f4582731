"""Update rules and learning-rate schedules."""

from lamina.optim import lr_scheduler, swa_utils
from lamina.optim.adadelta import Adadelta
from lamina.optim.adagrad import Adagrad
from lamina.optim.adam import Adam, AdamW
from lamina.optim.adamax import Adamax
from lamina.optim.asgd import ASGD
from lamina.optim.nadam import NAdam
from lamina.optim.newton import Newton
from lamina.optim.optimizer import Optimizer
from lamina.optim.quasi_newton import BFGS, LBFGS
from lamina.optim.radam import RAdam
from lamina.optim.rmsprop import RMSprop
from lamina.optim.rprop import Rprop
from lamina.optim.sgd import SGD

__all__ = [
    "ASGD",
    "BFGS",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Newton",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]
